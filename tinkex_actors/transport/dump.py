"""Logs each request and answer, for whoever has to see what is on the wire; secrets are masked.

Headers are shown whose name and value look like no secret. Of a body so many bytes are shown as the settings say; the
bodies of a token's exchange never are, since they hold one.
"""

import trio

from tinkex_actors.log import get_log
from tinkex_actors.redaction import redact_headers
from tinkex_actors.settings import Settings
from tinkex_actors.transport.endpoints import AUTH_TOKEN
from tinkex_actors.transport.seam import Answer, Body, Content, Route, Transport
from tinkex_actors.types.errors import APIConnectionError

_log = get_log()


class Dumping:
    """Shows what passes."""

    def __init__(self, below: Transport, settings: Settings) -> None:
        """Wrap *below*."""
        self._below = below
        self._settings = settings

    async def send(self, route: Route, body: Body, /) -> Answer:
        """Send, and log both ways."""
        settings = self._settings
        headers = {**settings.access_headers, **settings.default_headers, **body.headers}
        _log.debug(
            f"> {route.method} {route.path}",
            operation=route.name,
            headers=redact_headers(headers),
            attempt=body.attempt,
            idempotency_key=body.idempotency_key,
            content_bytes=_size(body.content),
            content=self._excerpt(route, body.content),
        )
        began = trio.current_time()
        try:
            answer = await self._below.send(route, body)
        except APIConnectionError as lost:
            seconds = round(trio.current_time() - began, 4)
            _log.debug(f"< no answer {route.path}", operation=route.name, seconds=seconds, error=str(lost))
            raise
        _log.debug(
            f"< {answer.status} {route.path}",
            operation=route.name,
            headers=redact_headers(answer.headers),
            seconds=round(trio.current_time() - began, 4),
            content_bytes=len(answer.content),
            content=self._excerpt(route, answer.content),
        )
        return answer

    def _excerpt(self, route: Route, content: Content) -> str:
        shown = 0 if route.path == AUTH_TOKEN.path else self._settings.dump_bytes
        whole = content if isinstance(content, bytes) else content.join() if shown else b""
        return whole[:shown].decode("utf-8", errors="backslashreplace")


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.size_bytes
