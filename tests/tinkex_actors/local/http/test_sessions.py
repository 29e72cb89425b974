"""Sessions over the wire."""

from pathlib import Path

import trio
from trio.testing import MockClock

from tests.tinkex_actors.local.site import open_site
from tinkex_actors.local.limits import Limits

OPEN = b'{"tags":[],"user_metadata":{"a":null},"sdk_version":"0.38.0","type":"create_session"}'


async def test_a_repeated_creation_answers_with_the_same_session(tmp_path: Path) -> None:
    """The answer to the first may have been lost."""
    async with open_site(tmp_path) as site:
        first = await site.send("POST", "create_session", OPEN, x_idempotency_key="k")
        again = await site.send("POST", "create_session", OPEN, x_idempotency_key="k")
        other = await site.send("POST", "create_session", OPEN, x_idempotency_key="l")
        assert first.json == again.json
        assert first.json != other.json


async def test_a_finished_session_stops_its_clients_heart(tmp_path: Path) -> None:
    """410 is how the heartbeat of the official client ends silently; finishing twice is welcome."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        assert (await site.post("session_heartbeat", session_id=session_id)).status == 200
        for _ in range(2):
            ended = await site.post(f"sessions/{session_id}/finish", reason={"type": "success"}, detail=None)
            assert ended.status == 200
        assert (await site.post("session_heartbeat", session_id=session_id)).status == 410


async def test_a_silent_session_ends_and_frees_its_models(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Clients die without a word; their models must not stay for ever."""
    async with open_site(tmp_path, limits=Limits(session_timeout=300)) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        await trio.sleep(290)
        assert (await site.post("session_heartbeat", session_id=session_id)).status == 200
        await trio.sleep(290)
        assert (await site.post("get_info", model_id=model_id)).status == 200
        await trio.sleep(40)
        assert autojump_clock.current_time() > 600
        gone = await site.step(model_id, 1)
        assert (gone.status, "expired" in gone.detail) == (410, True)
        assert len(site.service.runs.lodgings) == 0


async def test_what_a_session_still_waits_for_fails_when_it_ends(tmp_path: Path) -> None:
    """A retrieval that hangs for ever would keep a client from ending."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        behind_a_gap = await site.step(await site.model(session_id), 5)
        await site.post(f"sessions/{session_id}/finish", reason={"type": "errored"}, detail="x")
        failed = await site.fetch(behind_a_gap)
        assert (failed.json["category"], "has ended" in failed.json["error"]) == ("user", True)


async def test_sessions_of_another_key_are_unknown(tmp_path: Path) -> None:
    """Neither heartbeats nor models cross owners."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        site.key = "tml-other"
        assert (await site.post("session_heartbeat", session_id=session_id)).status == 404
        asked = await site.post("create_model", session_id=session_id, model_seq_id=0, base_model="random")
        assert asked.status == 404
