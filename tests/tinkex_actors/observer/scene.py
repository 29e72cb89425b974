"""A tree, a watch over it, and the page of both, over real sockets."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio
from attrs import frozen

from supervisors import Actor, Name, Ref, Supervisor, open_supervisor
from tinkex_actors.metrics import Metrics
from tinkex_actors.observer import ObserverSettings, OpenedObserver, Watch, open_observer

SECRET = "tml-very-secret-key"  # noqa: S105 - a test's


class Worker(Actor):
    """Works, and crashes when told to."""

    async def work(self) -> None:
        """Do nothing, quickly."""

    async def crash(self) -> None:
        """Fail with a secret in the words."""
        raise RuntimeError(f"refused the key {SECRET}")


WORKER = Name("worker", Worker)


@frozen
class Scene:
    """A watched tree."""

    root: Supervisor
    worker: Ref[Worker]
    watch: Watch
    page: OpenedObserver
    http: httpx.AsyncClient

    async def get(self, path: str, /, **query: Any) -> Any:
        """Ask, and require an answer."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def order(self, path: str, action: str) -> httpx.Response:
        """Give an order."""
        return await self.http.post("/api/control", json={"path": path, "action": action})

    async def node(self, path: str, **query: Any) -> dict[str, Any]:
        """Find what the page shows of *path*."""
        found: list[dict[str, Any]] = (await self.get("/api/state", **query))["trees"]
        for node in found:
            if node["path"] == path:
                return node
            found.extend(node.get("children", []))
        raise AssertionError(path)


@asynccontextmanager
async def open_scene(
    settings: ObserverSettings | None = None, headers: Mapping[str, str] | None = None
) -> AsyncGenerator[Scene]:
    """Open it all."""
    watch, metrics = Watch(), Metrics()
    told = settings or ObserverSettings()
    async with open_supervisor("root", max_restarts=10, observers=[watch]) as root:
        worker = await root.start_child(Worker, name=WORKER)
        watch.add(root, metrics=metrics)
        metrics.record_histogram("tinkex_request_duration_seconds", 0.25, operation="sample")
        async with open_observer(watch, told) as page:
            shown = {"authorization": f"Bearer {page.token or 'nothing'}"} if headers is None else headers
            async with httpx.AsyncClient(base_url=page.base_url, headers=shown, trust_env=False) as http:
                yield Scene(root, worker, watch, page, http)


class Lines:
    """The page's stream, line by line. Not httpx: its nested generators cannot be left in the middle."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._rest = b""

    async def next(self) -> str:
        """Wait for a line."""
        while b"\n" not in self._rest:
            piece = await self._stream.receive_some()
            assert piece, "the line was closed"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    async def wait_for(self, words: str) -> str:
        """Wait for a line with *words* in it."""
        while words not in (line := await self.next()):
            pass
        return line


@asynccontextmanager
async def open_lines(scene: Scene) -> AsyncGenerator[Lines]:
    """Open the page's stream."""
    host, port = scene.page.base_url.removeprefix("http://").split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(f"GET /api/stream HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        yield Lines(stream)
