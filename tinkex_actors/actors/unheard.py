"""What a client leaves undone when it is closed, and nobody waits for: told in one record, however much it is.

A program that is interrupted has hundreds of samples under way; each is no failure worth a line of its own.
"""

from collections import Counter
from collections.abc import Iterable

from tinkex_actors.actors.ledger import Entry, Ledger
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.actors.waits import list_pending
from tinkex_actors.log import get_log

_log = get_log()


def tell_unheard(ledgers: Iterable[Ledger | SampleLedger], error: Exception) -> None:
    """Tell what *error* is about to end and nobody has asked after: how many operations of each kind."""
    entries = (one for ledger in ledgers for one in list_pending(ledger) if isinstance(one, Entry))
    # The slices of a batch have one audience.
    audiences = {id(one.slot.audience): one.slot.audience for one in entries}
    unheard = [audience for audience in audiences.values() if not audience.has_listened]
    for audience in unheard:
        audience.has_been_told = True
    if unheard:
        counts = Counter(audience.operation for audience in unheard)
        _log.warning("operations were under way that nobody awaited", reason=str(error), operations=dict(counts))
