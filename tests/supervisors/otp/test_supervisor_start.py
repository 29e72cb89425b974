"""Starting a supervisor, and refusing what cannot be started: SU-01 to SU-24."""
# ruff: noqa: ARG001 - a test has virtual time by naming the clock; what escapes a whole block is the point

import itertools
import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import attrs
import pytest
import trio

from supervisors import (
    BRUTAL_KILL,
    AutoShutdown,
    ChildNotFound,
    ChildSpec,
    ExitKind,
    Ignore,
    Restart,
    StartError,
    Strategy,
    SupervisorSpec,
    open_supervisor,
)
from tests.supervisors.otp.actors import Boom, Diary, EventLog, Part, Worker, cast_of, crash, is_dead, settle


@pytest.mark.otp("SU-01")
async def test_an_empty_supervisor_ends_when_its_owner_leaves() -> None:
    """The least there is: open, look, leave; nothing to stop, and nothing is left."""
    log = EventLog()
    async with open_supervisor(observers=[log]) as root:
        assert root.count_children() == root.count_children()
        assert (root.count_children().specs, root.count_children().active) == (0, 0)
    assert root.tree().status == "down"
    assert log.events == []


@pytest.mark.otp("SU-03")
async def test_a_child_that_declines_to_start_stays_listed_without_a_life() -> None:
    """Declining is a decision of the child, not a failure: the place is kept and can be started later."""
    diary = Diary()
    decliner = Part(diary, "decliner", failing_starts=1, start_error=Ignore())
    async with open_supervisor() as root:
        await root.start_child(decliner.spec())
        await root.start_child(Part(diary, "normal").spec())
        assert [(c.name, c.status) for c in root.which_children()] == [("decliner", "down"), ("normal", "running")]
        assert attrs.astuple(root.count_children()) == (2, 1, 0, 2)
        await root.restart_child("decliner")
        assert root.count_children().active == 2


@pytest.mark.otp("SU-04")
async def test_a_declared_temporary_child_that_declines_is_forgotten() -> None:
    """A temporary child without a life has nothing to keep."""
    diary = Diary()
    decliner = Part(diary, "decliner", failing_starts=1, start_error=Ignore())
    children = [decliner.spec(restart="temporary"), Part(diary, "normal").spec()]
    async with open_supervisor(children=children) as root:
        assert [child.name for child in root.which_children()] == ["normal"]
        assert attrs.astuple(root.count_children()) == (1, 1, 0, 1)


@pytest.mark.otp("SU-05")
async def test_a_temporary_child_that_declines_is_not_listed() -> None:
    """Also when it is started later; its ref then says that it is gone."""
    decliner = Part(Diary(), "decliner", failing_starts=1, start_error=Ignore())
    async with open_supervisor() as root:
        ref = await root.start_child(decliner.spec(restart="temporary"))
        assert root.which_children() == ()
        assert await is_dead(ref)


@pytest.mark.otp("SU-06")
@pytest.mark.parametrize("restart", ["temporary", "permanent"])
async def test_a_dynamic_child_that_declines_leaves_no_trace(restart: str) -> None:
    """A dynamic supervisor remembers only the living, and still stops cleanly."""
    decliner = Part(Diary(), "decliner", failing_starts=1, start_error=Ignore())
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        ref = await pool.start_child(decliner.make, restart=restart)
        assert pool.which_children() == ()
        assert await is_dead(ref)


@pytest.mark.otp("SU-07")
async def test_a_failing_start_is_the_openers_error() -> None:
    """Whoever opens a tree learns why it could not be opened, by the original error."""
    broken = Part(Diary(), "broken", failing_starts=1)
    with pytest.raises(StartError, match="broken") as caught:
        async with open_supervisor(children=[broken.spec()]):
            raise AssertionError("the block must not begin")
    assert isinstance(caught.value.__cause__, Boom)


@pytest.mark.otp("SU-07")
async def test_nonsense_instead_of_an_actor_is_a_start_error() -> None:
    """A factory that makes something else is found out at once, with a message that says what it made."""
    factory: Any = lambda: 42  # noqa: E731 - a wrong factory in one word
    with pytest.raises(StartError, match="42"):
        async with open_supervisor(children=[ChildSpec(factory, name="nonsense")]):
            raise AssertionError("the block must not begin")


@pytest.mark.otp("SU-08")
async def test_a_failed_start_child_leaves_nothing_behind() -> None:
    """The caller has the error; the supervisor has no child, and the id is free."""
    broken = Part(Diary(), "broken", failing_starts=1)
    nonsense: Any = lambda: None  # noqa: E731 - a wrong factory in one word
    async with open_supervisor() as root:
        with pytest.raises(StartError) as caught:
            await root.start_child(broken.spec())
        assert isinstance(caught.value.__cause__, Boom)
        with pytest.raises(StartError):
            await root.start_child(nonsense, name="broken")
        assert root.which_children() == ()
        await root.start_child(broken.spec())


@pytest.mark.otp("SU-09")
async def test_a_failed_restart_child_keeps_the_place() -> None:
    """A restart by hand that fails is the caller's error; the child stays down and may be tried again."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        await root.start_child(part.spec())
        await root.terminate_child("a")
        part.failing_starts = 1
        with pytest.raises(StartError) as caught:
            await root.restart_child("a")
        assert isinstance(caught.value.__cause__, Boom)
        await settle()
        assert [(c.name, c.status) for c in root.which_children()] == [("a", "down")]
        await root.restart_child("a")


@pytest.mark.otp("SU-10")
async def test_a_failed_start_leaves_a_dynamic_supervisor_empty() -> None:
    """As for a static one."""
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        with pytest.raises(StartError):
            await pool.start_child(Part(Diary(), "a", failing_starts=1).make)
        assert attrs.astuple(pool.count_children()) == (0, 0, 0, 0)


@pytest.mark.otp("SU-11")
async def test_a_spec_reads_back_with_its_defaults() -> None:
    """The defaults are part of the contract: five seconds for a worker, no limit for a supervisor."""
    part = Part(Diary(), "a")
    killed = ChildSpec(part.make, name="killed", shutdown="brutal_kill")
    async with open_supervisor(children=[part.spec(), killed, SupervisorSpec("s")]) as root:
        specs = [child.spec for child in root.which_children()]
        assert [spec.shutdown for spec in specs] == [5.0, BRUTAL_KILL, math.inf]
        assert {(spec.restart, spec.significant) for spec in specs} == {(Restart.PERMANENT, False)}
        with pytest.raises(ChildNotFound):
            root.which_child("unknown")


@pytest.mark.otp("SU-12")
async def test_the_spec_of_a_dynamic_child_is_read_by_its_ref() -> None:
    """The only address a dynamic child needs; that of a stranger finds nothing."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        pool = await root.start_supervisor("pool", dynamic=True)
        spec = ChildSpec(part.make, shutdown=3)
        ref, stranger = await pool.start_child(spec), await root.start_child(part.spec())
        assert pool.which_child(ref).spec is spec
        with pytest.raises(ChildNotFound):
            pool.which_child(stranger)


@pytest.mark.otp("SU-13")
async def test_a_faulty_spec_is_refused_by_what_is_wrong_with_it() -> None:
    """Nothing starts from a list with one faulty member, and the message names the defect."""
    diary = Diary()
    good = Part(diary, "good").spec()
    spec: Any = ChildSpec
    faulty: list[tuple[Callable[[], Any], str]] = [
        (spec, "factory"),
        (lambda: spec(Worker(Part(diary, "x"))), "factory must be a function"),
        (lambda: spec(Part(diary, "x").make, color="red"), "color"),
        (lambda: "not a spec", "children must be ChildSpec or SupervisorSpec, got 'not a spec'"),
    ]
    for make, message in faulty:
        with pytest.raises(TypeError, match=message):
            async with open_supervisor(children=[good, make()]):
                raise AssertionError("the block must not begin")
    assert diary.entries == []


INVALID_FIELDS: list[dict[str, Any]] = [
    {"restart": "sometimes"},
    {"shutdown": -1},
    {"shutdown": "soon"},
    {"shutdown": math.nan},
    {"significant": "yes"},
    {"name": ""},
    {"name": "a/b"},
    {"name": 7},
    {"start_timeout": 0},
    {"start_timeout": "long"},
    {"keep_mailbox": 1},
    {"backoff": 3},
    {"mailbox": 10},
]


@pytest.mark.otp("SU-14")
@pytest.mark.parametrize("fault", INVALID_FIELDS, ids=str)
async def test_each_invalid_field_is_named_with_its_value(fault: dict[str, Any]) -> None:
    """In the spec's constructor and in start_child alike, and before anything starts."""
    ((field_name, value),) = fault.items()
    diary = Diary()
    with pytest.raises((TypeError, ValueError)) as refused:
        ChildSpec(Part(diary, "a").make, **fault)
    assert field_name in str(refused.value)
    assert repr(value) in str(refused.value)
    async with open_supervisor() as root:
        with pytest.raises((TypeError, ValueError), match=field_name):
            await root.start_child(Part(diary, "a").make, **fault)
        assert root.which_children() == ()
    assert diary.entries == []


@pytest.mark.otp("SU-15")
def test_every_combination_is_allowed_but_pointless_significance() -> None:
    """The full product: only a significant child that cannot end, or that nobody looks at, is refused."""
    for restart, shutdown, significant, mode, is_worker in itertools.product(
        Restart, [0, 5.0, math.inf, BRUTAL_KILL], [True, False], AutoShutdown, [True, False]
    ):
        is_pointless = significant and (restart is Restart.PERMANENT or mode is AutoShutdown.NEVER)
        refusal = pytest.raises(ValueError, match="significant") if is_pointless else nullcontext()
        options: dict[str, Any] = {"restart": restart, "shutdown": shutdown, "significant": significant}
        with refusal:
            child = ChildSpec(Part(Diary(), "a").make, **options) if is_worker else SupervisorSpec("a", **options)
            SupervisorSpec("s", children=[child], auto_shutdown=mode)


@pytest.mark.otp("SU-15")
def test_a_significant_child_needs_a_restart_type_that_can_end() -> None:
    """The default is permanent, so significance must come with another one."""
    with pytest.raises(ValueError, match="'transient' or 'temporary', got restart 'permanent'"):
        ChildSpec(Part(Diary(), "a").make, significant=True)


@pytest.mark.otp("SU-16")
async def test_two_children_of_one_id_are_refused_by_that_id() -> None:
    """An id names one place."""
    diary = Diary()
    twice = [Part(diary, "a").spec(), Part(diary, "b").spec(), Part(diary, "a").spec()]
    with pytest.raises(ValueError, match="child ids must differ, got 'a' twice"):
        async with open_supervisor(children=twice):
            raise AssertionError("the block must not begin")
    assert diary.entries == []


BAD_FLAGS: list[dict[str, Any]] = [
    {"strategy": "two_for_one"},
    {"max_restarts": -1},
    {"max_restarts": math.inf},
    {"max_restarts": 1.5},
    {"max_restarts": True},
    {"max_seconds": 0},
    {"max_seconds": math.inf},
    {"max_seconds": "5"},
    {"auto_shutdown": "sometimes"},
]


@pytest.mark.otp("SU-18")
@pytest.mark.parametrize("flag", BAD_FLAGS, ids=str)
async def test_each_bad_flag_is_named_with_its_value(flag: dict[str, Any]) -> None:
    """A tree that cannot work as written must not start to work otherwise."""
    ((name, value),) = flag.items()
    with pytest.raises(ValueError, match=name) as refused:
        async with open_supervisor(**flag):
            raise AssertionError("the block must not begin")
    assert repr(value) in str(refused.value)
    with pytest.raises(ValueError, match=name):
        SupervisorSpec("s", **flag)


@pytest.mark.otp("SU-20")
async def test_when_the_third_fails_to_start_the_first_two_stop_in_reverse() -> None:
    """A tree starts whole or not at all."""
    diary = Diary()
    parts = cast_of(diary, "abc")
    parts[2].failing_starts = 1
    with pytest.raises(StartError, match="root/c") as caught:
        async with open_supervisor(children=[part.spec() for part in parts]):
            raise AssertionError("the block must not begin")
    assert caught.value.path == "root/c"
    assert diary.entries == ["a starts", "b starts", "c fails", "b stops", "a stops"]
    assert {exits[0].kind for exits in diary.exits.values()} == {ExitKind.SHUTDOWN}


@pytest.mark.otp("SU-21")
async def test_the_default_limit_is_three_restarts_in_five_seconds(autojump_clock: trio.testing.MockClock) -> None:
    """D-2: what one gets without asking. The fourth crash within five seconds is too much, spread out it is not."""
    part = Part(Diary(), "a")
    async with open_supervisor() as root:
        ref = await root.start_child(part.spec())
        for _ in range(6):
            await crash(ref)
            await trio.sleep(1.7)
        assert root.count_children().active == 1
    spec = SupervisorSpec("s")
    assert (spec.strategy, spec.max_restarts, spec.max_seconds) == (Strategy.ONE_FOR_ONE, 3, 5.0)


@pytest.mark.otp("SU-22")
async def test_three_wrong_children_get_three_different_answers() -> None:
    """An instance, a class that needs arguments and something else entirely are different mistakes."""
    instance: Any = Worker(Part(Diary(), "a"))
    needs_arguments: Any = Worker
    number: Any = 42
    async with open_supervisor() as root:
        with pytest.raises(TypeError, match="pass `lambda: Counter"):
            await root.start_child(instance)
        with pytest.raises(StartError, match="missing 1 required positional argument"):
            await root.start_child(needs_arguments)
        with pytest.raises(
            TypeError, match="factory must be a function without arguments that makes the actor, got 42"
        ):
            await root.start_child(number)


@pytest.mark.otp("SU-23")
@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ({"strategy": "one_for_all"}, "a dynamic supervisor is one_for_one, got strategy 'one_for_all'"),
        ({"strategy": "unknown"}, "strategy"),
        ({"max_restarts": "3"}, "max_restarts must be an int >= 0, got '3'"),
        ({"max_seconds": -1}, "max_seconds must be a finite number of seconds > 0, got -1"),
        ({"max_children": -1}, "max_children must be an int >= 0, got -1"),
        ({"max_children": "ten"}, "max_children must be an int >= 0, got 'ten'"),
        ({"auto_shutdown": "any_significant"}, "a dynamic supervisor has auto_shutdown 'never'"),
    ],
)
async def test_each_bad_flag_of_a_dynamic_supervisor_is_named(flag: dict[str, Any], message: str) -> None:
    """Refused at the door of start_supervisor, before anything starts."""
    async with open_supervisor() as root:
        with pytest.raises(ValueError, match=message):
            await root.start_supervisor("pool", dynamic=True, **flag)
        assert root.which_children() == ()


@pytest.mark.otp("SU-24")
async def test_a_failure_deep_down_carries_the_whole_path_to_its_cause() -> None:
    """Every supervisor on the way adds its line, and the original error with its traceback is at the end."""
    broken = Part(Diary(), "leaf", failing_starts=1)
    tree = SupervisorSpec("outer", children=[SupervisorSpec("inner", children=[broken.spec()])])
    with pytest.raises(StartError) as caught:
        async with open_supervisor(children=[tree]):
            raise AssertionError("the block must not begin")
    paths: list[str] = []
    error: BaseException | None = caught.value
    while isinstance(error, StartError):
        paths.append(error.path)
        error = error.__cause__
    assert paths == ["root/outer", "root/outer/inner", "root/outer/inner/leaf"]
    assert isinstance(error, Boom)
    assert error.__traceback__ is not None


@pytest.mark.otp("SU-19")
async def test_what_a_start_has_to_tell_is_asked_of_the_new_life(autojump_clock: trio.testing.MockClock) -> None:
    """Our rule: a start answers a ref and nothing else; what is extra is an operation, so automatic restarts tell it too."""
    async with open_supervisor() as root:
        ref = await root.start_child(Part(Diary(), "extra").spec())
        assert await ref.call(Worker.ping) == "extra"
        await crash(ref)
        assert await ref.call(Worker.ping) == "extra"
