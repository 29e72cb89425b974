"""The actor that tidies up: sessions that fell silent, checkpoints that expired, dates of runs."""

from supervisors import Actor
from tinkex_actors.local.service import Service

_ROUNDS = 20
"""How often within the time a session may be silent."""
_INTERVAL = 60.0


class Caretaker(Actor):
    """Looks after one `Service`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_start(self) -> None:
        """Begin the rounds."""
        self.send_every(self._service.sessions.timeout / _ROUNDS, Caretaker.end_silent_sessions)
        self.send_every(_INTERVAL, Caretaker.remove_expired_checkpoints)
        self.send_every(_INTERVAL, Caretaker.write_down_runs)

    async def end_silent_sessions(self) -> None:
        """End the sessions whose clients are gone."""
        await self._service.end_silent_sessions()

    async def write_down_runs(self) -> None:
        """Keep the register's dates of the runs nearly right, without a write for each request."""
        self._service.write_down_runs()

    async def remove_expired_checkpoints(self) -> None:
        """Free the disk of checkpoints whose time is over; clients have not seen them since."""
        shop = self._service.shop
        async with self.off_turn():
            await shop.compute(lambda: shop.store.remove_expired(shop.now()), shop.disk)
