"""Asking a running observer, for the terminal: where it is, and what it says.

HTTP by the shortest way: one request, one connection, this machine or one that the user named.
"""

import json
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import h11
import trio

from tinkex_actors.observer.server import ADDRESS_FILE, OpenedObserver, read_address

_PATIENCE = 5.0
_PIECE = 65_536
_SUCCESS = 200


class ObserverUnreachable(Exception):
    """The observer does not answer, or says no; the message says which."""


async def find_observer(folder: Path) -> OpenedObserver | None:
    """Find the observer of the process that runs in *folder*, below it, or right above; ``None`` when none answers."""
    for page in await trio.to_thread.run_sync(_written, folder):
        if page is not None and await _is_alive(page):
            return page
    return None


async def ask_state(page: OpenedObserver, *, opened: list[str] | None = None) -> dict[str, Any]:
    """Ask for everything the page shows.

    Raises:
        ObserverUnreachable: It does not answer, or refuses.
    """
    query = urlencode([("open", path) for path in opened or []])
    return cast("dict[str, Any]", json.loads(await _get(page, f"/api/state?{query}")))


def _written(folder: Path) -> list[OpenedObserver | None]:
    folder = folder.resolve()
    files = (folder / ADDRESS_FILE, *sorted(folder.glob(f"*/{ADDRESS_FILE}")), folder.parent / ADDRESS_FILE)
    return [read_address(file) for file in files]


async def _is_alive(page: OpenedObserver) -> bool:
    try:
        return await _get(page, "/healthz") == b"ok"
    except ObserverUnreachable:
        return False


async def _get(page: OpenedObserver, target: str) -> bytes:
    address = urlsplit(page.base_url)
    host, port = address.hostname or "127.0.0.1", address.port or 80
    try:
        with trio.fail_after(_PATIENCE):
            async with await trio.open_tcp_stream(host, port) as stream:
                return await _exchange(stream, address.netloc, target, page.token)
    except trio.TooSlowError as slow:
        raise ObserverUnreachable(f"{page.base_url} does not answer within {_PATIENCE:g} s") from slow
    except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError) as error:
        raise ObserverUnreachable(f"{page.base_url} does not answer: {error}") from error


async def _exchange(stream: trio.SocketStream, host: str, target: str, token: str) -> bytes:
    connection = h11.Connection(h11.CLIENT)
    headers = [("host", host), ("connection", "close")]
    headers += [("authorization", f"Bearer {token}")] if token else []
    request = connection.send(h11.Request(method="GET", target=target, headers=headers))
    await stream.send_all((request or b"") + (connection.send(h11.EndOfMessage()) or b""))
    status, body = 0, b""
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(_PIECE))
            case h11.Response(status_code=code):
                status = code
            case h11.Data(data=data):
                body += bytes(data)
            case h11.EndOfMessage():
                break
            case _:
                raise ObserverUnreachable("the observer closed the line in the middle of its answer")
    if status != _SUCCESS:
        raise ObserverUnreachable(f"the observer answered {status}: {body.decode('utf-8', 'replace')[:200]}")
    return body
