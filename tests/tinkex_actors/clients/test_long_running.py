"""What a program that runs for weeks meets: outages, storms next door, clients that come and go, a host that is not trio."""

from collections.abc import Callable
from itertools import pairwise
from queue import SimpleQueue

import outcome
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FIGURES, SETTINGS, FakeTinker, Say, make_trainer, open_fake
from tinkex_actors.actors.errors import ClientBusy, ClientClosed
from tinkex_actors.actors.telemetry import TELEMETRY_NAME, Telemetry
from tinkex_actors.types import OptimStepResponse

LOUD = evolve(SETTINGS, telemetry=True)


def told(fake: FakeTinker) -> list[int]:
    """The numbers of the events that have arrived, in order."""
    return [event["event_session_index"] for body in fake.sent("telemetry") for event in body["events"]]


@pytest.mark.tinkex("D3-07")
async def test_a_storm_of_crashes_next_door_does_not_move_a_heartbeat(autojump_clock: MockClock) -> None:
    """One tenant crashes every few seconds; the other's beats come on the tenth second, each."""
    stormy, calm = FakeTinker(), FakeTinker()
    async with open_fake(stormy) as first, open_fake(calm):
        trainer = await make_trainer(first)
        for _ in range(24):
            trainer.crash("again")
            await trainer.optim_step()
            await trio.sleep(2.5)
    beats = calm.times["session_heartbeat"]
    assert [later - earlier for earlier, later in pairwise(beats)] == [pytest.approx(10.0)] * 5
    assert stormy.model.count("optim_step") == 24
    assert autojump_clock.current_time() < 70


@pytest.mark.tinkex("D3-09")
async def test_ten_minutes_without_telemetry_lose_no_event(autojump_clock: MockClock) -> None:
    """Kept, sent once each when the server is back, in order; nothing is dropped that the queue has room for."""
    fake = FakeTinker()
    fake.fail("telemetry", *[Say(503)] * 60)
    async with open_fake(fake, LOUD) as tinker:
        telemetry = tinker._tree.root.whereis(TELEMETRY_NAME)
        for number in range(600):
            await telemetry.call(Telemetry.note, "n", {"number": number})
            await trio.sleep(1)
        fake.faults.clear()
        await trio.sleep(60)
        assert (tinker.snapshot().telemetry_queued, tinker.snapshot().telemetry_dropped) == (0, 0)
    assert told(fake) == list(range(602))
    assert autojump_clock.current_time() > 600


@pytest.mark.tinkex("D3-09")
async def test_what_the_reporter_has_no_room_for_is_counted_exactly(autojump_clock: MockClock) -> None:
    """What arrived and what was dropped are together what there was."""
    fake = FakeTinker()
    settings = evolve(LOUD, figures=evolve(FIGURES, telemetry_queue=50))
    async with open_fake(fake, settings) as tinker:
        fake.fail("telemetry", *[Say(503)] * 1000)
        telemetry = tinker._tree.root.whereis(TELEMETRY_NAME)
        for number in range(200):
            await telemetry.call(Telemetry.note, "n", {"number": number})
        await trio.sleep(100)
        fake.faults.clear()
        await trio.sleep(60)
        dropped = tinker.snapshot().telemetry_dropped
        assert len(told(fake)) + dropped == 201
        assert dropped > 100
    assert autojump_clock.current_time() > 160


@pytest.mark.tinkex("D3-10")
async def test_the_reporter_outlives_a_client_that_is_closed(autojump_clock: MockClock) -> None:
    """It belongs to the session: what the others report still arrives, and so does the session's end."""
    fake = FakeTinker()
    async with open_fake(fake, LOUD) as tinker:
        trainer, other = await make_trainer(tinker), await make_trainer(tinker)
        tinker._tree.remove(trainer.name, ClientClosed("done with it"))
        with pytest.raises(ClientClosed):
            trainer.optim_step()
        other.crash("to be told")
        await other.optim_step()
        await trio.sleep(15)
    kinds = [event["event"] for body in fake.sent("telemetry") for event in body["events"]]
    assert kinds == ["SESSION_START", "GENERIC_EVENT", "SESSION_END"]
    assert autojump_clock.current_time() < 30


@pytest.mark.tinkex("D3-18")
def test_a_client_runs_in_a_loop_that_is_not_trios() -> None:
    """Guest mode: the host's loop turns, and a client opens, trains and closes in it with nothing left behind."""
    fake, due, done = (
        FakeTinker(latency=0.0),
        SimpleQueue[Callable[[], object]](),
        list[outcome.Outcome[OptimStepResponse]](),
    )

    async def train() -> OptimStepResponse:
        async with open_fake(fake) as tinker:
            return await (await make_trainer(tinker)).optim_step()

    trio.lowlevel.start_guest_run(train, run_sync_soon_threadsafe=due.put, done_callback=done.append)
    while not done:
        due.get(timeout=10)()
    assert done[0].unwrap().metrics == {"step": 1.0}
    assert (fake.inside, fake.finished) == (0, ["success"])


@pytest.mark.tinkex("C23")
async def test_a_loop_that_never_awaits_is_stopped_before_the_memory_is_full(autojump_clock: MockClock) -> None:
    """Nothing of what is refused was sent; when something is answered, the loop may go on."""
    fake = FakeTinker()
    async with open_fake(fake, evolve(SETTINGS, figures=evolve(FIGURES, train_in_flight=5))) as tinker:
        trainer = await make_trainer(tinker)
        taken = [trainer.optim_step() for _ in range(5)]
        with pytest.raises(ClientBusy, match="trainer-0: 5 operations are not answered yet"):
            trainer.optim_step()
        for pending in taken:
            await pending
        await trainer.optim_step()
    assert fake.model.count("optim_step") == 6
    assert autojump_clock.current_time() < 5
