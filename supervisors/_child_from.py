"""Children that were not written as actors: resources with a context manager, and plain async functions."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from inspect import iscoroutine, iscoroutinefunction
from typing import Any, Generic, TypeVar, Unpack, cast, overload

from supervisors._actor import Actor
from supervisors._checks import check_callable
from supervisors._exit import describe
from supervisors._spec import ChildOptions, ChildSpec

T = TypeVar("T")


class Host(Actor, Generic[T]):
    """Keeps an async context manager open for as long as it lives. Made by :func:`child_from`.

    It has started when the context is entered. A stop leaves the context in order, within the child's budget; what
    escapes from the context is a crash, and a new life enters a new one.

    ``await host.call(Host[Connection].value)`` is typed.
    """

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._make = make
        self._value: T | None = None

    async def value(self) -> T:
        """What the context gave when it was entered."""
        return cast("T", self._value)

    @asynccontextmanager
    async def _host(self) -> AsyncGenerator[object]:
        manager = self._make()
        if not isinstance(manager, AbstractAsyncContextManager):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise self._refuse(manager)
        async with manager as self._value:
            yield None

    def _refuse(self, made: object) -> TypeError:
        if iscoroutine(made):
            made.close()
            return TypeError(f"{self.path} got a coroutine; give an async function itself, or partial(fn, x)")
        return TypeError(f"{self.path} needs a function that makes an async context manager, got {describe(made)}")


class Job(Actor):
    """Runs an async function; its end is this child's end. Made by :func:`child_from`.

    It has started at once. What the function returns is the ``reason`` of a normal exit, what it raises is a crash, and
    a stop cancels it.
    """

    def __init__(self, fn: Callable[[], Awaitable[object]]) -> None:
        self._fn = fn

    async def on_start(self) -> None:
        """Begin the function."""
        self.start_soon(self._run)

    async def _run(self) -> None:
        self.stop(await self._fn())


@overload
def child_from(
    make: Callable[[], AbstractAsyncContextManager[T]], /, *, name: str | None = None, **options: Unpack[ChildOptions]
) -> ChildSpec[Host[T]]: ...
@overload
def child_from(
    make: Callable[[], Awaitable[object]], /, *, name: str | None = None, **options: Unpack[ChildOptions]
) -> ChildSpec[Job]: ...
def child_from(
    make: Callable[[], Any], /, *, name: str | None = None, **options: Unpack[ChildOptions]
) -> ChildSpec[Any]:
    """Make a child spec from a function that makes an async context manager, or from an async function.

    Args:
        make: Called anew for every life. ``partial(fn, x)`` gives it arguments.
        name: The child's id; the function's name without one.
        **options: The other fields of :class:`ChildSpec`.

    Returns:
        The spec of a :class:`Host`, ready when its context is entered, or of a :class:`Job`.

    Raises:
        TypeError, ValueError: *make* is no function, or an option is not valid.
    """
    check_callable("make", make)
    wrapped = make.func if isinstance(make, partial) else make
    kind = Job if iscoroutinefunction(wrapped) else Host[Any]
    named = getattr(wrapped, "__name__", "<lambda>")
    return ChildSpec(partial(kind, make), name=name or (None if named == "<lambda>" else named), **options)
