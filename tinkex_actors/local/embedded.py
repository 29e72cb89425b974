"""Two ways to keep a server running: as a supervised child of a program, and as a process of its own."""

import signal
from collections.abc import Callable

import trio

from supervisors import Actor
from tinkex_actors.local.options import ServerOptions
from tinkex_actors.local.server import LocalServer, open_server


class EmbeddedServer(Actor):
    """A server that lives and dies with its place in a supervision tree.

    Its start is done when connections are taken. A restart is a new server: without a data folder nothing of the old one
    is left, and with port 0 it has another address.
    """

    def __init__(self, options: ServerOptions | None = None, announce: Callable[[str], None] | None = None) -> None:
        """Run a server as *options* say; *announce* is told its URL in every life, when connections are taken."""
        self._options = options or ServerOptions()
        self._announce = announce
        self._server: LocalServer | None = None
        self._is_ready = trio.Event()

    async def on_start(self) -> None:
        """Open the server.

        Raises:
            ModelLoadError: A model directory cannot be used.
            OSError: The data folder cannot be written, or the address cannot be bound.
        """
        self.start_soon(self._run)
        await self._is_ready.wait()

    async def server(self) -> LocalServer:
        """Return the server; its `LocalServer.url` is what clients need."""
        if self._server is None:
            raise RuntimeError("the server is not there before on_start has returned")
        return self._server

    async def _run(self) -> None:
        async with open_server(self._options) as self._server:
            if self._announce is not None:
                self._announce(self._server.url)
            self._is_ready.set()
            await trio.sleep_forever()


async def serve(options: ServerOptions, announce: Callable[[str], None]) -> None:
    """Run a server until SIGINT or SIGTERM, then stop it in order: requests in flight are finished or answered.

    Args:
        options: How the server is to be.
        announce: Told the URL, once, when connections are taken.

    Raises:
        ModelLoadError: A model directory cannot be used.
        OSError: The data folder cannot be written, or the address cannot be bound.
    """
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_server(options) as server:
            announce(server.url)
            async for _ in signals:
                return
