"""A Hugging Face Hub of this machine: repositories, branches and commits, as far as an upload needs them."""

import base64
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from attrs import define, field


@define
class FakeHub:
    """What is on it, and who may change it."""

    url: str = ""
    token: str = "hf_atest"  # noqa: S105 - a test's
    repositories: dict[str, bool] = field(factory=dict[str, bool])
    """Name to whether it is private."""
    branches: set[tuple[str, str]] = field(factory=set[tuple[str, str]])
    files: dict[tuple[str, str], dict[str, bytes]] = field(factory=dict[tuple[str, str], dict[str, bytes]])
    """By repository and revision."""
    pull_requests: set[str] = field(factory=set[str])
    commits: list[dict[str, Any]] = field(factory=list[dict[str, Any]])

    def answer(  # noqa: C901, PLR0911 - a case for each route
        self, method: str, path: str, query: str, body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        """Serve one request."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match method, parts:
            case "GET", ["api", "whoami-v2"]:
                return _say(200, {"type": "user", "name": "me", "auth": {"type": "access_token"}})
            case "POST", ["api", "repos", "create"]:
                wanted = json.loads(body)
                name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
                self.repositories.setdefault(name, wanted.get("visibility") == "private" or bool(wanted.get("private")))
                return _say(200, {"url": f"{self.url}/{name}", "name": name})
            case "POST", ["api", "validate-yaml"]:
                return _say(200, {"errors": [], "warnings": []})
            case "POST", ["api", "models", owner, name, "branch", branch]:
                self.branches.add((f"{owner}/{name}", branch))
                return _say(200, {})
            case "POST", ["api", "models", owner, name, "preupload", _]:
                files = json.loads(body)["files"]
                told = [
                    {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None} for one in files
                ]
                return _say(200, {"files": told})
            case _, ["api", "models", owner, name, "discussions", *_]:
                return self._discuss(f"{owner}/{name}")
            case "POST", ["api", "models", owner, name, "commit", revision]:
                return self._commit(f"{owner}/{name}", revision, query, body)
            case (("GET" | "HEAD"), [owner, name, "resolve", revision, *rest]):
                content = self.files.get((f"{owner}/{name}", revision), {}).get("/".join(rest))
                if content is None:
                    return 404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
                return 200, content, {"ETag": '"e1"', "X-Repo-Commit": "c" * 40, "Content-Length": str(len(content))}
            case (("GET" | "HEAD"), ["api", "models", owner, name, *_]):
                return _say(
                    200, {"id": f"{owner}/{name}", "sha": "c" * 40, "siblings": [], "tags": [], "private": True}
                )
            case _:
                return _say(404, {"error": f"{method} {path}"})

    def _discuss(self, repo: str) -> tuple[int, bytes, dict[str, str]]:
        """There is one pull request in each repository."""
        self.pull_requests.add(repo)
        told: dict[str, Any] = {
            "title": "t", "num": 1, "createdAt": "2026-01-01T00:00:00.000Z", "status": "draft", "isPullRequest": True,
            "repo": {"name": repo, "type": "model"}, "events": [], "filesWithConflicts": [], "changes": {"base": "main"},
            "newStatus": "open", "id": "1", "type": "status-change", "data": {"status": "open"}, "author": {"name": "me"},
        }  # fmt: skip
        return _say(200, {**told, "newStatus": told})

    def _commit(self, repo: str, revision: str, query: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        kept = self.files.setdefault((repo, revision), {})
        for line in lines:
            if line["key"] == "file":
                kept[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        self.commits.append({"repo": repo, "revision": revision, "query": query, **lines[0]["value"]})
        told = {"commitUrl": f"{self.url}/{repo}/commit/1", "commitOid": "c" * 40, "hookOutput": ""}
        if "create_pr=1" in query:
            told["pullRequestUrl"] = f"{self.url}/{repo}/discussions/1"
        return _say(200, told)


def _say(status: int, document: object) -> tuple[int, bytes, dict[str, str]]:
    return status, json.dumps(document).encode(), {"Content-Type": "application/json"}


@contextmanager
def open_fake_hub() -> Generator[FakeHub]:
    """Serve a hub within the block."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            """Answer, or refuse who has no key."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, _, query = self.path.partition("?")
            status, content, headers = 401, b'{"error": "Invalid username or password."}', dict[str, str]()
            if self.headers.get("Authorization") == f"Bearer {hub.token}":
                status, content, headers = hub.answer(self.command, path, query, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_HEAD = serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
