"""One door for all runs: room, order, fairness."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tinkex_actors.daemon.admission import Admission, Kind


async def _work(door: Admission, run: str, kind: Kind, size: int, log: list[str]) -> None:
    ticket = await door.admit(run, kind, size)
    log.append(run)
    await trio.sleep(1)
    door.give_back(ticket)


async def test_runs_get_room_by_their_weights(autojump_clock: MockClock) -> None:
    """Two thirds and one third, from the first grant on, however many one of them asks for at once."""
    door, log = Admission(1, 1000), list[str]()
    door.enrol("heavy", 2.0)
    door.enrol("light", 1.0)
    async with trio.open_nursery() as nursery:
        blocker = await door.admit("other", Kind.TRAINING, 1)
        for run in ("light", "heavy"):
            for _ in range(12):
                nursery.start_soon(_work, door, run, Kind.TRAINING, 10, log)
        await wait_all_tasks_blocked()
        door.give_back(blocker)

    assert 7 <= log[:12].count("heavy") <= 9
    assert autojump_clock.current_time() == len(log)  # the place was never empty


async def test_training_goes_before_evaluation_before_sampling(autojump_clock: MockClock) -> None:
    """Whoever came first."""
    door, log = Admission(1, 1000), list[str]()
    async with trio.open_nursery() as nursery:
        blocker = await door.admit("other", Kind.TRAINING, 1)
        for kind in reversed(Kind):
            nursery.start_soon(_work, door, kind.name, kind, 10, log)
            await wait_all_tasks_blocked()
        door.give_back(blocker)

    assert log == ["TRAINING", "EVALUATION", "SAMPLING"]
    assert autojump_clock.current_time() == len(log)


async def test_bytes_count_too_and_what_is_larger_than_the_budget_goes_alone() -> None:
    """Nothing waits for ever because it is large."""
    door = Admission(10, 100)
    large = await door.admit("a", Kind.TRAINING, 1000)

    assert door.try_admit("b", 1) is None
    door.give_back(large)
    assert door.try_admit("b", 60) is not None
    assert door.try_admit("b", 60) is None


async def test_who_is_cancelled_at_the_door_takes_no_room() -> None:
    """Neither while waiting nor in the moment of being let in."""
    door = Admission(1, 100)
    ticket = await door.admit("a", Kind.TRAINING, 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(door.admit, "b", Kind.TRAINING, 1)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        door.give_back(ticket)

    assert (door.operations, door.size_bytes, door.waiting) == (0, 0, 0)


async def test_work_that_could_not_be_begun_gives_its_place_back() -> None:
    """And work that could keeps it, until whoever has its result gives it back."""
    admission = Admission(max_operations=2, max_bytes=100)
    ticket = await admission.admit("a", Kind.EVALUATION, 10)

    with admission.keeping(ticket):
        pass
    assert admission.operations == 1
    with pytest.raises(ValueError, match="refused"), admission.keeping(ticket):
        raise ValueError("refused")
    assert (admission.operations, admission.size_bytes) == (0, 0)
