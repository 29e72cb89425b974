"""Misuse raises at once, and says what to do instead."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from supervisors import (
    Actor,
    ActorCrashed,
    ActorNotAlive,
    ChildNotFound,
    ChildSpec,
    Ref,
    StartError,
    Supervisor,
    SupervisorSpec,
    SupervisorStopped,
    open_supervisor,
)
from tests.supervisors.cast import Clerk, open_clerk


async def test_a_cast_from_another_thread_is_refused() -> None:
    """Waking a task from there would corrupt the run; trio has a way in."""
    async with open_clerk() as (_, clerk):

        def elsewhere() -> None:
            clerk.cast_nowait(Clerk.echo, "a")

        with pytest.raises(RuntimeError, match=r"trio\.from_thread\.run\(ref\.call"):
            await trio.to_thread.run_sync(elsewhere)
        assert await clerk.call(Clerk.echo, "still there") == "still there"


FROM_ANOTHER_RUN: dict[str, Callable[[Supervisor, Ref[Clerk]], Awaitable[object]]] = {
    "cast": lambda _, clerk: clerk.cast(Clerk.echo, "a"),
    "ended": lambda _, clerk: clerk.ended(),
    "stop": lambda _, clerk: clerk.stop(),
    "get_state": lambda _, clerk: clerk.get_state(repr),
    "suspend": lambda _, clerk: clerk.suspend(),
    "start_child": lambda root, _: root.start_child(Clerk),
    "start_supervisor": lambda root, _: root.start_supervisor("team"),
    "terminate_child": lambda root, clerk: root.terminate_child(clerk),
    "restart_child": lambda root, clerk: root.restart_child(clerk),
    "delete_child": lambda root, clerk: root.delete_child(clerk),
}


@pytest.mark.parametrize("name", FROM_ANOTHER_RUN)
async def test_what_waits_is_refused_from_another_trio_run(name: str) -> None:
    """It would wait for ever: the tasks it waits for wake nobody there."""
    async with open_clerk() as (root, clerk):

        async def other_run() -> None:
            await FROM_ANOTHER_RUN[name](root, clerk)

        with pytest.raises(RuntimeError, match="another thread or trio run"):
            await trio.to_thread.run_sync(trio.run, other_run)
        assert await clerk.call(Clerk.echo, "still there") == "still there"


@pytest.mark.parametrize("name", ["kill", "resume", "stop"])
async def test_orders_from_another_thread_are_refused(name: str) -> None:
    """They would cancel or wake tasks of a run that is not theirs."""
    async with open_clerk() as (root, clerk):
        orders = {"kill": clerk.kill, "resume": clerk.resume, "stop": root.stop}
        with pytest.raises(RuntimeError, match=r"trio\.from_thread\.run_sync"):
            await trio.to_thread.run_sync(orders[name])
        assert clerk.is_alive


async def test_a_busy_actor_refuses_a_cast_from_another_thread_too() -> None:
    """The short way into the queue of a busy actor has the same door."""

    class Busy(Actor):
        async def ask_elsewhere(self, ref: Ref["Busy"]) -> None:
            ref.cast_nowait(Busy.rest)
            await trio.to_thread.run_sync(lambda: ref.cast_nowait(Busy.rest))

        async def rest(self) -> None:
            pass

    async with open_supervisor() as root:
        busy = await root.start_child(Busy)
        with pytest.raises(ActorCrashed, match="another thread or trio run"):
            await busy.call(Busy.ask_elsewhere, busy)


async def test_a_thread_gets_in_by_trios_own_door() -> None:
    """The advice of the error works."""
    async with open_clerk() as (_, clerk):
        answer = await trio.to_thread.run_sync(lambda: trio.from_thread.run(lambda: clerk.call(Clerk.echo, "hello")))
        assert answer == "hello"


async def test_a_call_from_another_trio_run_is_refused() -> None:
    """A ref is of one run."""
    async with open_clerk() as (_, clerk):

        async def other_run() -> None:
            await clerk.call(Clerk.echo, "a")

        with pytest.raises(RuntimeError, match="another thread or trio run"):
            await trio.to_thread.run_sync(trio.run, other_run)
        assert await clerk.call(Clerk.echo, "still there") == "still there"


async def test_a_closed_tree_refuses_calls_and_orders_and_still_tells_the_truth() -> None:
    """Refs and handles may outlive their tree."""
    async with open_clerk() as (root, clerk):
        pass
    with pytest.raises(ActorNotAlive):
        await clerk.call(Clerk.echo, "a")
    clerk.cast_nowait(Clerk.echo, "a")
    with pytest.raises(SupervisorStopped):
        await root.start_child(Clerk)
    with pytest.raises(SupervisorStopped):
        await root.terminate_child("clerk")
    with pytest.raises(ChildNotFound):
        root.child("clerk")
    assert (await clerk.ended()).kind.value == "shutdown"
    assert root.tree().status == "down"


async def test_an_instance_instead_of_a_factory_is_refused_with_the_right_line() -> None:
    """The most likely mistake of all."""
    async with open_supervisor() as root:
        with pytest.raises(TypeError, match=r"pass `lambda: Counter\(40\)`, not `Counter\(40\)`"):
            await root.start_child(Clerk())  # type: ignore[call-overload]  # the mistake


async def test_a_factory_that_makes_something_else_is_a_failed_start() -> None:
    """It is named, and nothing is left."""

    def make() -> Any:
        return dict[str, str]

    async with open_supervisor() as root:
        with pytest.raises(StartError, match=r"must make an Actor, got \{\}"):
            await root.start_child(make())
        assert root.count_children().specs == 0


@pytest.mark.parametrize("errors", [ValueError, [ValueError], (ValueError, "TypeError"), (BaseException,), None])
def test_expected_errors_that_are_no_tuple_of_exceptions_are_refused_where_they_are_written(errors: object) -> None:
    """A class that could not sort its own errors is not made."""
    with pytest.raises(TypeError, match="must be a tuple of Exception classes"):
        type("Wrong", (Actor,), {"expected_errors": errors})


async def test_a_spec_and_options_together_are_refused() -> None:
    """A spec is complete."""
    async with open_supervisor() as root:
        with pytest.raises(TypeError, match="a ChildSpec is complete: give restart to it"):
            await root.start_child(ChildSpec(Clerk), restart="transient")  # type: ignore[call-overload]  # the mistake


class Mute:
    """Its text is a bug."""

    def __repr__(self) -> str:
        raise LookupError


@pytest.mark.parametrize("field", ["name", "restart", "shutdown", "significant", "start_timeout", "backoff", "mailbox"])
def test_a_value_without_a_text_is_refused_like_any_other(field: str) -> None:
    """The message names the field; the value's own bug is not the caller's."""
    with pytest.raises((TypeError, ValueError), match=f"{field} must be .* got <Mute, whose text raises LookupError>"):
        ChildSpec(Clerk, **{field: Mute()})  # type: ignore[arg-type]  # the mistake


async def test_what_is_no_child_is_refused_in_words() -> None:
    """Instead of an error from within."""
    wrong: Any = Mute()
    async with open_supervisor() as root:
        with pytest.raises(TypeError, match="expected the id, the name or the address of a child, got <Mute"):
            await root.terminate_child(wrong)
        wrong = SupervisorSpec("team")
        with pytest.raises(TypeError, match="a SupervisorSpec is for start_supervisor"):
            await root.start_child(wrong)
        wrong = ChildSpec(Clerk)
        with pytest.raises(TypeError, match="a ChildSpec is for start_child"):
            await root.start_supervisor(wrong)
        with pytest.raises(TypeError, match="children must be a list of ChildSpec or SupervisorSpec, got 5"):
            await root.start_supervisor("team", children=5)  # type: ignore[arg-type]  # the mistake
