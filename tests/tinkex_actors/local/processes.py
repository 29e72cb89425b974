"""A server in a process of its own, and a client that reaches it over a socket."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import httpx
import trio
from attrs import define, field

from tests.tinkex_actors.local.site import KEY, Client, Reply
from tinkex_actors.local import TINY

_PROGRAM = """
import sys, trio
from pathlib import Path
from tinkex_actors.local import ServerOptions, serve
data = Path(sys.argv[1]) if sys.argv[1] else None
trio.run(serve, ServerOptions(data=data), lambda url: print(url, flush=True))
"""


@define
class Remote(Client):
    """A client over HTTP."""

    http: httpx.AsyncClient
    process: trio.Process
    base_model: str = TINY
    key: str = field(default=KEY)

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Send one request."""
        given = {"x-api-key": self.key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        answer = await self.http.request(method, f"/api/v1/{path}", content=body, headers=given)
        return Reply(answer.status_code, dict(answer.headers), answer.content)


@asynccontextmanager
async def open_process(data: Path | None = None) -> AsyncGenerator[Remote]:
    """Start a server process and wait until it is ready; it is killed at the end if it still runs."""
    command = [sys.executable, "-c", _PROGRAM, str(data or "")]
    process = await trio.lowlevel.open_process(command, stdout=PIPE)
    try:
        url = await _read_line(process)
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            yield Remote(http, process)
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()


async def _read_line(process: trio.Process) -> str:
    line = b""
    assert process.stdout is not None
    with trio.fail_after(180):
        while not line.endswith(b"\n"):
            part = await process.stdout.receive_some(1000)
            assert part, "the server ended before it was ready"
            line += part
    return line.decode().strip()
