"""A scripted server on a port of its own, for clients in other processes."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import h11
import httpx
import trio

Handle = Callable[[httpx.Request], Awaitable[httpx.Response]]


@asynccontextmanager
async def open_port(handle: Handle) -> AsyncGenerator[str]:
    """Serve *handle* on a free port of this machine, and say under which address."""
    async with trio.open_nursery() as nursery:
        (listener, *_) = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), partial(_serve, handle), 0)
        port: int = listener.socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


async def _serve(handle: Handle, stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER)
    try:
        while await _exchange(handle, stream, connection):
            connection.start_next_cycle()
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
        return  # the client went away


async def _exchange(handle: Handle, stream: trio.SocketStream, connection: h11.Connection) -> bool:
    """Answer one request, and say whether another may follow."""
    head, content = None, b""
    while not isinstance(event := await _next_event(stream, connection), h11.EndOfMessage):
        match event:
            case h11.Request():
                head = event
            case h11.Data(data=data):
                content += data
            case _:
                return False
    if head is None:
        return False
    request = httpx.Request(
        head.method.decode(),
        "http://server" + head.target.decode(),
        headers=[(name.decode(), value.decode()) for name, value in head.headers],
        content=content,
        extensions={"timeout": {"read": 60.0}},
    )
    response = await handle(request)
    headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-length"]
    headers.append((b"content-length", str(len(response.content)).encode()))
    for part in (
        h11.Response(status_code=response.status_code, headers=headers),
        h11.Data(data=response.content),
        h11.EndOfMessage(),
    ):
        await stream.send_all(connection.send(part) or b"")
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


async def _next_event(stream: trio.SocketStream, connection: h11.Connection) -> h11.Event | type[h11.PAUSED]:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await stream.receive_some())
    return event  # type: ignore[return-value] # NEED_DATA is no longer possible
