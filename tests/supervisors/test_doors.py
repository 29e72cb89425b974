"""Arguments are looked at where they are given: what could only fail later is refused at once, in words."""

import copy
import math
import pickle
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import attrs
import pytest
import trio

from supervisors import (
    Actor,
    ActorCrashed,
    AlreadyStarted,
    Backoff,
    ChildCrashed,
    ChildSpec,
    Exit,
    ExitKind,
    Name,
    PartitionSupervisor,
    Registry,
    StartError,
    StateMachine,
    Supervisor,
    SupervisorSpec,
    TaskSupervisor,
    Topic,
    Watchdog,
    child_from,
    explain,
    gather,
    open_supervisor,
    wait_tasks,
)
from supervisors.testing import EventLog, simulate
from tests.supervisors.cast import Bug, Clerk, open_clerk

A_COROUTINE = "must be a function, got what a call of one returned; give fn, *args, not fn(*args)"


CLERK = Name("clerk", Clerk)


def wrong(value: object) -> Any:
    """A mistake, as those make it who have no type checker."""
    return value


async def nothing() -> None:
    """An async function."""


class Broken:
    """Every question to it is answered by a bug."""

    def __repr__(self) -> str:
        raise LookupError

    def __bool__(self) -> bool:
        raise LookupError

    def __eq__(self, _: object) -> bool:
        raise LookupError

    __hash__ = None  # type: ignore[assignment]  # no key of anything


class Worker(Actor):
    """Does to itself what it is told."""

    async def do(self, what: Callable[["Worker"], Any]) -> Any:
        return what(self)

    async def do_in_thread(self, what: Callable[["Worker"], Any]) -> Any:
        return await trio.to_thread.run_sync(what, self)

    async def rest(self) -> None: ...


@pytest.mark.parametrize("observer", [object(), "log", print, EventLog])
async def test_an_observer_that_cannot_be_told_is_refused_before_anything_starts(observer: Any) -> None:
    """It would be dropped at the first event, and only other observers would hear of that."""
    with pytest.raises(TypeError, match=r"an observer must be an object with a method notify\(event\), got"):
        async with open_supervisor(observers=[observer]):
            pass


async def test_observers_are_a_list() -> None:
    """One observer alone is the likely mistake."""
    observer: Any = EventLog()
    with pytest.raises(TypeError, match="observers must be a list of observers, got"):
        async with open_supervisor(observers=observer):
            pass


FROM_A_THREAD: dict[str, Callable[[Worker], Any]] = {
    "send_after": lambda worker: worker.send_after(1, Worker.rest),
    "send_every": lambda worker: worker.send_every(1, Worker.rest),
    "start_soon": lambda worker: worker.start_soon(trio.sleep, 0),
    "monitor": lambda worker: worker.monitor(worker.ref, wrong(Worker.rest)),
    "continue_with": lambda worker: worker.continue_with(Worker.rest),
    "stop": lambda worker: worker.stop(),
    "off_turn": lambda worker: worker.off_turn(),
}


@pytest.mark.parametrize("name", FROM_A_THREAD)
async def test_what_an_actor_does_with_itself_is_refused_in_a_thread(name: str) -> None:
    """There is where an actor's own slow code runs."""
    async with open_supervisor() as root:
        worker = await root.start_child(Worker)
        with pytest.raises(ActorCrashed, match=r"use trio\.from_thread\.run"):
            await worker.call(Worker.do_in_thread, FROM_A_THREAD[name])


async def test_a_thread_may_look() -> None:
    """An address, a path and a snapshot wake nobody."""
    async with open_supervisor() as root:
        worker = await root.start_child(Worker, name="w")
        seen = await worker.call(Worker.do_in_thread, lambda me: (me.path, me.ref.snapshot().operation))
        assert seen == ("root/w", "do_in_thread")


WRONG_TO_ITSELF: list[tuple[Callable[[Worker], Any], str]] = [
    (lambda worker: worker.start_soon(wrong(worker.rest())), f"fn {A_COROUTINE}"),
    (lambda worker: worker.start_soon(wrong(3)), "fn must be a function, got 3"),
    (lambda worker: worker.send_after(wrong("1"), Worker.rest), "delay must be seconds >= 0, got '1'"),
    (lambda worker: worker.send_every(wrong("1"), Worker.rest), "interval must be seconds > 0, got '1'"),
]


@pytest.mark.parametrize(("what", "words"), WRONG_TO_ITSELF)
async def test_what_an_actor_cannot_do_is_said_in_its_own_line(what: Callable[[Worker], Any], words: str) -> None:
    """The crash points at the mistake, not at a task that has forgotten who began it."""
    async with open_supervisor() as root:
        worker = await root.start_child(Worker)
        with pytest.raises(ActorCrashed) as caught:
            await worker.call(Worker.do, what)
        assert words in str(caught.value)


WRONG_TO_A_TREE: dict[str, tuple[Callable[[Supervisor], Awaitable[object] | object], str]] = {
    "whereis": (lambda root: root.whereis(wrong("clerk")), "expected a Name, got 'clerk'; child(...) finds"),
    "start_child": (lambda root: root.start_child(Clerk, **wrong({"restrat": 1})), "start_child has no option 'restrat', got 1; it has: restart, "),
    "start_supervisor": (lambda root: root.start_supervisor("a", **wrong({"x": 1})), "start_supervisor has no option 'x', got 1; it has: "),
    "trace": (lambda root: root.child(CLERK).trace(wrong(3)), "hook must be a function, got 3"),
    "get_state": (lambda root: root.child(CLERK).get_state(wrong(3)), "read must be a function, got 3"),
    "replace_state": (lambda root: root.child(CLERK).replace_state(wrong(3)), "change must be a function, got 3"),
    "TaskSupervisor": (lambda _: TaskSupervisor(wrong(3)), "expected a Supervisor, got 3"),
    "PartitionSupervisor": (lambda _: PartitionSupervisor[Any](wrong(3)), "expected a Supervisor, got 3"),
    "Watchdog": (lambda _: Watchdog(wrong(3), limit=1), "expected a Supervisor, got 3"),
    "gather": (lambda _: gather([wrong(3)]), "expected a Task, as TaskSupervisor.start returns one, got 3"),
    "explain": (lambda _: explain(wrong(3)), "expected a SupervisorSpec, got 3"),
    "child_from": (lambda _: wrong(child_from)(nothing()), f"make {A_COROUTINE}"),
}  # fmt: skip


async def _awaited(result: object) -> None:
    if isinstance(result, Awaitable):
        await result


@pytest.mark.parametrize("name", WRONG_TO_A_TREE)
async def test_the_wrong_kind_of_thing_is_refused_in_words(name: str) -> None:
    """Instead of an attribute that something has not got."""
    tell, words = WRONG_TO_A_TREE[name]
    async with open_clerk() as (root, _):
        with pytest.raises(TypeError) as caught:
            await _awaited(tell(root))
        assert words in str(caught.value)


async def test_a_task_is_made_of_a_function() -> None:
    """Not of what a call of one returned, which would have failed as the task's crash."""
    async with open_supervisor() as root:
        tasks = TaskSupervisor(await root.start_supervisor("tasks", dynamic=True))
        with pytest.raises(TypeError) as caught:
            await tasks.start(wrong(nothing()))
        assert str(caught.value) == f"fn {A_COROUTINE}"
        with pytest.raises(TypeError, match="fn must be a function, got 3"):
            tasks.stream(wrong(3), [1], max_concurrency=1)
        with pytest.raises(ValueError, match="count must be an int >= 0, got -1"):
            await wait_tasks([], count=-1)


async def test_routing_is_for_partitions() -> None:
    """Any other supervisor has no numbers to route to."""
    async with open_clerk() as (root, _):
        with pytest.raises(
            ValueError, match=r"expected a supervisor made by partitioned\(\.\.\.\), got <Supervisor root"
        ):
            PartitionSupervisor(root)


async def test_a_factory_makes_a_new_actor_every_time() -> None:
    """An actor that comes back from a crash with its old state would make the restart a lie."""
    one = Clerk()
    async with open_supervisor() as root:
        await root.start_child(lambda: one)
        with pytest.raises(StartError, match="must make a new actor for every life, got one that had one"):
            await root.start_child(lambda: one)


async def test_a_name_keeps_its_promise() -> None:
    """Lookups by it are typed, so the child must be of that type."""
    async with open_supervisor() as root:
        with pytest.raises(StartError, match="the name worker promises a Worker, and its factory made <"):
            await root.start_child(Clerk, name=wrong(Name("worker", Worker)))
        assert root.count_children().specs == 0


async def test_an_async_factory_is_told_of_child_from() -> None:
    """What looks natural, and is spelled otherwise."""

    async def work() -> None: ...

    async with open_supervisor() as root:
        with pytest.raises(StartError, match="the factory of root/child-1 is an async function; child_from makes a"):
            await root.start_child(wrong(work))


async def test_a_context_manager_that_is_none_is_a_failed_start_with_the_right_line() -> None:
    """A lambda hides from child_from that it returns a coroutine."""
    async with open_supervisor() as root:
        with pytest.raises(StartError, match=r"got a coroutine; give an async function itself, or partial\(fn, x\)"):
            await root.start_child(child_from(lambda: nothing()))  # noqa: PLW0108 - a lambda it is
        with pytest.raises(StartError, match="needs a function that makes an async context manager, got 3"):
            await root.start_child(child_from(lambda: wrong(3)))


async def test_a_lambda_gives_no_name() -> None:
    """Two of them are two children."""

    @asynccontextmanager
    async def lend() -> AsyncGenerator[None]:
        yield None

    async with open_supervisor() as root:
        for number in (1, 2):
            assert (await root.start_child(child_from(lambda: lend()))).path == f"root/child-{number}"  # noqa: PLW0108 - a lambda it is


async def test_a_taken_id_says_where_its_owner_is() -> None:
    """The next step is in the message."""
    async with open_clerk() as (root, clerk):
        with pytest.raises(AlreadyStarted, match="root/clerk is running already; its address is the `ref`") as caught:
            await root.start_child(Clerk, name="clerk")
        assert caught.value.ref == clerk


def test_a_pause_is_not_silently_cut() -> None:
    """Who writes sixty seconds is not given thirty."""
    with pytest.raises(ValueError, match="initial must be <= maximum, got 60 > 30; give maximum, too"):
        Backoff(initial=60)


def test_explain_names_children_as_they_will_be_named() -> None:
    """A class gives its name, a function none."""
    spec = SupervisorSpec("root", children=[ChildSpec(Clerk), ChildSpec(lambda: Clerk())])  # noqa: PLW0108 - a lambda it is
    assert explain(spec).start_order == ("root/clerk-1", "root/child-2")


class Light(Enum):
    RED = 1


def test_a_state_is_a_member_of_an_enumeration() -> None:
    """Whose other members are the only states there can be."""
    with pytest.raises(TypeError, match="state must be a member of an Enum, got 'red'"):
        StateMachine(wrong("red"))


async def test_a_topic_is_published_in_its_own_thread() -> None:
    """A subscriber woken from another one would hear of it never, or at any time."""
    topic: Topic[int] = Topic("news")
    with topic.subscribe() as events:
        with pytest.raises(RuntimeError, match=r"use trio\.from_thread\.run_sync\(topic\.publish_nowait, event\)"):
            await trio.to_thread.run_sync(topic.publish_nowait, 1)
        await trio.to_thread.run_sync(lambda: trio.from_thread.run_sync(topic.publish_nowait, 2))
        assert await anext(aiter(events)) == 2


async def test_a_registry_is_changed_in_its_owners_thread() -> None:
    """Its rows end with lives that another thread knows nothing of."""
    async with open_clerk() as (_, clerk):
        desks: Registry[str, Clerk, None] = Registry("desks")
        with pytest.raises(RuntimeError, match="another thread or trio run"):
            await trio.to_thread.run_sync(desks.register, "a", clerk)
        assert len(desks) == 0


async def test_a_copy_of_a_message_names_the_same_actor() -> None:
    """A ref is an address: to copy it is not to copy an actor, and it means nothing elsewhere."""
    async with open_clerk() as (_, clerk):
        assert copy.deepcopy({"to": clerk})["to"] is clerk
        assert copy.copy(clerk) is clerk
        with pytest.raises(TypeError, match="is an address in one process; send 'root/clerk', and look that up there"):
            pickle.dumps(clerk)


async def test_a_reason_whose_every_answer_is_a_bug_hurts_nobody() -> None:
    """Records of what happened can be printed, whatever happened."""
    async with open_clerk() as (_, clerk):
        exit_ = await clerk.stop(reason=Broken())
        assert str(exit_) == "shutdown: <Broken, whose text raises LookupError>"
        assert "<Broken, whose text raises LookupError>" in repr(exit_)


async def test_an_observer_may_print_a_crash_that_cannot_be_printed() -> None:
    """It would have been dropped for a bug that is the child's."""

    class Unprintable(Exception):
        def __repr__(self) -> str:
            raise LookupError

        __str__ = __repr__

    class Printer:
        def __init__(self) -> None:
            self.lines: list[str] = []

        def notify(self, event: object, /) -> None:
            self.lines.append(repr(event))

    class Crasher(Actor):
        async def crash(self) -> None:
            raise Unprintable

    printer = Printer()
    async with open_supervisor(observers=[printer]) as root:
        crasher = await root.start_child(Crasher)
        with pytest.raises(ActorCrashed, match="<Unprintable, whose text raises LookupError>"):
            await crasher.call(Crasher.crash)
    assert any(ChildCrashed.__name__ in line for line in printer.lines)
    assert Exit(ExitKind.CRASHED, Unprintable()).is_clean is False


@attrs.define
class Slotted(Actor):
    """Keeps its state in slots."""

    total: int = 0

    async def count(self) -> int:
        return self.total


async def test_a_change_that_fails_is_undone_in_slots_too() -> None:
    """An actor made by attrs has no dictionary to put back."""

    def spoil(actor: Slotted) -> None:
        actor.total = 99
        raise Bug

    async with open_supervisor() as root:
        slotted = await root.start_child(Slotted)
        with pytest.raises(Bug):
            await slotted.replace_state(spoil)
        assert await slotted.call(Slotted.count) == 0


async def test_a_simulation_is_no_part_of_another_run() -> None:
    """Said at once, not as a failure of the program."""
    with pytest.raises(RuntimeError, match="simulate runs main in a trio run of its own"):
        simulate(trio.sleep_forever, seed=1)
    with pytest.raises(TypeError, match="main must be a function, got 3"):
        simulate(wrong(3), seed=1)


async def test_a_delay_may_be_for_ever() -> None:
    """Infinity is a number of seconds."""
    async with open_supervisor() as root:
        worker = await root.start_child(Worker)
        timer = await worker.call(Worker.do, lambda me: me.send_after(math.inf, Worker.rest))
        assert timer.is_pending
