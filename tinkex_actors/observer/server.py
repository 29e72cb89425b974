"""Serving the page on trio, and the file that says where it is."""

import json
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from attrs import field, frozen

from tinkex_actors.observer.settings import ObserverSettings
from tinkex_actors.observer.watch import Watch

if TYPE_CHECKING:
    from tinkex_actors.observer.http import Server

ADDRESS_FILE = "observer.json"
"""What the address file is called in a run's folder."""


@frozen
class OpenedObserver:
    """A page that is being served."""

    base_url: str
    """Where it is."""
    token: str = field(repr=lambda token: repr("***" if token else ""))
    """What a request must show; empty for nothing."""

    @property
    def url(self) -> str:
        """What to open in a browser: the token stands behind the ``#``, which browsers send to nobody."""
        return f"{self.base_url}/#token={self.token}" if self.token else f"{self.base_url}/"


@asynccontextmanager
async def open_observer(watch: Watch, settings: ObserverSettings | None = None) -> AsyncGenerator[OpenedObserver, None]:
    """Serve the page of *watch* until the block is left; open pages are then closed at once.

    Raises:
        OSError: The address cannot be bound, or the address file cannot be written.
        ModuleNotFoundError: The extra ``tinkex-actors[observer]`` is not installed.
    """
    told = settings or ObserverSettings()
    server, listener = _prepare(watch, told)
    async with listener, trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, listener)
        page = OpenedObserver(f"http://{_name(listener)}", told.token)
        try:
            with _addressed(told.address_file, page):
                yield page
        finally:
            watch.end_traces(before=float("inf"))
            nursery.cancel_scope.cancel()


def _prepare(watch: Watch, settings: ObserverSettings) -> "tuple[Server, trio.SocketListener]":
    """Make everything that needs the extra.

    Raises:
        ModuleNotFoundError: It is not installed.
        OSError: The address cannot be bound.
    """
    try:
        from tinkex_actors.observer.app import Doors  # noqa: PLC0415 - an extra
        from tinkex_actors.observer.http import Server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"the observer needs {missing.name}; install tinkex-actors[observer]", name=missing.name
        ) from missing
    from tinkex_actors.observer.run_view import RunView  # noqa: PLC0415 - beside its user
    from tinkex_actors.observer.state import State  # noqa: PLC0415 - beside its user

    state = State(watch, RunView(settings.runs, watch.reports), settings.allow_control)
    return Server(Doors(state, settings).respond), _bind(settings.host, settings.port)


def _bind(host: str, port: int) -> trio.SocketListener:
    """Take the address, or say which one could not be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family)
    except OSError as fault:
        raise OSError(fault.errno, f"cannot listen on {host}:{port}: {fault.strerror or fault}") from fault
    return trio.SocketListener(trio.socket.from_stdlib_socket(bound))


def _name(listener: trio.SocketListener) -> str:
    host, port, *_ = listener.socket.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _addressed:  # noqa: N801 - a context manager, read as a word
    """Says in a file where the page is, for its owner only, while the block lasts."""

    def __init__(self, file: Path | None, page: OpenedObserver) -> None:
        self._file = file
        self._page = page

    def __enter__(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"base_url": self._page.base_url, "token": self._page.token, "pid": os.getpid()}, file)
        part.replace(self._file)

    def __exit__(self, *_: object) -> None:
        # Another process may have written its own there since.
        if self._file is not None and read_address(self._file) == self._page:
            with suppress(OSError):
                self._file.unlink()


def read_address(file: Path) -> OpenedObserver | None:
    """Read where a page is served, if the file is there and says so; whether somebody still serves it is another question."""
    try:
        found = json.loads(file.read_bytes())
        return OpenedObserver(str(found["base_url"]), str(found["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
