"""The embedded server as a supervised child of the client that uses it.

A server that crashes is started again and the client follows it to its new address. Without a data folder its models live
in memory and are lost with it; what hangs on them then fails with the server's own words.
"""

from importlib import import_module
from typing import TYPE_CHECKING

import trio
from attrs import define

from supervisors import Actor, ChildSpec, Name

if TYPE_CHECKING:
    from tinkex_actors.local.options import ServerOptions


@define(eq=False)
class Place:
    """Where the server is at the moment."""

    url: str = "http://127.0.0.1"


class EmbeddedServer(Actor):
    """Runs the server for as long as it lives."""

    def __init__(self, place: Place, options: "ServerOptions | None") -> None:
        self._place = place
        self._options = options
        self._is_up = trio.Event()

    async def on_start(self) -> None:
        """Start the server; return when it takes connections."""
        self.start_soon(self._serve)
        await self._is_up.wait()

    async def _serve(self) -> None:
        from tinkex_actors.local.server import open_server  # noqa: PLC0415 - an extra, needed by this branch alone

        async with open_server(self._options) as server:
            self._place.url = server.url
            self._is_up.set()
            await trio.sleep_forever()


def embedded_server(place: Place, options: "ServerOptions | None") -> ChildSpec[Actor]:
    """Describe the child that runs a server and says in *place* where.

    Raises:
        ModuleNotFoundError: The extra is not installed.
    """
    try:
        import_module("tinkex_actors.local.server")
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"the embedded server needs {missing.name}; install tinkex-actors[local]", name=missing.name
        ) from missing
    return ChildSpec(lambda: EmbeddedServer(place, options), name=Name("local", EmbeddedServer))
