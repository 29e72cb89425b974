"""A stage for the pool: a server on a real socket that says exactly the bytes a test wants."""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
import trio.testing
from attrs import define, field, frozen

from tinkex_actors.transport.lean.dialing import Origin
from tinkex_actors.transport.lean.lane import Lane
from tinkex_actors.transport.lean.limits import Limits, Timeouts
from tinkex_actors.transport.lean.pool import Pool, open_pool
from tinkex_actors.transport.lean.request import LeanRequest, render_head

Actor = Callable[["Guest"], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENT = Timeouts(connect=5, read=5, write=5, pool=5)


def get(path: str = "/", *, is_repeatable: bool = True) -> LeanRequest:
    """A request without content."""
    head = render_head(b"GET", path.encode(), [(b"Host", b"stage")])
    return LeanRequest(head=head, is_repeatable=is_repeatable)


def post(*body: bytes, is_repeatable: bool = False) -> LeanRequest:
    """A request with content."""
    length = str(sum(map(len, body))).encode()
    head = render_head(b"POST", b"/", [(b"Host", b"stage"), (b"Content-Length", length)])
    return LeanRequest(head=head, body=body, is_repeatable=is_repeatable)


@define(eq=False)
class Guest:
    """One connection, seen from the server."""

    stream: trio.abc.Stream
    number: int
    """How many came before."""
    raw: bytearray = field(factory=bytearray)
    """What was read and not yet used."""

    async def hear(self) -> bytes:
        """Read one request, its content included; nothing if the client is gone."""
        while b"\r\n\r\n" not in self.raw:
            if not await self.more():
                return b""
        head, _, _ = bytes(self.raw).partition(b"\r\n\r\n")
        size = len(head) + 4 + _length(head)
        while len(self.raw) < size:
            if not await self.more():
                return b""
        request = bytes(self.raw[:size])
        del self.raw[:size]
        return request

    async def more(self) -> bool:
        """Read more; say whether there was any."""
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            return False
        self.raw += data
        return bool(data)

    async def say(self, *pieces: bytes) -> None:
        """Send *pieces*, each only when the client has digested the one before."""
        for piece in pieces:
            await self.stream.send_all(piece)
            await trio.testing.wait_all_tasks_blocked()

    async def answer(self, response: bytes = OK) -> bool:
        """Read a request and answer it; say whether there was one."""
        if not await self.hear():
            return False
        await self.stream.send_all(response)
        return True


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@frozen
class Fetched:
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@define(eq=False)
class Stage:
    """A server, and a pool that talks to it."""

    pool: Pool
    origin: Origin
    guests: list[Guest] = field(factory=list[Guest])

    @property
    def lane(self) -> Lane:
        """The lane that tests use."""
        return self.pool.lane(self.origin, "test")

    @property
    def url(self) -> str:
        """The server's address."""
        return f"{self.origin.scheme}://{self.origin.host}:{self.origin.port}"

    async def fetch(
        self, request: LeanRequest | None = None, timeouts: Timeouts = PATIENT, *, lane: Lane | None = None
    ) -> Fetched:
        """One exchange, on the tests' lane or another."""
        lane = lane or self.lane
        connection = await self.pool.begin(lane, request or get(), timeouts, is_whole=True)
        reader = connection.reader
        fetched = Fetched(reader.status, reader.headers, reader.take())
        lane.put(connection)
        return fetched


@asynccontextmanager
async def open_stage(
    act: Actor,
    *,
    limits: Limits | None = None,
    server_tls: ssl.SSLContext | None = None,
    client_tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncGenerator[Stage, None]:
    """Open a server that calls *act* for each connection, and a pool."""
    guests: list[Guest] = []

    async def receive(stream: trio.SocketStream) -> None:
        whole: trio.abc.Stream = trio.SSLStream(stream, server_tls, server_side=True) if server_tls else stream
        guest = Guest(whole, len(guests))
        guests.append(guest)
        try:
            await act(guest)
        except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
            pass  # the client's going away is often the point of the test
        finally:
            await trio.aclose_forcefully(whole)

    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(
            partial(trio.serve_tcp, receive, 0, host="127.0.0.1")
        )
        port: int = listeners[0].socket.getsockname()[1]
        origin = Origin("https" if server_tls else "http", host, port)
        context = client_tls or ssl.create_default_context()
        async with open_pool(limits={"test": limits or Limits()}, context=lambda: context) as pool:
            yield Stage(pool, origin, guests)
        nursery.cancel_scope.cancel()


async def serve_ok(guest: Guest) -> None:
    """Answer whatever comes, as long as it comes."""
    while await guest.answer():
        pass


async def serve_nothing(_: Guest) -> None:
    """Take the connection and be silent."""
    await trio.sleep_forever()


def count_files() -> int:
    """How many file descriptors this process has open."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0
