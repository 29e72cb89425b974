"""What can be told to an actor, and what is said to who tells it something else."""

from typing import Any

import pytest

from supervisors import Actor, StateMachine
from tests.supervisors.cast import Clerk, open_clerk


class Porter(Actor):
    """Has one of each."""

    async def carry(self) -> None:
        """The only operation."""

    async def _rest(self) -> None: ...

    def plan(self) -> None: ...

    @staticmethod
    async def shout() -> None: ...

    async def count(self) -> Any:
        yield 1


WRONG: list[tuple[Any, str]] = [
    (Porter._rest, r"Porter\._rest, which is private"),
    (Porter.plan, r"Porter\.plan, which is not `async def`"),
    (Porter.count, r"Porter\.count, which is not `async def`"),
    (Porter.shout, r"Porter\.shout"),
    (Porter().carry, r"Porter\.carry of one instance, a bound method"),
    (Porter.on_stop, r"Actor\.on_stop, which the runtime calls"),
    (Clerk.echo, r"Clerk\.echo"),
    ("carry", "the text 'carry'"),
    (None, "None"),
    ([], r"\[\]"),
]


@pytest.mark.parametrize(("wrong", "fault"), WRONG)
async def test_what_is_no_operation_is_refused_by_its_fault(wrong: Any, fault: str) -> None:
    """And the operations there are, are listed."""
    async with open_clerk() as (root, _):
        porter = await root.start_child(Porter)
        words = rf"got {fault}; its operations are: carry"
        with pytest.raises(TypeError, match=words):
            await porter.call(wrong)
        with pytest.raises(TypeError, match=words):
            await porter.cast(wrong)
        with pytest.raises(TypeError, match=words):
            porter.cast_nowait(wrong)


def test_a_hook_is_an_operation_only_where_it_is_no_hook() -> None:
    """``on_enter`` means something to a state machine, and nothing to any other actor."""

    async def on_enter(_: object) -> None: ...

    plain: Any = type("Plain", (Actor,), {"on_enter": on_enter})
    machine: Any = type("Machine", (StateMachine,), {"on_enter": on_enter})
    assert plain.list_operations() == {on_enter: ("on_enter",)}
    assert machine.list_operations() == {}
