"""The server as a whole: a supervision tree, an HTTP listener, and an end in order.

::

    local (one_for_one)
    ├─ decoding               one actor decodes every sample, together
    ├─ models (dynamic)       one actor a model
    ├─ samplers (dynamic)     one actor a sampling session
    └─ Caretaker              ends silent sessions, removes expired checkpoints

The listener stops first: it takes no more connections, long polls are answered "try again", requests in flight are
finished; then the tree stops, children before parents.
"""

import os
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import trio
from attrs import frozen

from supervisors import Supervisor, Tree, open_supervisor
from tinkex_actors.crash_log import CrashLog
from tinkex_actors.local.audit import AuditLog
from tinkex_actors.local.bases import Bases
from tinkex_actors.local.caretaker import Caretaker
from tinkex_actors.local.checkpoints import CheckpointStore
from tinkex_actors.local.futures import Futures
from tinkex_actors.local.http.app import make_app
from tinkex_actors.local.http.faulty import Faulty
from tinkex_actors.local.http.listener import Listener
from tinkex_actors.local.keys import Keys
from tinkex_actors.local.options import ServerOptions
from tinkex_actors.local.registry import Registry
from tinkex_actors.local.service import Service
from tinkex_actors.local.staff import Staff
from tinkex_actors.local.weights import SnapshotStore
from tinkex_actors.local.workshop import Workshop
from tinkex_actors.log import get_log
from tinkex_actors.types.ids import ModelId

_BACKLOG = 1024
"""Connections that may wait to be taken; the socket listens from the beginning, so none is refused meanwhile."""
_GRACE = 10.0
"""Seconds that requests in flight have to finish when the server stops."""


@frozen(eq=False)
class LocalServer:
    """A server that runs."""

    url: str
    """What clients take as their base URL."""
    service: Service
    root: Supervisor

    @property
    def audit(self) -> AuditLog:
        """What was carried out, in order; `AuditLog.count` and `AuditLog.executed` say how often."""
        return self.service.shop.audit

    def tree(self) -> Tree:
        """The supervision tree as it is now; ``str`` of it is a drawing."""
        return self.root.tree()

    def weights_digest(self, model_id: ModelId) -> str | None:
        """Name a model's weights by their bits: equal when every bit is. None for a model that is gone."""
        run = self.service.runs.living.get(model_id)
        return None if run is None else run.digest()


@asynccontextmanager
async def open_server(options: ServerOptions | None = None) -> AsyncGenerator[LocalServer]:
    """Run a server until the block is left; then it stops in order.

    Raises:
        ModelLoadError: A model directory cannot be used.
        OSError: The data folder cannot be written, or the address cannot be bound.
    """
    options = options or ServerOptions()
    failure: BaseException | None = None
    async with open_service(options) as (service, root):
        app = Faulty(make_app(service, Keys.of(options.api_keys)), options.faults)
        listener, stopping = Listener(app, _bind(options.host, options.port), _GRACE), trio.Event()
        url = _url_of(listener.socket)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.serve, stopping)
            try:
                yield LocalServer(url, service, root)
            except BaseException as error:  # noqa: BLE001 - raised again below, without the nursery's group
                failure = error
            service.close()
            stopping.set()
    if failure is not None:
        raise failure


@asynccontextmanager
async def open_service(
    options: ServerOptions, *, now: Callable[[], datetime] | None = None
) -> AsyncGenerator[tuple[Service, Supervisor]]:
    """Open everything but the listener.

    Args:
        options: How the server is to be.
        now: The date; the machine's if not given.
    """
    async with AsyncExitStack() as stack:
        folder = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tinkex-")))
        bases = await trio.to_thread.run_sync(Bases.load, options.models)
        registry = await trio.to_thread.run_sync(_open_registry, options, folder)
        stack.callback(registry.close)
        shop = await trio.to_thread.run_sync(_open_workshop, options, folder, registry, now or _utc_now)
        stack.callback(shop.audit.close)
        root = await stack.enter_async_context(
            open_supervisor("local", observers=[CrashLog(log=get_log("tinkex_actors.local"))])
        )
        service = Service.open(
            shop,
            registry,
            bases,
            await Staff.hire(root, shop),
            seed=options.seed,
            flags=options.flags,
            dynamic_flags=options.dynamic_flags,
        )
        service.logs_requests = options.logs_requests
        await root.start_child(lambda: Caretaker(service), name="caretaker")
        yield service, root


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _open_registry(options: ServerOptions, folder: Path) -> Registry:
    folder.mkdir(parents=True, exist_ok=True)
    return Registry.open(None if options.data is None else folder / "registry.sqlite3")


def _open_workshop(options: ServerOptions, folder: Path, registry: Registry, now: Callable[[], datetime]) -> Workshop:
    is_kept = options.data is not None
    return Workshop(
        futures=Futures(options.limits.kept_results_bytes, log=registry if is_kept else None),
        store=CheckpointStore.open(folder),
        snapshots=_open_snapshots(folder, registry),
        audit=AuditLog.open(folder / "audit.jsonl" if is_kept else None),
        limits=options.limits,
        now=now,
        notes_weights=options.notes_weights,
    )


def _open_snapshots(folder: Path, registry: Registry) -> SnapshotStore:
    """Open the snapshots that living sessions may still sample from, and remove the others."""
    alive = {session.session_id for session in registry.sessions(now=0.0) if session.ended is None}
    snapshots = SnapshotStore.open(folder / "snapshots")
    snapshots.keep_only(frozenset(one.file for one in registry.samplers() if one.file and one.session_id in alive))
    return snapshots


def _bind(host: str, port: int) -> socket.socket:
    """Take the address, or say which one could not be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as fault:
        raise OSError(fault.errno, f"cannot listen on {host}:{port}: {os.strerror(fault.errno or 0)}") from fault


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
