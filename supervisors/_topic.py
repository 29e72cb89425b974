"""Publish and subscribe inside one program: every subscriber has a buffer of its own, and its own way to be late.

A topic keeps no history: a subscriber hears what is published between entering and leaving its ``with`` block, in the
order of publication. Subscribers are independent: what a slow, failed or cancelled one misses is its own affair, unless
it asked publishers to wait for it (:attr:`Overflow.WAIT`).
"""

from collections import deque
from threading import get_ident
from types import TracebackType
from typing import Generic, Self, TypeVar

import trio

from supervisors._errors import SubscriberTooSlow
from supervisors._policy import Mailbox, Overflow

T = TypeVar("T")


class Topic(Generic[T]):
    """A stream of events for whoever subscribes. Plain data: it has no task and nothing to stop."""

    __slots__ = ("_is_closed", "_publishing", "_subscriptions", "_thread", "name")

    def __init__(self, name: str = "topic") -> None:
        self.name = name
        self._subscriptions: dict[Subscription[T], None] = {}
        self._publishing = trio.Lock()
        self._thread: int | None = None
        """Where the subscribers are: nobody else may wake them."""
        self._is_closed = False

    def subscribe(self, capacity: int = 64, *, overflow: Overflow = Overflow.DROP_OLDEST) -> "Subscription[T]":
        """Prepare a subscription; it begins when its ``with`` block is entered.

        ::

            with topic.subscribe(16) as events:
                async for event in events:
                    ...

        Args:
            capacity: Events that may wait for this subscriber, >= 1.
            overflow: What one more does. ``WAIT``: publishers wait for room. ``RAISE``: the subscriber is cut off and
                gets :exc:`SubscriberTooSlow` behind what it had. ``DROP_NEWEST``, ``DROP_OLDEST``: an event is lost
                and counted.

        Raises:
            ValueError: An argument is not valid.
        """
        return Subscription(self, Mailbox(capacity, overflow))

    def publish_nowait(self, event: T) -> int:
        """Tell every subscriber, now. Returns how many there are.

        Raises:
            trio.WouldBlock: A subscriber with ``WAIT`` has no room; nobody was told.
            trio.ClosedResourceError: The topic is closed.
            RuntimeError: The subscribers are in another thread.
        """
        if self._is_closed:
            raise trio.ClosedResourceError(f"topic {self.name!r} is closed")
        if self._subscriptions and get_ident() != self._thread:
            raise RuntimeError(
                f"the subscribers of topic {self.name!r} are in another thread; "
                "use trio.from_thread.run_sync(topic.publish_nowait, event) there"
            )
        if self._first_blocking() is not None:
            raise trio.WouldBlock
        subscriptions = tuple(self._subscriptions)
        for subscription in subscriptions:
            subscription.offer(event)
        return len(subscriptions)

    async def publish(self, event: T) -> int:
        """Tell every subscriber, all at once, as soon as those with ``WAIT`` have room. Returns how many there are.

        Publishers that wait are served in order. If this one is cancelled, nobody was told.

        Raises:
            trio.ClosedResourceError: The topic is closed.
        """
        async with self._publishing:
            while not self._is_closed and (slow := self._first_blocking()) is not None:
                await slow.wait_for_room()
            return self.publish_nowait(event)

    def close(self) -> None:
        """End the topic: subscribers get what they have, then their loops end. May be called twice."""
        self._is_closed = True
        for subscription in tuple(self._subscriptions):
            subscription.end()
        self._subscriptions.clear()

    @property
    def is_closed(self) -> bool:
        """Nothing is published any more."""
        return self._is_closed

    @property
    def subscribers(self) -> int:
        """How many subscriptions are open."""
        return len(self._subscriptions)

    def add(self, subscription: "Subscription[T]") -> None:
        """Begin to tell *subscription*; called by its ``with`` block."""
        self._thread = get_ident()
        if self._is_closed:
            subscription.end()
        else:
            self._subscriptions[subscription] = None

    def discard(self, subscription: "Subscription[T]") -> None:
        """Tell *subscription* nothing more."""
        self._subscriptions.pop(subscription, None)

    def _first_blocking(self) -> "Subscription[T] | None":
        return next((one for one in self._subscriptions if one.blocks_publishers), None)


class Subscription(Generic[T]):
    """One subscriber's buffer: a context manager, and an async iterator inside its block."""

    __slots__ = (
        "_arrivals", "_buffer", "_capacity", "_is_ended", "_is_late", "_is_open", "_is_used", "_overflow", "_room", "_topic",
        "dropped",
    )  # fmt: skip

    def __init__(self, topic: Topic[T], bound: Mailbox) -> None:
        self._topic = topic
        self._capacity = bound.capacity
        self._overflow = bound.overflow
        self._buffer: deque[T] = deque()
        self._arrivals = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._is_used = False
        self._is_open = False
        self._is_ended = False
        self._is_late = False
        self.dropped = 0
        """Events this subscriber missed because its buffer was full."""

    def __enter__(self) -> Self:
        if self._is_used:
            raise RuntimeError(
                f"this subscription of {self._topic.name!r} had its block; call subscribe() once per block"
            )
        self._is_used = self._is_open = True
        self._topic.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_open = False
        self._topic.discard(self)
        self._buffer.clear()
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Wait for the next event. If cancelled, no event is lost."""
        await trio.lowlevel.checkpoint()
        while not self._buffer:
            self._check_end()
            await self._arrivals.park()
        event = self._buffer.popleft()
        self._room.unpark_all()
        return event

    def _check_end(self) -> None:
        if not self._is_open:
            raise RuntimeError(f"a subscription of {self._topic.name!r} is iterated inside its own `with` block")
        if self._is_late:
            raise SubscriberTooSlow(
                f"more than {self._capacity} events of {self._topic.name!r} were waiting; subscribe again"
            )
        if self._is_ended:
            raise StopAsyncIteration

    @property
    def queued(self) -> int:
        """Events that wait."""
        return len(self._buffer)

    @property
    def blocks_publishers(self) -> bool:
        """It is full, and publishers have to wait for it."""
        return self._overflow is Overflow.WAIT and len(self._buffer) >= self._capacity

    async def wait_for_room(self) -> None:
        """Wait until something was taken, or the subscription has ended."""
        await self._room.park()

    def offer(self, event: T) -> None:
        """Take *event* as the overflow policy says. Never blocks."""
        if len(self._buffer) < self._capacity:
            self._buffer.append(event)
            self._arrivals.unpark()
            return
        self.dropped += 1
        if self._overflow is Overflow.DROP_OLDEST:
            self._buffer.popleft()
            self._buffer.append(event)
        elif self._overflow is Overflow.RAISE:
            self._is_late = True
            self._topic.discard(self)

    def end(self) -> None:
        """Wake everybody: nothing more comes."""
        self._is_ended = True
        self._arrivals.unpark_all()
        self._room.unpark_all()
