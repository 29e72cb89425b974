"""What the drawing of the tree says of each client: how much of it is pending, why, and the server's queue."""

from collections.abc import Iterator

from tinkex_actors.actors.ledger import Entry
from tinkex_actors.actors.waits import Ledgers, list_pending
from tinkex_actors.types.futures import PAUSED


def note_clients(ledgers: Ledgers, above: str) -> dict[str, tuple[str, ...]]:
    """Write a note for each client that has something to say, by the path of its actor, which lies below *above*."""
    notes = {f"{above}/{name}": tuple(_note(ledgers, name)) for name in ledgers}
    return {path: found for path, found in notes.items() if found}


def _note(ledgers: Ledgers, name: str) -> Iterator[str]:
    ledger = ledgers[name]
    pending = [one.operation.standing if isinstance(one, Entry) else one.standing for one in list_pending(ledger)]
    if pending:
        yield f"{len(pending)} pending, the first waits for {pending[0].waits_for}"
    if ledger.queue.state in PAUSED:
        reason = f" ({ledger.queue.reason})" if ledger.queue.reason else ""
        yield f"the server's queue is {ledger.queue.state.value}{reason}"
