"""What the actors of the server work with: promises, checkpoints, the log, clocks, and room to compute.

Plain shared data of one event loop; nothing in here waits except `compute`, which lends a worker thread. Training and
sampling have rooms of their own, one computation at a time each and first come first served: neither starves the other,
no model starves another, and the same requests meet the engine in the same order.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import trio
from attrs import Factory, field, frozen

from tinkex_actors.local.audit import AuditLog
from tinkex_actors.local.checkpoints import CheckpointStore
from tinkex_actors.local.futures import Futures
from tinkex_actors.local.limits import Limits
from tinkex_actors.local.seats import Seats
from tinkex_actors.local.weights import AdapterCache, Shelves, SnapshotStore

T = TypeVar("T")


def _room() -> trio.CapacityLimiter:
    return trio.CapacityLimiter(1)


@frozen(eq=False, kw_only=True)
class Workshop:
    """Shared by every actor of one server."""

    futures: Futures
    store: CheckpointStore
    snapshots: SnapshotStore
    audit: AuditLog
    limits: Limits
    now: Callable[[], datetime]
    """The date, with its time zone: for records people read and for what expires."""
    notes_weights: bool = False
    """Whether the log names the weights after each change of them."""
    adapters: AdapterCache = field(
        init=False, default=Factory(lambda self: AdapterCache(self.limits.adapters_in_memory), takes_self=True)
    )
    seats: Seats = field(
        init=False, default=Factory(lambda self: Seats(self.limits.max_decoded_together), takes_self=True)
    )
    """For the sequences that are decoded at a time: each has keys and values in memory."""
    training: trio.CapacityLimiter = field(factory=_room)
    sampling: trio.CapacityLimiter = field(factory=_room)
    disk: trio.CapacityLimiter = field(factory=_room)

    @property
    def shelves(self) -> Shelves:
        """Where weights are read from."""
        return Shelves(self.store, self.snapshots)

    async def compute(self, work: Callable[[], T], room: trio.CapacityLimiter) -> T:
        """Do *work* in a worker thread when *room* is free, and return what it returns.

        Not interrupted by cancellation once begun: what was applied must be known to have been applied.
        """
        return await trio.to_thread.run_sync(work, limiter=room)
