"""Finds samples that are stuck: still open, while for hours nothing of their sampling session has come.

A server that is alive, answers every poll and never finishes anything would keep a program waiting for ever. So the service
has a limit on progress, not on duration: as long as one sample of a session is answered now and then, or a token of a
stream comes, all of them may take as long as they take. Pure: the time is an argument.
"""

from attrs import define

from tinkex_actors.actors.ledger import Entry
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.actors.stream_place import StreamPlace
from tinkex_actors.transport.standing import Standing
from tinkex_actors.types.errors import APITimeoutError


@define
class ProgressWatch:
    """Watches one sampling session."""

    _seen: int = -1
    """How much had come when something came last."""
    _since: float = 0.0
    """When that was, or when something was last given up."""

    def find_stuck(self, ledger: SampleLedger, now: float, timeout: float) -> tuple[Entry | StreamPlace, ...]:
        """List what is to be given up: what has waited for *timeout* seconds, if nothing else has come meanwhile.

        What only waits for a place among the others is left: giving up those before it gives it one, and all the time there is.
        """
        came = ledger.answered + sum(place.tokens for place in ledger.streams.values())
        if came != self._seen or not ledger.places_taken:
            self._seen, self._since = came, now
        if now - self._since < timeout:
            return ()
        streams = (place for place in ledger.streams.values() if place.is_waiting)
        waiting: tuple[Entry | StreamPlace, ...] = (*ledger.open.values(), *streams)
        stuck = tuple(one for one in waiting if _has_waited(standing_of(one), now) >= timeout)
        if stuck:
            self._since = now
        return stuck


def _has_waited(standing: Standing, now: float) -> float:
    return 0.0 if standing.since is None else now - standing.since


def give_up(ledger: SampleLedger, stuck: Entry | StreamPlace, timeout: float) -> None:
    """End what is stuck with an error that says for what it waited."""
    standing, name = standing_of(stuck), stuck.operation.name if isinstance(stuck, Entry) else stuck.name
    last = f"; last error: {standing.last_error}" if standing.last_error else ""
    error = APITimeoutError(
        f"{name}: nothing of {ledger.name} has come for {timeout:g} s, and this one waits for {standing.waits_for}{last}; "
        "it was given up: sample again, or raise figures.progress_timeout (infinity turns this off)",
        operation=name,
        request_id=standing.request_id,
        attempts=standing.attempts,
    )
    if isinstance(stuck, Entry):
        ledger.abandon(stuck, error)
    else:
        stuck.fail(error)


def standing_of(one: Entry | StreamPlace) -> Standing:
    """Say where a sample or a stream stands."""
    return one.operation.standing if isinstance(one, Entry) else one.standing
