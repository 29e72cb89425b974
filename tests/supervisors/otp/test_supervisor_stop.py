"""Stopping in order, within budgets, whatever the children do: SU-76 to SU-89."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

import math
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    BRUTAL_KILL,
    ChildCrashed,
    ChildKilled,
    ChildRunning,
    ChildSpec,
    ChildStopped,
    ExitKind,
    Ref,
    StartError,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from tests.supervisors.otp.actors import (
    ALL_ENDS,
    Boom,
    Diary,
    EventLog,
    Part,
    Worker,
    cast_of,
    crash,
    finish,
    kill,
    settle,
    stop,
    stop_with_reason,
)


def exits(log: EventLog) -> dict[str, ExitKind]:
    """How each child's last life ended."""
    ended = [event for event in log.events if isinstance(event, ChildStopped | ChildCrashed)]
    return {event.path.rpartition("/")[2]: event.exit.kind for event in ended}


class Deaf(Worker):
    """Takes no notice of an order to stop while it works, but can be killed."""

    async def work(self) -> None:
        """Work for ever."""
        await trio.sleep_forever()


def deaf(part: Part, **options: Any) -> ChildSpec[Deaf]:
    """A child that has to be killed."""
    return ChildSpec(lambda: Deaf(part), name=part.name, **options)


@pytest.mark.otp("SU-76")
async def test_without_a_limit_a_stop_waits_as_long_as_it_takes(autojump_clock: MockClock) -> None:
    """A worker and a supervisor with unlimited time end by themselves, both by order."""
    log = EventLog()
    slow, inner = cast_of(Diary(), "ab")
    slow.stop_takes, inner.stop_takes = 1000, 500
    nested = SupervisorSpec("s", children=[inner.spec(shutdown=math.inf)])
    async with open_supervisor(children=[slow.spec(shutdown=math.inf), nested], observers=[log]):
        pass
    assert trio.current_time() == pytest.approx(1500)
    assert exits(log) == dict.fromkeys(["a", "s", "b"], ExitKind.SHUTDOWN)


@pytest.mark.otp("SU-77")
@pytest.mark.parametrize("is_busy", [True, False])
async def test_a_child_that_does_not_stop_in_time_is_killed(*, is_busy: bool, autojump_clock: MockClock) -> None:
    """Busy in an operation or in its clean-up: after its second it is cancelled, reported, and the next one's turn comes."""
    log = EventLog()
    first, second = cast_of(Diary(), "ab")
    second.stop_takes = 100
    async with open_supervisor(children=[first.spec(), deaf(second, shutdown=1)], observers=[log]) as root:
        ref = root.child("b")
        assert isinstance(ref, Ref)
        if is_busy:
            ref.cast_nowait(Deaf.work)
            await settle()
    assert trio.current_time() == pytest.approx(1)
    assert exits(log) == {"a": ExitKind.SHUTDOWN, "b": ExitKind.KILLED}
    assert [(event.path, event.shutdown) for event in log.of(ChildKilled)] == [("root/b", 1)]


@pytest.mark.otp("SU-78")
async def test_a_dynamic_child_that_does_not_stop_in_time_is_killed(autojump_clock: MockClock) -> None:
    """The same, and the others are not held up."""
    log = EventLog()
    first, second = cast_of(Diary(), "ab")
    second.stop_takes = 100
    async with open_supervisor(observers=[log]) as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        await pool.start_child(first.spec())
        await pool.start_child(second.spec(shutdown=1))
    assert trio.current_time() == pytest.approx(1)
    assert exits(log) == {"a": ExitKind.SHUTDOWN, "b": ExitKind.KILLED, "pool": ExitKind.SHUTDOWN}


@pytest.mark.otp("SU-79")
@pytest.mark.parametrize("dynamic", [True, False])
async def test_a_brutal_kill_asks_nothing(*, dynamic: bool, autojump_clock: MockClock) -> None:
    """Ten children, killed at once: no clean-up is run, no time passes."""
    log = EventLog()
    diary = Diary()
    async with open_supervisor(observers=[log]) as root:
        supervisor = await root.start_supervisor("s", dynamic=dynamic)
        for number in range(10):
            part = Part(diary, f"k{number}", stop_takes=100)
            await supervisor.start_child(part.spec(shutdown=BRUTAL_KILL))
        diary.take()
    assert diary.entries == []
    assert trio.current_time() == pytest.approx(0)
    assert [kind for name, kind in exits(log).items() if name != "s"] == [ExitKind.KILLED] * 10
    assert len(log.of(ChildKilled)) == 10


@pytest.mark.otp("SU-80")
async def test_children_that_end_by_themselves_during_a_stop_keep_their_own_ends(autojump_clock: MockClock) -> None:
    """Twelve of them, of every restart type and with every kind of end, while another takes a second to stop."""
    log = EventLog()
    diary = Diary()
    ends = {"finish": finish, "stop": stop, "crash": crash, "kill": kill}
    names = [(restart, end) for restart in ("permanent", "transient", "temporary") for end in ends]
    children = [Part(diary, f"{restart}-{end}").spec(restart=restart) for restart, end in names]
    slow = Part(diary, "slow", stop_takes=1)
    async with trio.open_nursery() as nursery:
        async with open_supervisor(children=[*children, slow.spec()], observers=[log]) as root:
            refs: list[Ref[Any]] = [ref for spec in children if isinstance(ref := root.child(str(spec.name)), Ref)]
            root.stop()
            with trio.CancelScope(shield=True):
                await settle()
                for ref, (_, end) in zip(refs, names, strict=True):
                    nursery.start_soon(ends[end], ref)
                await settle()
        assert {ref.life for ref in refs} == {1}
    kinds = {"finish": ExitKind.NORMAL, "stop": ExitKind.SHUTDOWN, "crash": ExitKind.CRASHED, "kill": ExitKind.KILLED}
    assert exits(log) == {f"{r}-{end}": kinds[end] for r, end in names} | {"slow": ExitKind.SHUTDOWN}


@pytest.mark.otp("SU-81")
async def test_a_dynamic_child_keeps_the_end_it_chose_while_it_was_told_to_stop() -> None:
    """The supervisor's own end is a clean one, whatever its children make of theirs."""
    log = EventLog()
    diary = Diary()
    async with open_supervisor(observers=[log]) as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        await pool.start_child(Part(diary, "clean").spec())
        await pool.start_child(Part(diary, "crash", stop_error=Boom()).spec())
        refs = [await pool.start_child(Part(diary, f"e{n}").spec(restart="temporary")) for n in range(2)]
        await finish(refs[0])
        await stop_with_reason(refs[1])
    assert exits(log) == {
        "clean": ExitKind.SHUTDOWN, "crash": ExitKind.CRASHED, "e0": ExitKind.NORMAL, "e1": ExitKind.SHUTDOWN,
        "pool": ExitKind.SHUTDOWN,
    }  # fmt: skip
    assert (await refs[1].ended()).reason == "moved"


@pytest.mark.otp("SU-82")
async def test_dynamic_children_stop_all_at_once(autojump_clock: MockClock) -> None:
    """Two need a second each and one would need five but has two: two seconds in all."""
    diary = Diary()
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        for name, seconds in (("a", 1), ("b", 5), ("c", 1)):
            await pool.start_child(Part(diary, name, stop_takes=seconds).spec(shutdown=2))
    assert trio.current_time() == pytest.approx(2)
    assert sorted(diary.entries[3:]) == ["a stops", "c stops"]


@pytest.mark.otp("SU-84")
async def test_each_dynamic_child_ends_in_its_own_way(autojump_clock: MockClock) -> None:
    """Brutal, unlimited, in time, out of time, failing in its clean-up: none changes another's end."""
    log = EventLog()
    diary = Diary()
    cases: list[tuple[str, Any, float, Exception | None, ExitKind]] = [
        ("brutal", BRUTAL_KILL, 9, None, ExitKind.KILLED),
        ("unlimited", math.inf, 9, None, ExitKind.SHUTDOWN),
        ("in-time", 5, 1, None, ExitKind.SHUTDOWN),
        ("late", 5, 9, None, ExitKind.KILLED),
        ("failing", 5, 1, Boom(), ExitKind.CRASHED),
    ]
    async with open_supervisor(observers=[log]) as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        for name, shutdown, seconds, error, _ in cases:
            part = Part(diary, name, stop_takes=seconds, stop_error=error)
            await pool.start_child(part.spec(shutdown=shutdown))
    assert exits(log) == {"pool": ExitKind.SHUTDOWN} | {name: kind for name, *_, kind in cases}


@pytest.mark.otp("SU-85")
async def test_no_time_at_all_is_an_order_and_a_kill(autojump_clock: MockClock) -> None:
    """Zero seconds are accepted: who needs none to stop, stops; who needs any is killed."""
    log = EventLog()
    first, second = cast_of(Diary(), "ab")
    second.stop_takes = 0.5
    async with open_supervisor(children=[first.spec(shutdown=1), second.spec(shutdown=0)], observers=[log]):
        pass
    assert trio.current_time() == pytest.approx(0)
    assert exits(log) == {"a": ExitKind.SHUTDOWN, "b": ExitKind.KILLED}


@pytest.mark.otp("SU-86")
async def test_a_failing_clean_up_does_not_keep_the_others_from_theirs() -> None:
    """It is reported as that child's crash; the stop goes on and the block is left as if nothing had happened."""
    log = EventLog()
    parts = cast_of(Diary(), "abc")
    parts[1].stop_error = Boom()
    nested = SupervisorSpec("s", children=[part.spec() for part in parts])
    async with open_supervisor(children=[nested], observers=[log]):
        parts[0].diary.take()
    assert parts[0].diary.entries == ["c stops", "b stops", "a stops"]
    assert exits(log) == {
        "c": ExitKind.SHUTDOWN, "b": ExitKind.CRASHED, "a": ExitKind.SHUTDOWN, "s": ExitKind.SHUTDOWN,
    }  # fmt: skip
    assert [event.path for event in log.of(ChildCrashed)] == ["root/s/b"]


@pytest.mark.otp("SU-87")
@pytest.mark.parametrize("how", ["left", "raised", "cancelled", "ordered"])
async def test_whatever_ends_the_owner_the_children_are_told_to_shut_down(how: str) -> None:
    """Our rule: only the owner ends a supervisor, and in whatever way it does, its own reason is its own business."""
    part = Part(Diary(), "a")
    with trio.CancelScope() as scope, pytest.raises(Boom) if how == "raised" else trio.CancelScope():
        async with open_supervisor(children=[part.spec()]) as root:
            if how == "raised":
                raise Boom
            if how == "cancelled":
                scope.cancel()
            if how == "ordered":
                root.stop()
            await trio.lowlevel.checkpoint()
    assert [exit_.kind for exit_ in part.diary.exits["a"]] == [ExitKind.SHUTDOWN]
    assert scope.cancelled_caught == (how == "cancelled")


@pytest.mark.otp("SU-88")
async def test_a_crash_beside_a_slow_termination_is_seen_to(autojump_clock: MockClock) -> None:
    """D-3: the sibling is restarted while the slow one still stops, which then stays down."""
    slow, crasher = cast_of(Diary(), "ab")
    slow.stop_takes = 1
    async with open_supervisor(children=[slow.spec(), crasher.spec()]) as root, trio.open_nursery() as nursery:
        nursery.start_soon(root.terminate_child, "a")
        await settle()
        ref = root.child("b")
        assert isinstance(ref, Ref)
        await crash(ref)
        assert (ref.is_alive, ref.life, trio.current_time()) == (True, 2, 0)
        await trio.sleep(2)
        assert [(child.name, child.status) for child in root.which_children()] == [("a", "down"), ("b", "running")]


@pytest.mark.otp("SU-88")
async def test_a_group_restart_waits_for_a_slow_termination_and_leaves_it_down(autojump_clock: MockClock) -> None:
    """What a group shares may still be in the hands of the one that stops."""
    slow, crasher = cast_of(Diary(), "ab")
    slow.stop_takes = 1
    children = [slow.spec(), crasher.spec()]
    async with open_supervisor(strategy="one_for_all", children=children) as root, trio.open_nursery() as nursery:
        nursery.start_soon(root.terminate_child, "a")
        await settle()
        ref = root.child("b")
        assert isinstance(ref, Ref)
        await crash(ref)
        await trio.sleep(2)
        assert slow.diary.entries == ["a starts", "b starts", "b stops", "a stops", "b starts"]
        assert [child.status for child in root.which_children()] == ["down", "running"]


@pytest.mark.otp("SU-89")
async def test_a_stop_cancels_a_restart_that_is_still_starting(autojump_clock: MockClock) -> None:
    """D-3: nobody needs what it would become."""
    part = Part(Diary(), "a")
    async with open_supervisor(children=[part.spec()]) as root:
        part.start_takes = 0.6
        ref = root.child("a")
        assert isinstance(ref, Ref)
        await crash(ref)
        await trio.sleep(0.1)
    assert trio.current_time() == pytest.approx(0.1)
    assert part.diary.entries == ["a starts", "a stops"]


async def test_a_stop_while_a_supervisor_starts_stops_in_order_what_has_started(autojump_clock: MockClock) -> None:
    """The start under way is cancelled; the siblings before it have lived, and tidy up."""
    diary = Diary()
    fast, slow = Part(diary, "a", stop_takes=0.1), Part(diary, "b", start_takes=60)
    team = SupervisorSpec("team", children=[fast.spec(), slow.spec()])
    async with open_supervisor() as root, trio.open_nursery() as nursery:
        nursery.start_soon(attempt_start, root, team)
        await settle()
        await root.terminate_child("team")
        assert trio.current_time() == pytest.approx(0.1)
        assert diary.entries == ["a starts", "a stops"]
        assert [exit_.kind for exit_ in diary.exits["a"]] == [ExitKind.SHUTDOWN]


async def test_a_group_is_stopped_in_reverse_also_when_one_of_it_is_starting(autojump_clock: MockClock) -> None:
    """A supervisor whose start is aborted takes time to stop what it had started: the others do not wait for that."""
    diary = Diary()
    first, inner, slow, last = (Part(diary, name, stop_takes=0.1) for name in ("a", "ta", "tb", "b"))
    team = SupervisorSpec("t", children=[inner.spec(), slow.spec()])
    async with open_supervisor(strategy="rest_for_one", children=[first.spec(), team]) as root:
        slow.start_takes = 60
        ref = root.child("a")
        assert isinstance(ref, Ref)
        await crash(ref)
        await trio.sleep(1)  # t is starting again
        await root.start_child(last.spec())
        diary.take()
        slow.start_takes, inner.stop_takes = 0, 0.5
        await crash(ref)
        await trio.sleep(1)
    assert diary.entries[:4] == ["a stops", "b stops", "ta stops", "a starts"]


async def test_orders_about_a_child_that_a_start_has_not_come_to_yet(autojump_clock: MockClock) -> None:
    """It is listed as starting: nobody may overtake the start, and an order down keeps the child down."""
    diary = Diary()
    parts = [Part(diary, "a", start_takes=1), Part(diary, "b"), Part(diary, "c")]
    team = SupervisorSpec("team", children=[part.spec() for part in parts])
    async with open_supervisor() as root, trio.open_nursery() as nursery:
        nursery.start_soon(root.start_supervisor, team)
        await settle()
        handle = root.supervisor("team")
        assert [child.status for child in handle.which_children()] == ["starting"] * 3
        for order in (handle.restart_child, handle.delete_child):
            with pytest.raises(ChildRunning):
                await order("b")
        await handle.terminate_child("b")
        await trio.sleep(2)
        assert [child.status for child in handle.which_children()] == ["running", "down", "running"]
        assert diary.entries == ["a starts", "c starts"]


async def attempt_start(root: Supervisor, spec: SupervisorSpec) -> None:
    """Start a supervisor that somebody will stop."""
    with pytest.raises(StartError):
        await root.start_supervisor(spec)


@pytest.mark.parametrize("end", ALL_ENDS)
async def test_the_last_end_is_known_for_ever(end: Any) -> None:
    """A ref that outlives its tree still tells how its actor ended."""
    async with open_supervisor() as root:
        ref = await root.start_child(Part(Diary(), "a").spec(restart="temporary"))
        await end(ref)
        expected = await ref.ended()
    assert await ref.ended() == expected
