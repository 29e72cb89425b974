"""Preparing a call that waits: off turn, for as long as somebody may want it.

A call that is settled meanwhile was withdrawn, or its ledger was closed; then the rest of the work is for nobody.

What a preparation does may not put another call in line of the same ledger: that call would wait behind the one that is
being prepared, and whoever awaited it would wait for himself. `refuse_a_ring` says so instead.
"""

from contextvars import ContextVar

import trio

from tinkex_actors.activity import working_on
from tinkex_actors.actors.ledger import Call, Ledger
from tinkex_actors.actors.pending import Slot
from tinkex_actors.types.errors import TinkerError

_prepared: ContextVar[Ledger | None] = ContextVar("tinkex_actors_prepared", default=None)
"""For which ledger the current task, or the task that began it, prepares a call."""


async def prepare_unless_settled(ledger: Ledger, call: Call) -> None:
    """Do what *call* needs before it can be sent, and stop when it is settled.

    Raises:
        TinkerError: It cannot be prepared.
    """
    if call.preparation is None:
        return
    first, failure = call.entries[0], None
    token = _prepared.set(ledger)
    try:
        with working_on(first.operation.standing, "Trainer.prepare"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_leave_when_settled, first.slot, nursery.cancel_scope)
                try:
                    await call.preparation()
                except TinkerError as error:
                    failure = error
                nursery.cancel_scope.cancel()
    finally:
        _prepared.reset(token)
    if failure is not None:
        raise failure


def refuse_a_ring(ledger: Ledger) -> None:
    """Refuse to put a call in line from within the preparation of an earlier one.

    Raises:
        RuntimeError: It would wait for itself.
    """
    if _prepared.get() is ledger:
        raise RuntimeError(
            f"a custom loss of {ledger.name} asked for an operation of {ledger.name}, which would wait for that very loss; "
            "use another training client, or a sampling client"
        )


async def _leave_when_settled(slot: Slot[object], scope: trio.CancelScope) -> None:
    await slot.wait_settled()
    scope.cancel()
