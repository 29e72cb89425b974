"""The poller asks at a civil pace, side by side, and fetches large results one budget at a time."""

from itertools import pairwise

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FIGURES, SETTINGS, FakeTinker, Say, a_datum, make_trainer, open_fake


@pytest.mark.parametrize(
    "refusal",
    [
        Say(408),
        Say(200, b'{"type": "try_again", "request_id": "r", "queue_state": "active", "retry_after_ms": 0}'),
        Say(429, headers={"retry-after-ms": "1"}),
        Say(503, headers={"retry-after-ms": "1"}),
    ],
)
async def test_a_server_that_says_try_again_at_once_is_not_flooded(autojump_clock: MockClock, refusal: Say) -> None:
    """However quickly it answers, one operation is asked for a few times a second."""
    fake = FakeTinker()
    fake.fail("retrieve_future", *[refusal] * 40)
    async with open_fake(fake) as tinker:
        await make_trainer(tinker)
    pauses = [
        later - earlier
        for earlier, later in zip(fake.times["retrieve_future"], fake.times["retrieve_future"][1:], strict=False)
    ]
    assert len(pauses) == 40
    assert min(pauses) >= FIGURES.poll_interval_min - 1e-9
    assert len({round(pause, 6) for pause in pauses}) > 20  # by chance, so that many clients do not come at once
    assert autojump_clock.current_time() > 10


async def test_polls_say_what_they_ask_for_and_how_often(autojump_clock: MockClock) -> None:
    """Servers tell first polls from later ones, and protobuf results from others, by the headers."""
    fake = FakeTinker()
    fake.fail("retrieve_future", Say(408))
    async with open_fake(fake) as tinker:
        await make_trainer(tinker)
    polls = [headers for route, headers in fake.headers if route == "retrieve_future"]
    assert [(h["x-tinker-request-type"], h["x-tinker-request-iteration"]) for h in polls] == [
        ("CreateModel", "0"),
        ("CreateModel", "1"),
    ]
    assert {h["accept"] for h in polls} == {"application/json"}
    assert autojump_clock.current_time() < 5


async def test_announced_results_wait_for_room(autojump_clock: MockClock) -> None:
    """Three results of more than the budget each, there at the same moment, are fetched one after the other."""
    fake = FakeTinker(latency=1.0, config={"fwdbwd_max_chunk_len": 1}, large_bytes=5000)
    settings = evolve(SETTINGS, figures=evolve(FIGURES, response_bytes=1000))
    async with open_fake(fake, settings) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.forward_backward([a_datum()] * 3, "cross_entropy")
    asked = [body["allow_metadata_only"] for body in fake.sent("retrieve_future")]
    assert asked[-6:] == [True] * 3 + [False] * 3
    times = fake.times["retrieve_future"][-3:]
    assert [round(after - before, 6) for before, after in pairwise(times)] == [fake.latency / 2] * 2
    assert autojump_clock.current_time() < 20


async def test_results_are_waited_for_side_by_side(autojump_clock: MockClock) -> None:
    """A slow operation does not hold up another's result."""
    fake = FakeTinker(latency=5.0)
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        began = trio.current_time()
        pendings = [trainer.optim_step() for _ in range(5)]
        for pending in pendings:
            await pending
        assert trio.current_time() - began < 25
    assert autojump_clock.current_time() < 60
