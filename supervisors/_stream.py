"""A stream of tasks: inputs in, results out, at most so many at a time.

The consumer drives. With concurrency *n*, its first question starts *n* inputs and each further question one more, so
that a consumer which stops asking leaves no more work begun than it could still use. While it waits behind a slow head
(results in order), later inputs go on being started, until *buffer* finished results wait: a stuck head gives
back-pressure instead of growing memory.

The feeding task lives in the consumer's block and the workers under the supervisor; leaving the block stops both.
"""

import functools
import math
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from contextlib import asynccontextmanager
from typing import Final, Generic, Self, TypeAlias, TypeVar, cast

import trio
from attrs import define, field, frozen

from supervisors._checks import check_int, is_number
from supervisors._exit import describe
from supervisors._task import Task, TaskSlot, stop_all

T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")

_END: Final = object()


@frozen
class Finished(Generic[T, R]):
    """The work on one input returned."""

    input: T
    value: R


@frozen
class Failed(Generic[T]):
    """The work on one input raised, took too long (:exc:`trio.TooSlowError`) or was stopped (:exc:`TaskStopped`)."""

    input: T
    error: Exception


StreamOutcome: TypeAlias = Finished[T, R] | Failed[T]


@define
class Limits:
    """How a stream runs."""

    max_concurrency: int
    is_ordered: bool = field(kw_only=True)
    is_linked: bool = field(kw_only=True)
    timeout: float = field(kw_only=True)
    buffer: int | None = field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_int("max_concurrency", self.max_concurrency, least=1)
        if not is_number(self.timeout) or not self.timeout >= 0:
            raise ValueError(f"timeout must be seconds >= 0 or math.inf, got {describe(self.timeout)}")
        if self.buffer is None:
            self.buffer = 2 * self.max_concurrency
        check_int("buffer", self.buffer, least=0)

    def limit(self, fn: Callable[[T], Awaitable[R]]) -> Callable[[T], Awaitable[R]]:
        """Bound *fn* by the timeout."""
        if self.timeout == math.inf:
            return fn
        timeout = self.timeout

        @functools.wraps(fn)
        async def limited(item: T) -> R:
            """Do it in time."""
            with trio.fail_after(timeout):
                return await fn(item)

        return limited


class Flow(Generic[T, R]):
    """The state between a consumer, a feeding task and the workers."""

    def __init__(self, begin: Callable[[T], Task[R]], inputs: Iterable[T] | AsyncIterable[T], limits: Limits) -> None:
        self._begin = begin
        self._source = Source(inputs)
        self._limits = limits
        self._inputs: dict[Task[R], T] = {}
        """Begun and not yet taken by the consumer, in order."""
        self._done: dict[Task[R], None] = {}
        """Of those, the ones that are over, in the order of their ends."""
        self._failed: Task[R] | None = None
        self._failure: Exception | None = None
        self._is_fed = False
        self._begun = 0
        self._asked = 0
        self._is_asking = False
        self._demand = trio.lowlevel.ParkingLot()
        self._arrivals = trio.lowlevel.ParkingLot()

    async def feed(self) -> None:
        """Take inputs and begin workers, as the consumer's questions allow."""
        try:
            async with self._source:
                while True:
                    while not self._may_begin():
                        await self._demand.park()
                    self._add(await anext(self._source))
        except StopAsyncIteration:
            pass
        except Exception as error:  # noqa: BLE001 - what the inputs raise, or the supervisor, is the consumer's
            self._failure = error
        finally:
            self._is_fed = True
            self._arrivals.unpark_all()

    def _may_begin(self) -> bool:
        limits = self._limits
        running = len(self._inputs) - len(self._done)
        if not self._asked or running >= limits.max_concurrency or self._failed is not None:
            return False
        if self._begun < self._asked + limits.max_concurrency - 1:
            return True
        is_behind_head = self._is_asking and self._find() is None
        return is_behind_head and len(self._done) < cast(int, limits.buffer)

    def _add(self, item: T) -> None:
        task = self._begin(item)
        self._begun += 1
        self._inputs[task] = item
        task._slot.watch(self, self._note)  # noqa: SLF001 - of this package

    def _note(self, slot: TaskSlot) -> None:
        task: Task[R] = slot.ref
        self._done[task] = None
        if self._limits.is_linked and not slot.has_result and self._failed is None:
            self._failed = task
        self._arrivals.unpark_all()
        self._demand.unpark_all()

    async def next(self) -> tuple[Task[R], T] | None:
        """Ask for one more result, and wait for it; None when there are no more."""
        await trio.lowlevel.checkpoint()
        self._asked += 1
        self._is_asking = True
        self._demand.unpark_all()
        try:
            while (task := self._find()) is None:
                if self._failure is not None:
                    raise self._failure
                if self._is_fed and not self._inputs:
                    return None
                await self._arrivals.park()
        except trio.Cancelled:
            self._asked -= 1
            raise
        finally:
            self._is_asking = False
        del self._done[task]
        return task, self._inputs.pop(task)

    def _find(self) -> Task[R] | None:
        if not self._limits.is_ordered:
            return next(iter(self._done), None)
        head = next(iter(self._inputs), None)
        return head if head in self._done else self._failed

    async def stop(self) -> None:
        """Stop the workers, all at once."""
        for task in self._inputs:
            task._slot.unwatch(self)  # noqa: SLF001 - of this package
        await stop_all(task for task in self._inputs if not task.is_done)


class Source(Generic[T]):
    """The inputs, as one kind of async iterator; its block closes a generator, and nothing else."""

    def __init__(self, inputs: Iterable[T] | AsyncIterable[T]) -> None:
        if not isinstance(inputs, AsyncIterable | Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without a type checker
            raise TypeError(f"inputs must be iterable, got {describe(inputs)}")
        self._inputs = inputs
        self._next: Callable[[], T | object] | None = None
        self._anext: Callable[[], Awaitable[T]] | None = None

    async def __aenter__(self) -> Self:
        if isinstance(self._inputs, AsyncIterable):
            self._anext = aiter(self._inputs).__anext__
        else:
            self._next = functools.partial(next, iter(self._inputs), _END)
        return self

    async def __anext__(self) -> T:
        if self._anext is not None:
            return await self._anext()
        item = self._next() if self._next is not None else _END
        if item is _END:
            raise StopAsyncIteration
        return cast(T, item)

    async def __aexit__(self, *_: object) -> None:
        inputs: object = self._inputs
        if isinstance(inputs, AsyncGenerator):
            await cast("AsyncGenerator[T, None]", inputs).aclose()
        elif isinstance(inputs, Generator):
            cast("Generator[T, None, None]", inputs).close()


class Values(Generic[T, R]):
    """Iterates over what the workers return, and raises what they raise."""

    def __init__(self, flow: Flow[T, R]) -> None:
        self._flow = flow
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        entry = None if self._is_over else await self._flow.next()
        if entry is None:
            raise StopAsyncIteration
        task, item = entry
        try:
            return result_of(task)
        except Exception as error:
            self._is_over = True
            error.add_note(f"raised for the input {describe(item)}")
            raise


class Outcomes(Generic[T, R]):
    """Iterates over how the work on each input ended."""

    def __init__(self, flow: Flow[T, R]) -> None:
        self._flow = flow

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamOutcome[T, R]:
        entry = await self._flow.next()
        if entry is None:
            raise StopAsyncIteration
        task, item = entry
        try:
            return Finished(item, result_of(task))
        except Exception as error:  # noqa: BLE001 - a failed input is an entry
            return Failed(item, error)


def result_of(task: Task[R]) -> R:
    """The result of a task that is over."""
    value: R = task._slot.result()  # noqa: SLF001 - of this package
    return value


@asynccontextmanager
async def open_stream(flow: Flow[T, R], view: Callable[[Flow[T, R]], V]) -> AsyncGenerator[V]:
    """Feed *flow* for the length of the block, and leave nothing behind."""
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flow.feed)
            try:
                yield view(flow)
            except BaseException as error:  # noqa: BLE001 - raised again below, without the nursery's group around it
                failure = error
            nursery.cancel_scope.cancel()
    finally:
        # Behind the feeding task, which might begin one more.
        with trio.CancelScope(shield=True):
            await flow.stop()
        if failure is not None:
            raise failure
