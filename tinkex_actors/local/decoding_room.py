"""The actor that decodes whatever is sampled, all sessions' requests together.

A request joins when its prompt has been read and leaves when its samples are done; those that share weights take their
steps together. A turn of steps is short, so that newcomers need not wait and nobody decodes for one who has gone away.

When this actor crashes, the next life begins empty, and `decode_again` says who may come back. Each seat knows how many
were in the step that crashed: none, and it was another's; itself alone, and it is guilty; several, and it is suspected
and takes its next steps apart from the others. What comes back begins anew and draws the same, since its seed is the same.
"""

from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

import trio
from attrs import define, field

from supervisors import Actor, ActorCrashed, Ref
from tinkex_actors.local.engine import Adapter, BaseModel, Decoding, SampledToken, take_step
from tinkex_actors.local.workshop import Workshop

_STEPS = 16
"""Steps in a turn at most."""
_ATTEMPTS = 20
"""How often a request is decoded from the beginning: others cannot keep it busy for ever."""

Listener: TypeAlias = Callable[[tuple[SampledToken, ...]], None]


@define(eq=False)
class Seat:
    """One request in the room."""

    base: BaseModel
    adapter: Adapter | None
    decoding: Decoding
    is_wanted: Callable[[], bool]
    """Asked before each step, in a worker thread; once False, the samples stay as they are."""
    listen: Listener | None = None
    """Told the tokens of each step, on the event loop."""
    heard: list[tuple[SampledToken, ...]] = field(factory=list[tuple[SampledToken, ...]])
    """Tokens that `listen` was not told yet."""
    left: trio.Event = field(factory=trio.Event)
    is_suspect: bool = False
    """Whether it takes its steps apart from others."""
    doubt: int = 0
    """How many seats are in the step that it takes; 0 between steps."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to decode."""
        return self.decoding.is_done or not self.is_wanted()


class DecodingRoom(Actor):
    """Decodes for everybody."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop
        self._seats: list[Seat] = []
        self._is_working = False

    async def decode(self, seat: Seat) -> None:
        """Take the samples of *seat* to their end; ended early, they stay as they are."""
        self._seats.append(seat)
        if not self._is_working:
            self.ref.cast_nowait(DecodingRoom.work)
        async with self.off_turn():
            try:
                await seat.left.wait()
            finally:
                seat.is_wanted = _nobody

    async def work(self) -> None:
        """Take steps until nobody is left."""
        if self._is_working:
            return
        self._is_working = True
        while self._seats:
            async with self.off_turn():
                turn = partial(_take_turn, tuple(self._seats), self._shop.sampling)
                await self._shop.compute(turn, self._shop.sampling)
            self._tell()
        self._is_working = False

    def _tell(self) -> None:
        """Pass tokens on, and let those go that are done."""
        for seat in self._seats:
            if seat.listen is not None:
                with _in_doubt([seat]):
                    for tokens in seat.heard:
                        seat.listen(tokens)
            seat.heard.clear()
            if seat.is_over:
                seat.left.set()
        self._seats = [seat for seat in self._seats if not seat.left.is_set()]


async def decode_again(room: Ref[DecodingRoom], open_seat: Callable[[], Awaitable[Seat]]) -> Seat:
    """Decode what *open_seat* begins, from the beginning as often as the room crashes on somebody else.

    Raises:
        ActorCrashed: The room crashed on this request, or too often.
        ActorNotAlive: It was given up.
    """
    attempts, is_suspect = 0, False
    while True:
        seat = await open_seat()
        seat.is_suspect = is_suspect
        try:
            await room.call(DecodingRoom.decode, seat)
        except ActorCrashed:
            attempts += 1
            if seat.doubt == 1 or attempts == _ATTEMPTS:
                raise
            is_suspect = is_suspect or seat.doubt > 0
        else:
            return seat


@contextmanager
def _in_doubt(seats: Sequence[Seat]) -> Generator[None]:
    """Note who is in a step; a crash leaves the note."""
    for seat in seats:
        seat.doubt = len(seats)
    yield
    for seat in seats:
        seat.doubt = 0


def _nobody() -> bool:
    return False


def _take_turn(seats: Sequence[Seat], room: trio.CapacityLimiter) -> None:
    """Take some steps, in the worker thread: one if somebody listens or waits for the thread, else several."""
    listened = any(seat.listen is not None for seat in seats)
    for _ in range(1 if listened else _STEPS):
        going = [seat for seat in seats if not seat.is_over]
        for alike in _by_weights(going):
            with _in_doubt(alike):
                _take_step(alike)
        if len(going) < len(seats) or room.statistics().tasks_waiting:
            return


def _by_weights(seats: Sequence[Seat]) -> Iterator[list[Seat]]:
    groups: dict[tuple[int, int, int], list[Seat]] = {}
    for seat in seats:
        apart = id(seat) if seat.is_suspect else 0
        groups.setdefault((id(seat.base), id(seat.adapter), apart), []).append(seat)
    yield from groups.values()


def _take_step(seats: Sequence[Seat]) -> None:
    """Take requests of the same weights one token further."""
    by_decoding = {id(seat.decoding): seat for seat in seats}
    for decoding, tokens in take_step(seats[0].base, seats[0].adapter, [seat.decoding for seat in seats]):
        seat = by_decoding[id(decoding)]
        if seat.listen is not None:
            seat.heard.append(tokens)
