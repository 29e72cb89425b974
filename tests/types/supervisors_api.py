"""What mypy and pyright must make of the actor API. Checked, never run.

A line with ``# type: ignore[code]`` is a seeded error: were it accepted, the unused ignore would be reported, by mypy
(``warn_unused_ignores``) and by pyright (``reportUnnecessaryTypeIgnoreComment``) alike.
"""

from typing import Any, assert_type

from supervisors import (
    Actor,
    ChildSpec,
    Down,
    Exit,
    LifeTimer,
    Mailbox,
    Monitor,
    Name,
    Ref,
    Snapshot,
    Strategy,
    Supervisor,
    SupervisorSpec,
    Task,
    Tree,
    open_supervisor,
)


class Counter(Actor):
    """Has operations of every shape."""

    async def add(self, by: int) -> int:
        """Answer with a number."""
        return by

    async def rename(self, name: str, *, loudly: bool = False) -> None:
        """Answer with nothing."""

    async def both(self, /, *parts: bytes, **options: float) -> tuple[bytes, float]:
        """Variadic; with ``**options`` the slash keeps mypy from thinking of ``self=...``."""
        return parts[0], options["a"]

    def helper(self) -> int:
        """Not async, so no operation."""
        return 1

    async def on_down(self, down: Down, note: str) -> None:
        """For a monitor."""

    async def use_itself(self) -> None:
        """Everything an actor has of its own."""
        assert_type(self.ref.life, int)
        assert_type(await self.ref.call(Counter.add, 1), int)
        assert_type(self.send_after(1.0, Counter.add, 2), LifeTimer)
        assert_type(self.send_every(1.0, Counter.rename, "x", loudly=True), LifeTimer)
        assert_type(self.monitor(self.ref, Counter.on_down, "note"), Monitor)
        self.continue_with(Counter.add, by=1)
        self.send_after(1.0, Counter.add, "two")  # type: ignore[arg-type]
        self.continue_with(Counter.add)  # type: ignore[call-arg]
        self.monitor(self.ref, Counter.add)  # type: ignore[arg-type]
        async with self.off_turn():
            pass


class Doubler(Counter):
    """A subclass is told its base's operations."""

    async def double(self) -> float:
        """Its own operation."""
        return 2.0


class Stranger(Actor):
    """Somebody else."""

    async def greet(self) -> str:
        """Its operation."""
        return "hello"


COUNTER = Name("counter", Counter)


async def calls(ref: Ref[Counter]) -> None:
    """The operation's signature is the call's."""
    assert_type(await ref.call(Counter.add, 1), int)
    assert_type(await ref.call(Counter.add, by=1), int)
    assert_type(await ref.call(Counter.rename, "x"), None)
    assert_type(await ref.call(Counter.both, b"", a=1.0), tuple[bytes, float])
    assert_type(await ref.cast(Counter.add, 1), None)
    assert_type(await ref.get_state(lambda it: it.helper()), int)
    assert_type(await ref.stop(), Exit)
    assert_type(await ref.ended(), Exit)
    assert_type(ref.snapshot(), Snapshot)
    ref.cast_nowait(Counter.rename, "x", loudly=True)


async def wrong_calls(ref: Ref[Counter]) -> None:
    """Each line is a mistake that must be found."""
    await ref.call(Counter.add)  # type: ignore[call-arg]
    await ref.call(Counter.add, "1")  # type: ignore[arg-type]
    await ref.call(Counter.add, 1, 2)  # type: ignore[call-arg]
    await ref.call(Counter.rename, "x", True)  # type: ignore[call-arg]
    await ref.call(Counter.rename, "x", quietly=True)  # type: ignore[call-arg]
    await ref.call(Counter.helper)  # type: ignore[arg-type]
    await ref.call(Stranger.greet)  # type: ignore[arg-type]
    await ref.call(Doubler.double)  # type: ignore[arg-type]
    await ref.call("add", 1)  # type: ignore[arg-type]
    await ref.cast(Counter.add, "1")  # type: ignore[arg-type]
    ref.cast_nowait(Counter.add, "1")  # type: ignore[arg-type]
    number: str = await ref.call(Counter.add, 1)  # type: ignore[arg-type]
    del number


async def variance(doubler: Ref[Doubler], some_counter: Ref[Counter]) -> None:
    """A ref of a subclass is a ref of its base; not the other way round."""
    counter: Ref[Counter] = doubler
    assert_type(await doubler.call(Counter.add, 1), int)
    assert_type(await doubler.call(Doubler.double), float)
    narrowed: Ref[Doubler] = some_counter  # type: ignore[assignment]
    del counter, narrowed


async def supervisors() -> None:
    """Starting and looking up keep the actor's type."""
    async with open_supervisor("root", strategy=Strategy.ONE_FOR_ALL) as root:
        assert_type(root, Supervisor)
        assert_type(await root.start_child(Counter), Ref[Counter])
        assert_type(await root.start_child(lambda: Doubler(), name=COUNTER, restart="transient"), Ref[Counter])  # noqa: PLW0108 - lambdas are inferred too
        assert_type(await root.start_child(ChildSpec(Doubler, mailbox=Mailbox(1))), Ref[Doubler])
        assert_type(root.child(COUNTER), Ref[Counter])
        assert_type(root.child("counter"), Ref[Any] | Supervisor | Task[Any])
        assert_type(root.whereis(COUNTER), Ref[Counter])
        assert_type(root.tree(), Tree)
        inner = await root.start_supervisor("inner", dynamic=True, max_children=3)
        assert_type(inner, Supervisor)
        await root.start_supervisor(SupervisorSpec("s", children=[ChildSpec(Counter), SupervisorSpec("t")]))
        await root.start_child(Counter())  # type: ignore[call-overload]
        await root.start_child(Counter, restarts="always")  # type: ignore[call-overload]
        await root.start_child(Stranger, name=COUNTER)  # type: ignore[arg-type]
        await root.start_supervisor("inner", max_restart=1)  # type: ignore[call-arg]
        root.whereis("counter")  # type: ignore[arg-type]
