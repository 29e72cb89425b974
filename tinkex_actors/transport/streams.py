"""Answers that are read while they arrive: tokens as they are drawn, and files.

Nothing here is sent again: whoever reads knows how far it came, and asks for the rest if that can be asked for. A link
that a server has signed is fetched without a header of ours, and so is wherever it points to.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress

import httpx
import trio
from attrs import frozen

from tinkex_actors.transport.seam import Answer, Route
from tinkex_actors.types.errors import APIConnectionError, APITimeoutError

_MOST_REDIRECTS = 5
_LARGEST_REFUSAL = 65_536
_BUFFERED_PIECES = 64


@frozen(eq=False)
class StreamedAnswer:
    """An answer whose content is still on its way: ``async for block in answer``, once."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    _operation: str
    _response: httpx.Response
    _blocks: AsyncIterator[bytes]

    @property
    def is_success(self) -> bool:
        """Whether the status is one of the 2xx."""
        return Answer(status=self.status).is_success

    def __aiter__(self) -> "StreamedAnswer":
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece of the content.

        Raises:
            APITimeoutError: The server has been silent for too long.
            APIConnectionError: The connection was lost before the end.
        """
        try:
            return await anext(self._blocks)
        except httpx.RequestError as fault:
            raise connection_error(self._operation, fault) from fault

    async def read_refusal(self) -> Answer:
        """Read what the server says instead of the content, up to a bound.

        Raises:
            APIConnectionError: The connection was lost.
        """
        content = b""
        async for block in self:
            content += block
            if len(content) > _LARGEST_REFUSAL:
                break
        return Answer(status=self.status, headers=self.headers, content=content[:_LARGEST_REFUSAL])

    async def aclose(self) -> None:
        """Give up what has not come; may be called twice."""
        try:
            await end_iterator(self._blocks)
        finally:
            await self._response.aclose()


async def end_iterator(blocks: AsyncIterator[bytes]) -> None:
    """Have every generator that *blocks* is made of end where it waits.

    Closing the outermost leaves those below it to the garbage collector, which trio reports as a leak. A read that is
    cancelled ends them all, from the innermost outwards; what was read already comes first, a few pieces at most.
    """
    with trio.CancelScope() as scope, suppress(StopAsyncIteration, httpx.RequestError, httpx.StreamError):
        scope.cancel()
        for _ in range(_BUFFERED_PIECES):
            await anext(blocks)


def begin_reading(response: httpx.Response, route: Route) -> StreamedAnswer:
    """Read the bytes of *response* as they are: what is streamed was asked for without compression."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    stream = response.stream
    blocks = aiter(stream) if isinstance(stream, httpx.AsyncByteStream) else response.aiter_raw()
    return StreamedAnswer(response.status_code, headers, route.name, response, blocks)


def connection_error(operation: str, fault: httpx.RequestError) -> APIConnectionError:
    """Make the exception for a fault of the connection; of httpx's own words none is passed on, a link may be signed."""
    kind = APITimeoutError if isinstance(fault, httpx.TimeoutException) else APIConnectionError
    return kind(f"{operation}: the connection was lost ({type(fault).__name__})", operation=operation)


@asynccontextmanager
async def open_answer(
    client: httpx.AsyncClient, request: httpx.Request, route: Route
) -> AsyncGenerator[StreamedAnswer, None]:
    """Send *request* and read its answer within the block; leaving it early gives the rest up.

    Raises:
        APIConnectionError: No answer.
    """
    try:
        response = await client.send(request, stream=True)
    except httpx.RequestError as fault:
        raise connection_error(route.name, fault) from fault
    async with aclosing(begin_reading(response, route)) as answer:
        yield answer


@asynccontextmanager
async def open_link(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], silence: httpx.Timeout, route: Route
) -> AsyncGenerator[StreamedAnswer, None]:
    """Fetch *url*, and where it points to, with nothing but *headers*.

    Raises:
        ValueError: It is no address.
        APIConnectionError: No answer, or redirected too often, or from TLS to an address without.
    """
    for _ in range(_MOST_REDIRECTS):
        # Made without the client, so that none of its headers goes along.
        request = httpx.Request(
            "GET",
            _address(url),
            headers={"Accept": "*/*", "Accept-Encoding": "identity", **headers},
            extensions={"timeout": silence.as_dict()},
        )
        async with open_answer(client, request, route) as answer:
            location = answer.headers.get("location")
            if not (location and 300 <= answer.status < 400):  # noqa: PLR2004 - the redirects
                yield answer
                return
        url = _next_address(request.url, location, route)
    raise APIConnectionError(f"{route.name}: redirected more than {_MOST_REDIRECTS} times", operation=route.name)


def _address(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as fault:
        raise ValueError("the link must be an http:// or https:// address, got none") from fault
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("the link must be an http:// or https:// address, got none")
    return parsed


def _next_address(url: httpx.URL, location: str, route: Route) -> str:
    """Say where a redirect points to.

    Raises:
        APIConnectionError: To no address, or from TLS to one without.
    """
    try:
        target = url.join(location)
    except httpx.InvalidURL:
        target = httpx.URL()
    if target.scheme not in {"https", url.scheme} or not target.host:
        raise APIConnectionError(f"{route.name}: redirected to no address, or to one without TLS", operation=route.name)
    return str(target)
