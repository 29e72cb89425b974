"""``tinkex session export-trace``, against a server that builds traces: the embedded one records none."""

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.tinkex_actors.cli.inside import Stage, tinkex

TRACE = b"perfetto" * 1000


class _Tracer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Say where the trace is, or send it."""
        link = f"http://{self.headers['Host']}/trace?signature=secret"
        body = TRACE if self.path.startswith("/trace?") else json.dumps({"status": "ready", "url": link}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def url() -> Generator[str]:
    """A server that builds traces at once."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Tracer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _export(url: str, *arguments: object) -> dict[str, object]:
    told = tinkex("session", "export-trace", "s-1", "--base-url", url, "--api-key", "tml-x", "--json", *arguments)
    assert told.status == 0, told.err
    document: dict[str, object] = told.document
    return document


def test_a_trace_is_fetched_into_a_file(url: str, tmp_path: Path) -> None:
    """Whole, and told with its size."""
    target = tmp_path / "t.pftrace"

    document = _export(url, "-o", target)

    assert target.read_bytes() == TRACE
    assert document == {"session_id": "s-1", "destination": str(target), "file_size_bytes": len(TRACE)}


def test_the_link_alone_is_printed_on_demand(url: str) -> None:
    """For whoever fetches it elsewhere."""
    assert str(_export(url, "--url-only")["url"]).endswith("/trace?signature=secret")


def test_a_server_without_traces_is_said(stage: Stage) -> None:
    """In its own words."""
    told = stage.tinkex("session", "export-trace", stage.run_id.partition(":")[0])

    assert told.status == 1
    assert "this server records no traces" in told.err
