"""Looking at what there is on a server, and putting it in order: training runs, checkpoints, sessions.

::

    async with open_rest_client(Settings()) as rest:            # no session, no heartbeat
        async for run in rest.list_training_runs():
            print(run.training_run_id, run.base_model)

From an open client, ``tinker.create_rest_client()`` gives the same on its connections.

Every method asks once, is repeated on the way while that may help, and raises a `TinkerError` otherwise:
`NotSupportedByServer` where this kind of server has no such thing. ``async for`` lists are in `paging`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tinkex_actors.clients.admin import AdminClient
from tinkex_actors.clients.checks import check_door
from tinkex_actors.clients.desk import Desk
from tinkex_actors.clients.rest_checkpoints import CheckpointsAtDesk
from tinkex_actors.clients.rest_runs import RunsAtDesk
from tinkex_actors.clients.rest_sessions import SessionsAtDesk
from tinkex_actors.settings import Settings
from tinkex_actors.transport.http import HttpTransport
from tinkex_actors.transport.stack import HttpBelow, open_transport, streams_of


class RestClient(RunsAtDesk, CheckpointsAtDesk, SessionsAtDesk):
    """Looks things up on one server. Holds nothing; any number of tasks may use it at once."""

    @property
    def settings(self) -> Settings:
        """What the client was told."""
        return self._desk.settings

    @property
    def streams(self) -> HttpTransport:
        """What reads answers while they arrive, on the same connections; see `tinkex_actors.clients.download`."""
        return streams_of(self._desk.transport)

    @property
    def admin(self) -> AdminClient:
        """What administrators may see, on the same connections."""
        return AdminClient(self._desk)


@asynccontextmanager
async def open_rest_client(
    settings: Settings | None = None, *, below: HttpBelow | None = None
) -> AsyncGenerator[RestClient, None]:
    """Open connections to a server without a session; they are closed when the block is left.

    Args:
        settings: The address, the key and the figures; ``Settings()`` if not given, which reads the environment.
        below: What carries HTTP instead of the client's own pool: a transport of httpx's kind, or a whole ``httpx.AsyncClient``.
    """
    check_door(settings)
    told = settings or Settings()
    async with open_transport(told, below=below) as transport:
        yield RestClient(Desk(transport, told))
