"""An actor that looks for operations that take too long.

It looks from outside, a few times per limit, so the operations themselves carry no clock for it. What it finds is told
as :class:`OperationSlow`, again each time the age has doubled; it ends nothing.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import trio
from attrs import define

from supervisors._actor import Actor
from supervisors._checks import is_number
from supervisors._events import OperationSlow
from supervisors._exit import describe
from supervisors._supervisor import Supervisor, check_supervisor
from supervisors._turn import ActorLife

if TYPE_CHECKING:
    from supervisors._reply import Cast, Request
    from supervisors._team import Team


@define
class _Sighting:
    message: "Request | Cast"
    since: float
    told_at_age: float


class Watchdog(Actor):
    """Reports operations under *supervisor* that run for longer than *limit* seconds, to within a quarter of it.

    ``await root.start_child(lambda: Watchdog(root, limit=30.0))``
    """

    def __init__(self, supervisor: Supervisor, *, limit: float) -> None:
        if not is_number(limit) or not limit > 0:
            raise ValueError(f"limit must be seconds > 0, got {describe(limit)}")
        self._supervisor = check_supervisor(supervisor)
        self._limit = limit
        self._seen: dict[tuple[ActorLife, int], _Sighting] = {}

    async def on_start(self) -> None:
        """Begin to look."""
        self.send_every(self._limit / 4, Watchdog.look)

    async def look(self) -> None:
        """Look at every operation that runs, and tell of the old ones."""
        now = trio.current_time()
        seen: dict[tuple[ActorLife, int], _Sighting] = {}
        for life, message in _running_under(self._supervisor._team):  # noqa: SLF001 - of this package
            if life.actor is self:
                continue
            known = self._seen.get((life, id(message))) or _Sighting(message, now, self._limit)
            seen[life, id(message)] = known
            age = now - known.since
            if age >= known.told_at_age:
                known.told_at_age = 2 * age
                self._tell(life, message, age)
        self._seen = seen

    def _tell(self, life: ActorLife, message: "Request | Cast", age: float) -> None:
        operation = message[0] if isinstance(message, tuple) else message.operation
        slot = life.slot
        slot.emit(OperationSlow(trio.current_time(), slot.path, life.number, operation, age, life.stacks()))


def _running_under(team: "Team") -> "Iterator[tuple[ActorLife, Request | Cast]]":
    for slot in tuple(team.slots.values()):
        inner: Team | None = getattr(slot, "inner", None)
        if inner is not None:
            yield from _running_under(inner)
        elif isinstance(slot.life, ActorLife):
            for message in slot.life.under_way():
                yield slot.life, message
