"""Roster: sees to it that every open ledger has a living actor.

Clients come and go while the program runs, and their supervisor may be restarted; a supervisor that begins anew has no
children but those it was declared with. The roster stands behind it in the same ``rest_for_one`` group, so whatever dies
before it, it is reborn last and calls everybody who has a ledger.
"""

from collections.abc import Callable, Mapping

from supervisors import Actor, AlreadyStarted, ChildNotFound, ChildSpec, Name, Supervisor, SupervisorStopped
from tinkex_actors.actors.crash_door import Crashable


class Roster(Crashable):
    """Keeps the clients' supervisor in line with the ledgers."""

    def __init__(self, members: Mapping[str, ChildSpec[Actor]], clients: Callable[[], Supervisor]) -> None:
        """Start a child of *clients* for every entry of *members*, which others may change at any time."""
        self._members = members
        self._clients = clients

    async def on_start(self) -> None:
        """Call everybody."""
        await self._start_missing()

    async def enrol(self) -> None:
        """Start those who have joined."""
        await self._start_missing()

    async def dismiss(self, name: str) -> None:
        """Stop one who has left."""
        try:
            await self._clients().terminate_child(name)
        except (ChildNotFound, SupervisorStopped):
            return

    async def _start_missing(self) -> None:
        clients = self._clients()
        # A start waits, and others may join meanwhile.
        for spec in tuple(self._members.values()):
            try:
                await clients.start_child(spec)
            except AlreadyStarted:
                continue
            except SupervisorStopped:
                # It is being restarted; so are we, after it, and then we call again.
                return


ROSTER = Name("roster", Roster)
