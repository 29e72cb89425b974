"""The page's stream of server-sent events: each part of the state when it has changed, and nothing else.

While nobody watches, nothing is looked at. While somebody does, the state is looked at when a tree has news, and once in
every interval; what is the same as before is not sent again.
"""

import time
from collections.abc import Callable
from typing import Any

import trio

from tinkex_actors.observer.http import Send
from tinkex_actors.observer.plain import encode
from tinkex_actors.observer.state import State
from tinkex_actors.observer.tree_view import Opened
from tinkex_actors.redaction import redact

_COALESCE = 0.1
"""Seconds in which further news are told together with the first."""
_SHARE_QUIET, _SHARE_BUSY = 0.005, 0.1
"""The shares of a processor that looking may take, while nothing happens and while much does: a large tree is looked at less
often, never at the expense of what it does."""
_ALIVE = 15.0
"""Seconds of silence after which a comment shows that the line is good."""
_RUNS_EVERY = 2.0
"""Seconds between two looks at the disk."""


class Stream:
    """Sends the state's parts as they change."""

    def __init__(self, state: State, opened: Opened, interval: float, count: Callable[[int], None]) -> None:
        self._state = state
        self._opened = opened
        self._interval = interval
        self._count = count
        self._sent: dict[str, bytes] = {}
        self._told: dict[str, bytes] = {}
        self._runs_told: dict[str, Any] = {"order": [], "runs": []}
        self._seen = 0
        self._since: dict[tuple[str, int, str], int] = {}
        self._runs_at = -trio.current_time() - 1e9
        self._spoke_at = 0.0

    async def run(self, send: Send) -> None:
        """Send until cancelled."""
        self._count(1)
        try:
            await self._run(send)
        finally:
            self._count(-1)

    async def _run(self, send: Send) -> None:
        while True:
            news = self._state.watch.news
            began = time.thread_time()
            await self._tell(send)
            cost = time.thread_time() - began
            with trio.move_on_after(max(self._interval, cost / _SHARE_QUIET)) as waiting:
                await news.wait()
            if not waiting.cancelled_caught:
                await trio.sleep(max(_COALESCE, cost / _SHARE_BUSY))

    async def _tell(self, send: Send) -> None:
        parts = [
            ("trees", self._steady(self._state.trees(self._opened))),
            ("requests", self._state.requests()),
            ("waits", self._state.waits()),
        ]
        if trio.current_time() - self._runs_at >= _RUNS_EVERY:
            self._runs_at = trio.current_time()
            parts.append(("runs", self._changed(redact(await self._state.runs.look()))))
        events = self._state.events(self._seen)
        if events["events"]:
            self._seen = events["events"][-1]["number"]
            parts.append(("events", events))
        await self._send(send, parts)

    def _changed(self, runs: list[dict[str, Any]]) -> dict[str, Any]:
        """Tell the runs in their order, and what they say only of those that say something new."""
        before, self._told = self._told, {run["path"]: encode(run) for run in runs}
        changed = [run for run in runs if before.get(run["path"]) != self._told[run["path"]]]
        if not changed and list(before) == list(self._told):
            return self._runs_told
        self._runs_told = {"order": list(self._told), "runs": changed}
        return self._runs_told

    async def _send(self, send: Send, parts: list[tuple[str, dict[str, Any]]]) -> None:
        piece = b""
        for name, part in parts:
            written = encode(part)
            if self._sent.get(name) != written or name == "events":
                self._sent[name] = written
                piece += b"event: %s\ndata: %s\n\n" % (name.encode(), written)
        now = trio.current_time()
        if not piece and now - self._spoke_at >= _ALIVE:
            piece = b": still here\n\n"
        if piece:
            self._spoke_at = now
            await send(piece)

    def _steady(self, part: dict[str, Any]) -> dict[str, Any]:
        """Keep when an operation began as it was first told: rounding must not look like a change."""
        told = self._since
        self._since = {}
        for node in _nodes(part["trees"]):
            if node.get("since") is not None:
                key = (node["path"], node["life"], node["operation"])
                before = told.get(key)
                if before is not None and abs(before - node["since"]) <= 1:
                    node["since"] = before
                self._since[key] = node["since"]
        return part


def _nodes(trees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = list(trees)
    for node in found:
        found.extend(node.get("children", ()))
    return found
