"""The span of a user's call: from the moment it is made until everything it sent has a fate.

It lies beside the operations, in their standings, so every turn that works on one of them is a part of it, in whichever
life of whichever actor.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tinkex_actors.actors.pending import Slot
from tinkex_actors.tracing import Span, Tracing, as_attributes
from tinkex_actors.transport.standing import Standing


def begin_call(
    tracing: Tracing, owner: Mapping[str, str], standings: Sequence[Standing], *, outer: Span | None = None
) -> Span | None:
    """Begin the span of a call of so many requests: below *outer*, or below whatever is current where the user calls.

    Returns:
        ``None`` where the call is not traced.
    """
    name, told = f"tinkex.{standings[0].operation}", {"tinkex.requests": len(standings)}
    span = tracing.begin(name, told) if outer is None else outer.begin(name, told)
    if span is None:
        return None
    if span.is_recorded:
        span.tell(as_attributes(owner))
    for standing in standings:
        standing.span = span
    return span


# Slots know the types of their values; how they ended is all that counts here.
def end_when_settled(spans: Sequence[Span], slots: Sequence[Slot[Any]]) -> None:
    """End *spans* when all *slots* are settled: as failed if one of them is."""
    if not spans[0].is_recorded:
        return
    left = len(slots)
    failure: Exception | None = None

    def note(error: Exception | None) -> None:
        nonlocal left, failure
        left, failure = left - 1, failure or error
        if not left:
            for span in spans:
                span.end(failure)

    for slot in slots:
        slot.on_settled = note
