"""The word to systemd: ready, status, still alive, stopping. Datagrams to the socket that ``NOTIFY_SOCKET`` names.

Without that variable nothing is sent. A word that cannot be delivered changes nothing: the service manager's troubles are
not the training's.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

import trio
from attrs import frozen


@frozen
class Notifier:
    """Tells the service manager, if there is one."""

    address: str = ""
    """The socket's path; one that begins with ``@`` lies in the abstract namespace. Empty is nobody."""
    watchdog_seconds: float | None = None
    """How often the manager wants to hear that all is well, at least."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Notifier":
        """Read ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``, as systemd sets them."""
        micros, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        is_ours = not pid or pid == str(os.getpid())
        seconds = int(micros) / 1e6 if micros.isdigit() and is_ours else None
        return cls(environ.get("NOTIFY_SOCKET", ""), seconds)

    async def ready(self, status: str) -> None:
        """All runs are begun."""
        await self._send("READY=1", f"STATUS={status}")

    async def status(self, status: str) -> None:
        """What ``systemctl status`` shows."""
        await self._send(f"STATUS={status}")

    async def reloading(self) -> None:
        """The plan is read again; `ready` follows."""
        await self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    async def stopping(self, seconds: float) -> None:
        """The drain has begun, and may take so long."""
        await self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    async def alive(self) -> None:
        """All is well."""
        await self._send("WATCHDOG=1")

    async def _send(self, *words: str) -> None:
        if not self.address:
            return
        where = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with suppress(OSError), trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            await out.connect(where)
            await out.send("\n".join(words).encode())
