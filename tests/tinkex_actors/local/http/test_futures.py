"""Fetching results over the wire."""

from pathlib import Path

from trio.testing import MockClock

from tests.tinkex_actors.local.site import KEY, open_site
from tinkex_actors.local.limits import Limits


async def test_a_long_poll_ends_with_try_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    """408 with a body: every other form makes the official client warn or give up."""
    async with open_site(tmp_path, limits=Limits(long_poll=25, gap_timeout=1000)) as site:
        behind_a_gap = (await site.step(await site.model(await site.session()), 5)).json["request_id"]
        started = autojump_clock.current_time()
        reply = await site.retrieve(behind_a_gap)
        assert autojump_clock.current_time() - started == 25
        assert reply.status == 408
        assert reply.json == {"type": "try_again", "request_id": behind_a_gap, "queue_state": "active"}


async def test_a_large_result_is_announced_before_it_is_sent(tmp_path: Path) -> None:
    """The client reserves room for it first."""
    async with open_site(tmp_path, limits=Limits(announced_result_bytes=80)) as site:
        promised = await site.learn(await site.model(await site.session()), 1)
        announced = await site.fetch(promised)
        assert announced.json["status"] == "complete_metadata"
        whole = await site.post("retrieve_future", request_id=promised.json["request_id"], allow_metadata_only=False)
        assert len(whole.body) > 80


async def test_results_belong_to_their_key(tmp_path: Path) -> None:
    """A request id is no secret."""
    async with open_site(tmp_path) as site:
        promised = await site.step(await site.model(await site.session()), 1)
        site.key = "tml-other"
        assert (await site.retrieve(promised.json["request_id"])).status == 404
        site.key = KEY
        assert (await site.fetch(promised)).status == 200
