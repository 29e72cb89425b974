"""A Tinker server of the standard library, in a thread: real sockets, and nothing of it runs in the loop under test."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Semaphore, Thread
from time import perf_counter

from attrs import define, evolve, field

from tinkex_actors.settings import Figures, Settings


@define(eq=False)
class RealServer:
    """Opens sessions and counts heartbeats."""

    url: str = ""
    beats: list[str] = field(factory=list[str])
    """The session each beat was for."""
    ended: set[str] = field(factory=set[str])
    """Sessions whose beats are answered with 410."""
    refusal: int = 0
    """The status of every beat, if not success."""
    proxied: list[str] = field(factory=list[str])
    """Whole addresses that were asked of it, as of a proxy."""
    opened: int = 0
    arrivals: list[float] = field(factory=list[float])
    """When each came, in seconds."""
    seen: Semaphore = field(factory=lambda: Semaphore(0))

    def answer(self, path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        if not path.startswith("/"):
            self.proxied.append(path)
        match path.partition("/api/v1/")[2]:
            case "create_session":
                self.opened += 1
                return 200, {"session_id": f"S{self.opened}"}
            case "session_heartbeat":
                self.arrivals.append(perf_counter())
                self.beats.append(body["session_id"])
                self.seen.release()
                return (410 if body["session_id"] in self.ended else self.refusal or 200), {}
            case "client/config":
                return 200, {}
            case _:
                return 404, {"detail": "Not Found"}

    def block_until_beats(self, count: int) -> None:
        """Block the calling thread until the server has seen *count* more heartbeats."""
        for _ in range(count):
            assert self.seen.acquire(timeout=20), "no heartbeat in 20 s"

    def compute_until_beats(self, count: int) -> None:
        """The same, in pure Python."""
        until = len(self.beats) + count
        while len(self.beats) < until:
            sum(range(1000))

    def settings(self, figures: Figures | None = None) -> Settings:
        """Settings for this server with a short interval."""
        short = evolve(figures or Figures(), heartbeat_interval=0.05)
        return evolve(Settings.local(self.url), figures=short, telemetry=False)


@contextmanager
def real_server() -> Generator[RealServer]:
    """Serve on a free port; the thread ends with the block."""
    server = RealServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not body:  # the client was cancelled in the middle
                return
            status, said = server.answer(self.path, json.loads(body))
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server.url = f"http://127.0.0.1:{listener.server_port}"
        thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
