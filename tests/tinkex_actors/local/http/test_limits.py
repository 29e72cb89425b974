"""What a client may ask for, what it is told when that is reached, and that one cannot starve another."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.tinkex_actors.local.http.test_sampling import ask, drawn, sampler
from tests.tinkex_actors.local.site import open_site
from tests.tinkex_actors.local.worlds import batch
from tinkex_actors.local.engine import Decoding, Sampler, SampleRequest
from tinkex_actors.local.limits import Limits
from tinkex_actors.types.ids import ModelId


async def test_a_sample_that_waits_says_for_what(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Clients show it to people: the session's own limit, or the server's."""
    del autojump_clock
    limits = Limits(max_decoded_together=3, max_decoded_per_session=2, long_poll=1)
    async with open_site(tmp_path, limits=limits) as site:
        session_id = await site.session()
        first, second = [await sampler(site, session_id, number) for number in (0, 1)]
        async with site.service.shop.sampling:  # nobody computes meanwhile
            going = await ask(site, first, 0, num_samples=2)
            own = await site.retrieve((await ask(site, first, 1, num_samples=2)).json["request_id"])
            full = await site.retrieve((await ask(site, second, 0, num_samples=2)).json["request_id"])
            active = await site.retrieve(going.json["request_id"])
        states = [(one.status, one.json["type"], one.json["queue_state"]) for one in (own, full, active)]
        assert states == [
            (408, "try_again", "paused_rate_limit"),
            (408, "try_again", "paused_capacity"),
            (408, "try_again", "active"),
        ]
        assert "this sampling session" in own.json["queue_state_reason"]


async def test_beyond_the_waiting_samples_the_answer_is_429_and_later_it_passes(tmp_path: Path) -> None:
    """The one status that the official client takes for back-pressure, and repeats under the same number."""
    limits = Limits(max_decoded_per_session=1, max_pending_samples=1)
    async with open_site(tmp_path, limits=limits) as site:
        sampling_session_id = await sampler(site, await site.session())
        async with site.service.shop.sampling:
            promised = [await ask(site, sampling_session_id, number, num_samples=1) for number in (0, 1)]
            await trio.testing.wait_all_tasks_blocked()
            refused = await ask(site, sampling_session_id, 2, num_samples=1)
            assert (refused.status, "again" in refused.detail) == (429, True)
            assert (await ask(site, sampling_session_id, 1, num_samples=1)).json == promised[1].json
        for one in promised:
            await drawn(site, one)
        assert (await drawn(site, await ask(site, sampling_session_id, 2, num_samples=1))).sequences


async def test_a_sample_cancelled_while_it_waits_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a prompt for nobody would hold up the others."""
    read: list[int] = []
    begin = Sampler.begin

    def noted(self: Sampler, request: SampleRequest) -> Decoding:
        read.append(len(request.prompt))
        return begin(self, request)

    monkeypatch.setattr(Sampler, "begin", noted)
    async with open_site(tmp_path, limits=Limits(max_decoded_per_session=1)) as site:
        sampling_session_id = await sampler(site, await site.session())
        async with site.service.shop.sampling:
            going = await ask(site, sampling_session_id, 0, num_samples=1)
            given_up = await ask(site, sampling_session_id, 1, num_samples=1)
            await trio.testing.wait_all_tasks_blocked()
            await site.post("cancel_future", request_id=given_up.json["request_id"])
        await drawn(site, going)
        await drawn(site, await ask(site, sampling_session_id, 2, num_samples=1))
    assert len(read) == 2


async def test_one_session_cannot_take_all_the_seats(tmp_path: Path) -> None:
    """A client with a thousand samples must not make another wait for all of them."""
    limits = Limits(max_decoded_together=2, max_decoded_per_session=1)
    async with open_site(tmp_path, limits=limits, has_threads=True) as site:
        session_id = await site.session()
        greedy, modest = [await sampler(site, session_id, number) for number in (0, 1)]
        params = {"max_tokens": 40, "stop": list[str]()}
        many = [await ask(site, greedy, number, num_samples=1, sampling_params=params) for number in range(30)]
        await drawn(site, await ask(site, modest, 0, num_samples=1))
        drawn_so_far = site.service.shop.audit.count("sample")
        assert drawn_so_far < len(many)
        for one in many:
            await drawn(site, one)


async def test_training_is_fair_between_models(tmp_path: Path) -> None:
    """Each computes one operation and stands in line again, however many it has."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        busy, other = await site.model(session_id, 0), await site.model(session_id, 1)
        async with site.service.shop.training:
            many = [await site.learn(busy, number) for number in range(1, 21)]
            await trio.testing.wait_all_tasks_blocked()
            one = await site.learn(other, 1)
        for promised in [*many, one]:
            await site.fetch(promised)
        order = [entry.model for entry in site.service.shop.audit if entry.kind == "forward_backward"]
        assert order.index(ModelId(other)) == 1


async def test_a_batch_of_too_many_tokens_is_refused_before_it_is_computed(tmp_path: Path) -> None:
    """With the number that may come."""
    async with open_site(tmp_path, limits=Limits(max_batch_tokens=5)) as site:
        model_id = await site.model(await site.session())
        refused = await site.learn(model_id, 1, batch(*range(1, 8)))
        assert (refused.status, "may have 5 tokens, got 6" in refused.detail) == (413, True)
        await site.fetch(await site.learn(model_id, 1, batch(1, 2, 3)))


async def test_a_sample_request_of_too_many_tokens_is_refused(tmp_path: Path) -> None:
    """Samples times tokens."""
    async with open_site(tmp_path, limits=Limits(max_request_tokens=7)) as site:
        refused = await ask(site, await sampler(site, await site.session()), num_samples=2)
        assert (refused.status, "may be 7, got 8" in refused.detail) == (400, True)


async def test_too_many_models_at_once_are_refused(tmp_path: Path) -> None:
    """Until a session ends."""
    async with open_site(tmp_path, limits=Limits(max_models=1)) as site:
        first, second = await site.session(), await site.session()
        await site.model(first)
        asked = {"session_id": second, "model_seq_id": 0, "base_model": "random"}
        assert (await site.post("create_model", **asked)).status == 429
        await site.post(f"sessions/{first}/finish", reason={"type": "success"}, detail=None)
        assert (await site.post("create_model", **asked)).status == 200
