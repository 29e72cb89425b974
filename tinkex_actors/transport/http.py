"""Requests over httpx on trio: over a client or a transport of a user's, through a proxy, or what is not hot.

What is plugged in below httpx (our pool, a user's transport, a mock) is an argument. No message made here contains a
header: one of them is the key.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import cast
from urllib.parse import quote

import httpx

from tinkex_actors.settings import Settings
from tinkex_actors.transport.coding import ACCEPTED, MAX_DECODED_BYTES, decode_content
from tinkex_actors.transport.deprecation import DeprecationNotes
from tinkex_actors.transport.headers import attempt_headers, client_headers, route_headers
from tinkex_actors.transport.lean.reader import fields_by_name
from tinkex_actors.transport.lean.transport import LANE
from tinkex_actors.transport.no_answer import no_answer
from tinkex_actors.transport.seam import Answer, Body, Content, Lane, Route
from tinkex_actors.transport.streams import StreamedAnswer, begin_reading, end_iterator, open_link

_MAX_URLS = 1000


class _OneChunk(httpx.ByteStream):
    """A request's body in one piece.

    httpx's own iterator is an async generator, and one that is abandoned in the middle, as cancelling a request does, is
    reported by trio as a leak.
    """

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces(list(self))


class _Pieces:
    """Goes through what is there."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> "_Pieces":
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop(0)


class HttpTransport:
    """Sends one request and reads its whole answer; never sends again.

    A redirect is an answer like any other: following it would carry the key to whoever the server names. A row that says
    ``follows_redirect`` has its answer fetched from there by a request that carries nothing of ours.
    """

    def __init__(
        self, client: httpx.AsyncClient, settings: Settings, address: Callable[[], str], notes: DeprecationNotes
    ) -> None:
        """Send through *client*, which the caller closes, to wherever *address* says at that moment."""
        self._client = client
        self._settings = settings
        self._address = address
        self._notes = notes
        self._headers = client_headers(settings)
        self._fixed: dict[tuple[object, ...], httpx.Headers] = {}
        self._urls: dict[str, httpx.URL] = {}

    async def send(self, route: Route, body: Body, /) -> Answer:
        """Send *body* and read the answer."""
        answer = await self._send(route, body)
        self._notes.pass_on(route, answer)
        return answer

    async def _send(self, route: Route, body: Body) -> Answer:
        try:
            request = self._request(route, body)
            response = await self._client.send(request, stream=True)
            if route.follows_redirect and response.has_redirect_location:
                await response.aclose()
                response = await self._client.send(_bare_request(request, response), stream=True)
            if route.is_streamed and response.is_success:
                reading = begin_reading(response, route)
                return Answer(status=reading.status, headers=reading.headers, stream=reading)
            return await _read(response)
        except httpx.RequestError as fault:
            if isinstance(fault, httpx.ProxyError) and str(fault).startswith("407"):
                return Answer(status=407)  # of a tunnel; a proxy without one says it in an answer anyway
            raise no_answer(route, self._address(), fault) from fault

    def open_link(
        self, route: Route, url: str, headers: Mapping[str, str], /
    ) -> AbstractAsyncContextManager[StreamedAnswer]:
        """Fetch *url* with nothing but *headers*, and read the answer within the block while it arrives.

        Raises:
            ValueError: It is no address.
            APIConnectionError: No answer.
        """
        figures = self._settings.figures
        timeout = httpx.Timeout(getattr(figures, route.timeout), connect=figures.connect_timeout)
        return open_link(self._client, url, headers, timeout, route)

    def _request(self, route: Route, body: Body) -> httpx.Request:
        figures = self._settings.figures
        silence: float = getattr(figures, route.timeout)
        headers = httpx.Headers(self._fixed_headers(route, silence))
        try:
            headers.update(attempt_headers(route, body))
        except UnicodeEncodeError:
            raise httpx.LocalProtocolError("a header of the request holds characters that cannot be sent") from None
        content = b"" if route.method == "GET" else _joined(body.content)
        request = self._client.build_request(
            route.method,
            self._url(self._address() + _fill(route.path, body.path_values)),
            params={**self._settings.default_query, **body.query} or None,
            content=None if route.method == "GET" else content,
            headers=headers,
            timeout=httpx.Timeout(silence, connect=min(figures.connect_timeout, silence)),
            # A stream holds its connection as long as a wait for a result does: submitting must not wait for it.
            extensions={LANE: (Lane.RETRIEVE if route.is_streamed else route.lane).value},
        )
        if route.method != "GET":
            request.stream = _OneChunk(content)
        return request

    def _fixed_headers(self, route: Route, silence: float) -> httpx.Headers:
        """What is the same for every request to *route*: put together once, since httpx takes its time over it."""
        key = (route.method, route.accept, route.content_type, route.content_encoding, route.headers, silence)
        headers = self._fixed.get(key)
        if headers is None:
            headers = self._fixed[key] = httpx.Headers(self._headers)
            headers.update({"Accept-Encoding": "identity" if route.is_streamed else ACCEPTED})
            headers.update(route_headers(route, silence))
        return headers

    def _url(self, text: str) -> httpx.URL:
        """Parse an address, or remember it: most are the same."""
        url = self._urls.get(text)
        if url is None:
            if len(self._urls) >= _MAX_URLS:
                self._urls.clear()
            url = self._urls[text] = httpx.URL(text)
        return url


async def _read(response: httpx.Response) -> Answer:
    """Read the answer as it came, and decode it here: a client would, without a limit."""
    headers = fields_by_name(response.headers.raw)
    # Mocks hand over what is read and decoded already.
    is_read = response.is_stream_consumed
    content = response.content if is_read else decode_content(headers, await _read_raw(response))
    return Answer(status=response.status_code, headers=headers, content=content)


async def _read_raw(response: httpx.Response) -> bytes:
    content = bytearray()
    # The stream below the response is read, not the response: the latter wraps every piece three times. Its iterator is a
    # generator, which a cancelled reader must not leave half-way.
    pieces = aiter(cast("httpx.AsyncByteStream", response.stream))
    try:
        async for piece in pieces:
            content += piece
            if len(content) > MAX_DECODED_BYTES:
                await end_iterator(pieces)
                raise httpx.DecodingError(f"the answer has more than {MAX_DECODED_BYTES} bytes")
    finally:
        await response.aclose()
    return bytes(content)


def _bare_request(request: httpx.Request, redirect: httpx.Response) -> httpx.Request:
    """Ask for what *redirect* points to; made without the client, so that none of its headers goes along.

    Raises:
        UnsupportedProtocol: It points to no address, or from TLS to none.
    """
    # httpx has read the location before and refused what cannot be parsed.
    url = request.url.join(redirect.headers["location"])
    if url.scheme not in {"https", request.url.scheme} or not url.host:
        raise httpx.UnsupportedProtocol("redirected to what is no address, or to one without TLS", request=request)
    return httpx.Request("GET", url, headers={"Accept": "*/*"}, extensions={"timeout": request.extensions["timeout"]})


def _joined(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content.join()


def _fill(path: str, values: Mapping[str, str]) -> str:
    """Put identifiers into a path. ``:`` stays as it is, ``/`` is kept too: a checkpoint's id is two components."""
    return path.format_map({name: quote(value, safe=":/") for name, value in values.items()}) if values else path
