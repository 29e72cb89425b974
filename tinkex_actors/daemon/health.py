"""Whether a daemon is well, for those who start and stop processes: a little HTTP, on a UNIX socket or a local port.

``/livez`` is 200 as long as the loop turns and every journal answers; ``/readyz`` as long as no run is starting, and no
drain has begun; ``/healthz`` tells of every run, as JSON. Anything else is 404. One request a connection, and none above
4 kB is read.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus

import httptools
import trio

from supervisors import CallError
from tinkex_actors.daemon.daemon import Daemon
from tinkex_actors.daemon.errors import RunFolderError
from tinkex_actors.daemon.journal import Journal
from tinkex_actors.daemon.site import RunState

_PATIENCE = 5.0
"""Seconds that a client, and a journal, may take."""
_LONGEST = 4096
"""Bytes of one request."""

Answer = tuple[int, dict[str, object]]


async def is_alive(daemon: Daemon) -> bool:
    """Whether every journal of a run that has not ended answers in time: what a watchdog is fed for."""
    with trio.move_on_after(_PATIENCE):
        try:
            for site in daemon.runs.values():
                if site.ending is None:
                    await site.journal.call(Journal.flush)
        except (CallError, RunFolderError):
            return False
        return True
    return False


async def serve_health(
    daemon: Daemon, where: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer on *where*, ``host:port`` or a path, until cancelled.

    Raises:
        OSError: The address cannot be had.
    """
    handler = partial(_answer, daemon)
    host, colon, port = where.rpartition(":")
    if colon and port.isdigit():
        listeners = await trio.open_tcp_listeners(int(port), host=host)
        task_status.started()
        await trio.serve_listeners(handler, listeners)
    path = trio.Path(where)
    await path.unlink(missing_ok=True)  # of a daemon that was killed; the run folders' locks keep out one that lives
    with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM) as listener:
        await listener.bind(where)
        listener.listen()
        task_status.started()
        await trio.serve_listeners(handler, [trio.SocketListener(listener)])


async def _answer(daemon: Daemon, stream: trio.abc.Stream) -> None:
    with trio.move_on_after(2 * _PATIENCE):
        try:
            status, told = await _respond(daemon, await _read_question(stream))
            body = json.dumps(told).encode()
            head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
            await stream.send_all(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        except trio.BrokenResourceError:
            pass  # who asked is gone
    await stream.aclose()


class _Question:
    """What the parser tells of a request."""

    def __init__(self) -> None:
        self.target = b""
        self.is_whole = False

    def on_url(self, target: bytes) -> None:
        """A part of the target."""
        self.target += target

    def on_message_complete(self) -> None:
        """That was all of it."""
        self.is_whole = True


async def _read_question(stream: trio.abc.Stream) -> bytes | None:
    """Read one request, and return its path; None if it is none that can be answered."""
    question, size = _Question(), 0
    parser = httptools.HttpRequestParser(question)
    while not question.is_whole:
        part = await stream.receive_some(_LONGEST)
        size += len(part)
        if not part or size > _LONGEST:
            return None
        try:
            parser.feed_data(part)
        except httptools.HttpParserError:
            return None
    return question.target.partition(b"?")[0] if parser.get_method() == b"GET" else None


async def _respond(daemon: Daemon, path: bytes | None) -> Answer:
    if path is None:
        return 400, {"error": "expected GET, and no more than 4 kB"}
    question = _QUESTIONS.get(path)
    return (404, {"error": "ask /livez, /readyz or /healthz"}) if question is None else await question(daemon)


async def _live(daemon: Daemon) -> Answer:
    is_well = await is_alive(daemon)
    return (200 if is_well else 503), {"alive": is_well}


async def _ready(daemon: Daemon) -> Answer:
    is_ready = not any(
        site.wants_stop or site.progress.state in {RunState.STARTING, RunState.RECOVERING}
        for site in daemon.runs.values()
    )
    return (200 if is_ready else 503), {"ready": is_ready}


async def _health(daemon: Daemon) -> Answer:
    runs: dict[str, object] = {name: site.report() for name, site in daemon.runs.items()}
    is_well = not any(site.progress.state is RunState.FAILED for site in daemon.runs.values())
    return (200 if is_well else 503), {"runs": runs}


_QUESTIONS: dict[bytes, Callable[[Daemon], Awaitable[Answer]]] = {
    b"/livez": _live,
    b"/readyz": _ready,
    b"/healthz": _health,
}
