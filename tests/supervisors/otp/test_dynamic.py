"""Supervisors whose children come and go: DS-01 to DS-20."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock

from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    BRUTAL_KILL,
    AlreadyStarted,
    ChildNotFound,
    ExitKind,
    Ignore,
    Name,
    RestartLimitExceeded,
    StartError,
    Supervisor,
    SupervisorSpec,
    TooManyChildren,
    open_supervisor,
)
from tests.supervisors.otp.actors import (
    ALL_ENDS,
    CLEAN_ENDS,
    Boom,
    Diary,
    Part,
    Worker,
    crash,
    is_dead,
    stop,
)

FOR_EVER = float("inf")


def counts(supervisor: Supervisor) -> tuple[int, ...]:
    """Specs, active, supervisors, workers."""
    counted: tuple[int, ...] = attrs.astuple(supervisor.count_children())
    return counted


async def open_pool(root: Supervisor, **options: Any) -> Supervisor:
    """A dynamic supervisor."""
    return await root.start_supervisor("pool", dynamic=True, **options)


@pytest.mark.otp("DS-01")
async def test_several_dynamic_supervisors_are_children_like_any_other() -> None:
    """Declared or started later, told apart by their names; one name is one supervisor."""
    declared = [SupervisorSpec(name, dynamic=True) for name in ("a", "b")]
    async with open_supervisor(children=declared) as root:
        await root.start_supervisor("c", dynamic=True)
        await root.start_supervisor(SupervisorSpec("d", dynamic=True))
        with pytest.raises(AlreadyStarted) as caught:
            await root.start_supervisor("a", dynamic=True)
        assert caught.value.ref is root.supervisor("a")
        for name in "abcd":
            await root.supervisor(name).start_child(Part(Diary(), name).make)
        assert [counts(root.supervisor(name)) for name in "abcd"] == [(1, 1, 0, 1)] * 4


@pytest.mark.otp("DS-02")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shutdown": -1}, "shutdown must be seconds >= 0"),
        ({"restart": "often"}, "restart must be one of"),
        ({"significant": True, "restart": "temporary"}, "significant child"),
        ({"name": "a/b"}, "name"),
    ],
)
async def test_a_faulty_spec_is_refused_before_the_supervisor_is_asked(options: dict[str, Any], message: str) -> None:
    """A mistake is the caller's; the supervisor and the limit of its children never hear of it."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await open_pool(root, max_children=0)
        with pytest.raises(ValueError, match=message):
            await pool.start_child(part.make, **options)
        not_a_function: Any = None
        with pytest.raises(TypeError, match="factory must be a function"):
            await pool.start_child(not_a_function)


@pytest.mark.otp("DS-03")
async def test_a_start_answers_a_ref_or_raises_what_went_wrong() -> None:
    """A ref, a ref of a child that declined, the error, an error that names the nonsense: nothing else comes back."""
    nonsense: Any = lambda: "an actor"  # noqa: E731 - a wrong factory in one word
    async with open_supervisor() as root:
        pool = await open_pool(root)
        ref = await pool.start_child(Part(Diary(), "a").make)
        assert await ref.call(Worker.ping) == "a"
        declined = await pool.start_child(Part(Diary(), "b", failing_starts=1, start_error=Ignore()).make)
        assert await is_dead(declined)
        with pytest.raises(StartError) as caught:
            await pool.start_child(Part(Diary(), "c", failing_starts=1).make)
        assert isinstance(caught.value.__cause__, Boom)
        with pytest.raises(StartError, match="must make an Actor, got 'an actor'"):
            await pool.start_child(nonsense)
        assert counts(pool) == (1, 1, 0, 1)


@pytest.mark.otp("DS-04")
@pytest.mark.parametrize(
    "error", [Boom("plain"), ExceptionGroup("two", [Boom("a"), ValueError("b")]), StopIteration("odd")], ids=repr
)
async def test_however_a_start_fails_the_supervisor_is_unharmed(error: Exception) -> None:
    """The original error comes with its traceback."""
    async with open_supervisor() as root:
        pool = await open_pool(root)
        with pytest.raises(StartError) as caught:
            await pool.start_child(Part(Diary(), "a", failing_starts=1, start_error=error).make)
        cause = caught.value.__cause__
        assert cause is not None
        assert cause is error or cause.__cause__ is error
        assert cause.__traceback__ is not None
        await pool.start_child(Part(Diary(), "a").make)


@pytest.mark.otp("DS-05")
async def test_no_more_children_than_allowed() -> None:
    """The refusal names the limit; none is a limit, too."""
    async with open_supervisor() as root:
        pool = await open_pool(root, max_children=0)
        with pytest.raises(TooManyChildren, match="0"):
            await pool.start_child(Part(Diary(), "a").make)
        assert counts(pool) == (0, 0, 0, 0)


@pytest.mark.otp("DS-06")
@pytest.mark.parametrize("end", ALL_ENDS)
async def test_a_temporary_dynamic_child_is_never_restarted(end: Any) -> None:
    """However it ends."""
    async with open_supervisor() as root:
        pool = await open_pool(root)
        ref = await pool.start_child(Part(Diary(), "a").make, restart="temporary")
        await end(ref)
        assert (await is_dead(ref), counts(pool)) == (True, (0, 0, 0, 0))


@pytest.mark.otp("DS-07")
@pytest.mark.parametrize("end", ALL_ENDS)
async def test_a_transient_dynamic_child_is_restarted_after_failures_only(end: Any) -> None:
    """A finished one is forgotten: a dynamic supervisor remembers only the living."""
    async with open_supervisor() as root:
        pool = await open_pool(root)
        ref = await pool.start_child(Part(Diary(), "a").make, restart="transient")
        await end(ref)
        if end in CLEAN_ENDS:
            assert (await is_dead(ref), counts(pool)) == (True, (0, 0, 0, 0))
        else:
            assert (ref.life, counts(pool)) == (2, (1, 1, 0, 1))


@pytest.mark.otp("DS-08")
async def test_a_permanent_dynamic_child_is_restarted_always() -> None:
    """Five ends, five restarts, and the number of children does not change."""
    async with open_supervisor() as root:
        pool = await open_pool(root, max_restarts=10)
        ref = await pool.start_child(Part(Diary(), "a").make)
        for life, end in enumerate(ALL_ENDS, start=2):
            await end(ref)
            assert (ref.life, counts(pool)) == (life, (1, 1, 0, 1))


@pytest.mark.otp("DS-09")
async def test_a_restart_replaces_drops_or_goes_on_trying(autojump_clock: MockClock) -> None:
    """By what the new life says: it is there, it declines, or it fails."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await open_pool(root, max_restarts=1000)
        ref = await pool.start_child(part.make)
        await crash(ref)
        assert counts(pool) == (1, 1, 0, 1)
        part.failing_starts, part.start_takes = FOR_EVER, 1
        await crash(ref)
        await trio.sleep(2.5)
        assert counts(pool) == (1, 0, 0, 1)
        part.start_error = Ignore()
        await trio.sleep(1)
        assert (await is_dead(ref), counts(pool)) == (True, (0, 0, 0, 0))


@pytest.mark.otp("DS-10")
async def test_a_child_in_a_failing_restart_counts_against_the_limit_of_children(autojump_clock: MockClock) -> None:
    """It holds its place: when it comes back there must be room."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await open_pool(root, max_children=1, max_restarts=1000)
        ref = await pool.start_child(part.make)
        part.failing_starts, part.start_takes = FOR_EVER, 1
        await crash(ref)
        await trio.sleep(2.5)
        with pytest.raises(TooManyChildren):
            await pool.start_child(part.make)


@pytest.mark.otp("DS-11")
async def test_a_restarted_child_counts_once() -> None:
    """Neither twice nor not at all."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await open_pool(root, max_children=1)
        ref = await pool.start_child(part.make)
        await crash(ref)
        with pytest.raises(TooManyChildren):
            await pool.start_child(part.make)
        await pool.terminate_child(ref)
        await pool.start_child(part.make)


@pytest.mark.otp("DS-12")
async def test_a_restarted_child_has_its_arguments_again() -> None:
    """They are in the factory, so the call site shows what is made anew."""
    async with open_supervisor() as root:
        pool = await open_pool(root)
        ref = await pool.start_child(lambda: Worker(Part(Diary(), "extra")))
        await crash(ref)
        assert (ref.life, await ref.call(Worker.ping)) == (2, "extra")


@pytest.mark.otp("DS-13")
async def test_a_failed_restart_is_tried_again() -> None:
    """One failure, one retry; both count, and two are allowed."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await open_pool(root, max_restarts=2)
        ref = await pool.start_child(part.make)
        part.failing_starts = 1
        await crash(ref)
        assert part.diary.entries == ["a starts", "a stops", "a fails", "a starts"]
        assert ref.is_alive


@pytest.mark.otp("DS-14", "DS-15")
@pytest.mark.parametrize("limit", [1, 10])
async def test_a_dynamic_supervisor_gives_up_after_as_many_attempts_as_allowed(limit: int) -> None:
    """Our end is louder than OTP's ``shutdown`` (D-1): a crash that names the limit."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await open_pool(root, max_restarts=limit, restart="temporary")
        ref = await pool.start_child(part.make)
        part.failing_starts = FOR_EVER
        await crash(ref)
        assert part.diary.entries.count("a fails") == limit
        assert root.which_children() == ()
        assert await is_dead(ref)


@pytest.mark.otp("DS-16")
@pytest.mark.parametrize(("shutdown", "kind"), [(BRUTAL_KILL, ExitKind.KILLED), (5, ExitKind.SHUTDOWN)])
async def test_a_terminated_dynamic_child_is_forgotten(shutdown: Any, kind: ExitKind) -> None:
    """Killed or stopped as its spec says; a second order finds nothing."""
    async with open_supervisor() as root:
        pool = await open_pool(root)
        ref = await pool.start_child(Part(Diary(), "a").make, shutdown=shutdown)
        await pool.terminate_child(ref)
        assert (await ref.ended()).kind is kind
        with pytest.raises(ChildNotFound):
            await pool.terminate_child(ref)
        assert counts(pool) == (0, 0, 0, 0)


@pytest.mark.otp("DS-17")
async def test_terminating_ends_a_loop_of_failing_restarts(autojump_clock: MockClock) -> None:
    """And the place is free at once."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await open_pool(root, max_restarts=1000)
        ref = await pool.start_child(part.make)
        part.failing_starts, part.start_takes = FOR_EVER, 1
        await crash(ref)
        await trio.sleep(2.5)
        await pool.terminate_child(ref)
        assert trio.current_time() == pytest.approx(2.5)
        with pytest.raises(ChildNotFound):
            await pool.terminate_child(ref)
        await trio.sleep(10)
        assert (counts(pool), part.diary.entries.count("a fails")) == ((0, 0, 0, 0), 2)


@pytest.mark.otp("DS-18")
async def test_a_stop_ends_each_child_within_its_own_budget(autojump_clock: MockClock) -> None:
    """All at once: the longest budget is the whole of it, and a child in a restart loop does not add to it."""
    diary = Diary()
    looping = Part(diary, "looping")
    async with open_supervisor() as root:
        pool = await open_pool(root, max_restarts=1000)
        for name, seconds, budget in (("quick", 0, 5), ("slow", 3, 5), ("stuck", 60, 4)):
            await pool.start_child(Part(diary, name, stop_takes=seconds).spec(shutdown=budget))
        ref = await pool.start_child(looping.make)
        looping.failing_starts, looping.start_takes = FOR_EVER, 1000
        await crash(ref)
        diary.take()
    assert trio.current_time() == pytest.approx(4)
    assert diary.entries == ["quick stops", "slow stops"]


@pytest.mark.otp("DS-20")
async def test_a_named_dynamic_child_is_found_and_stopped_by_its_name() -> None:
    """A name works under a dynamic supervisor as anywhere, and is free when its child is gone."""
    name = Name("registered", Worker)
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await open_pool(root)
        await pool.start_child(part.make, name=name, restart="temporary")
        await stop(root.whereis(name))
        with pytest.raises(ChildNotFound):
            root.whereis(name)
        await pool.start_child(part.make, name=name)
        await pool.terminate_child(name)
        assert counts(pool) == (0, 0, 0, 0)


async def test_a_dynamic_child_may_give_up_the_root() -> None:
    """A permanent pool that cannot keep its children is its parent's crash, up to the root if need be."""
    part = Part(Diary(), "a")
    with pytest.raises(RestartLimitExceeded) as caught:  # noqa: PT012 - what escapes the whole block is the point
        async with open_supervisor(max_restarts=0) as root:
            pool = await open_pool(root, max_restarts=0)
            await crash(await pool.start_child(part.make))
    assert isinstance(caught.value.__cause__, RestartLimitExceeded)
