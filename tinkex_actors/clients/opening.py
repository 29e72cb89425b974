"""The door: a session with one server, opened with the tree that keeps it and closed when its block is left.

::

    async with open_tinker(Settings()) as tinker:
        trainer = await tinker.create_lora_training_client("Qwen/Qwen3-8B", rank=32)
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from supervisors import Observer
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.actors.tree import open_tree
from tinkex_actors.clients.checks import check_door
from tinkex_actors.clients.embedded import Place, embedded_server
from tinkex_actors.clients.tinker import TinkerClient
from tinkex_actors.clients.tokenizer import LoadTokenizer
from tinkex_actors.log import get_log
from tinkex_actors.metrics import Metrics
from tinkex_actors.settings import FEATURE_GATES, Settings
from tinkex_actors.tracing import Tracing
from tinkex_actors.transport.stack import HttpBelow, open_transport
from tinkex_actors.types import SessionId

if TYPE_CHECKING:
    from tinkex_actors.local.options import ServerOptions


@asynccontextmanager
async def open_tinker(
    settings: Settings | None = None,
    *,
    local: "bool | ServerOptions" = False,
    observers: Iterable[Observer] = (),
    below: HttpBelow | None = None,
    session_id: SessionId | None = None,
    load_tokenizer: LoadTokenizer | None = None,
    name: str = "tinker",
    tracing: Tracing | None = None,
) -> AsyncGenerator[TinkerClient, None]:
    """Open a session with a Tinker server, and the tree of actors that keeps it.

    Leaving the block stops the actors in reverse order, finishes the session and closes every connection, also when the
    surrounding scope is cancelled.

    Args:
        settings: The address, the key and the figures; ``Settings()`` if not given, which reads the environment. With
            *local* the address is the embedded server's, and no key is needed.
        local: Start the embedded server in this program, as a supervised child, and use it: ``True``, or how it is to be.
            Needs the extra ``tinkex-actors[local]``.
        observers: Are told every event of the tree: starts, crashes, restarts.
        below: What carries HTTP instead of the client's own pool: a transport of httpx's kind (a mock, a proxy), or a whole
            ``httpx.AsyncClient``, which is not closed. Heartbeats then run in this loop: a loop that is blocked for minutes
            loses its session.
        session_id: A session that another process has opened and left; by default a new one is opened.
        tracing: Follows each call through the actors to its requests, as ``tinkex_actors.tracing.otel.OpenTelemetry()`` does.
        load_tokenizer: Finds tokenizers by name before the client looks for them; ``None`` from it leaves that to the client.
        name: What every path in its tree begins with: tells several clients of one program apart, in logs and on the
            observer's page.

    Raises:
        TinkerError: The session could not be opened: no server, no valid key.
        SessionEnded: The session *session_id* is over.
        RestartLimitExceeded: An actor crashed more often than the settings allow.
        ModuleNotFoundError: *local*, and the extra is not installed.
        TypeError: *settings* or *local* are something else.
        RuntimeError: No trio program runs here.
    """
    check_door(settings)
    place, metrics = Place(), Metrics()
    options = None if isinstance(local, bool) else local
    before = None if local is False else embedded_server(place, options)
    told = settings or (Settings() if before is None else Settings.local(place.url))
    address = None if before is None else (lambda: place.url)
    # What is plugged in belongs to this loop, and so does the embedded server: the heartbeat cannot have its own.
    record = SessionRecord() if session_id is None else SessionRecord.taken_over(session_id)
    open_line = None
    if below is None and before is None:
        open_line = partial(open_transport, told, config=lambda: record.config)
    if unknown := [gate for gate in told.feature_gates if gate not in FEATURE_GATES]:
        get_log().warning("feature gates that do not exist are ignored", gates=unknown)
    async with (
        open_transport(
            told, below=below, address=address, config=lambda: record.config, metrics=metrics, tracing=tracing
        ) as transport,
        open_tree(
            told,
            transport,
            observers=observers,
            before=before,
            open_line=open_line,
            record=record,
            metrics=metrics,
            name=name,
        ) as tree,
    ):
        tree.address, tree.load_tokenizer = address, load_tokenizer
        yield TinkerClient(tree)
