"""What the server says about the age of a client or an endpoint: told once for each note, however many answers carry it."""

from attrs import define, field

from tinkex_actors.log import get_log
from tinkex_actors.transport.seam import Answer, Route

_log = get_log()

_NOTE, _LEVEL = "x-deprecation-note", "x-deprecation-level"
_MOST = 100
"""Notes remembered: a server that writes a new one into every answer is told of no more."""


@define(eq=False)
class DeprecationNotes:
    """The notes that one client has passed on."""

    _told: set[str] = field(factory=set[str], init=False)

    def pass_on(self, route: Route, answer: Answer) -> None:
        """Log the note of *answer*, if it has a new one: as a warning, or as an error where the server says so."""
        note = answer.headers.get(_NOTE)
        if note is None or note in self._told or len(self._told) >= _MOST:
            return
        self._told.add(note)
        tell = _log.error if answer.headers.get(_LEVEL, "").lower() == "error" else _log.warning
        tell("the server says that this is deprecated", note=note, operation=route.name)
