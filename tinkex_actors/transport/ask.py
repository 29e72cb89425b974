"""From typed requests to bytes, over the seam, and back to typed answers."""

from collections.abc import Mapping
from secrets import token_hex
from typing import TypeVar

import trio
from attrs import evolve

from tinkex_actors.transport.coding import compress_zstd
from tinkex_actors.transport.endpoints import Endpoint, Question
from tinkex_actors.transport.refusal import is_unknown_route, status_error
from tinkex_actors.transport.seam import NOTHING, Answer, Body, Content, Sending, Transport
from tinkex_actors.transport.standing import Standing
from tinkex_actors.types.errors import NotSupportedByServer, TinkerError
from tinkex_actors.wire.json_codec import decode_answer

Q = TypeVar("Q")
R = TypeVar("R")

_LARGE = 1_000_000
"""Estimated bytes from which encoding is left to a worker thread, so that the loop goes on."""


def send(  # noqa: PLR0913 - each is one part of a request
    transport: Transport,
    endpoint: Endpoint[Q],
    request: Q,
    *,
    key: str = "",
    weight_bytes: int = 0,
    headers: Mapping[str, str] | None = None,
    path_values: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    standing: Standing | None = None,
) -> Sending:
    """Encode *request*, send it, and return the answer whatever its status. To be awaited at once.

    Args:
        transport: Where to send it.
        endpoint: The row.
        request: What the row takes.
        key: Makes repeats of this request recognisable; by default a new one.
        weight_bytes: The estimate that budgets count.
        headers: Of this request alone.
        path_values: What fills the ``{names}`` in the row's path.
        query: What follows the path.
        standing: Where the layers write what holds it up.

    Raises:
        RequestInvalid: The request cannot be written; nothing was sent.
        APIConnectionError: No answer.
    """
    is_large = weight_bytes >= _LARGE
    body = Body(
        content=b"" if is_large else _encode(endpoint, request),
        weight_bytes=weight_bytes,
        idempotency_key=key or f"tinkex-{token_hex(16)}",
        headers=headers or NOTHING,
        path_values=path_values or NOTHING,
        query=query or NOTHING,
        standing=standing or Standing(),
    )
    return _send_large(transport, endpoint, request, body) if is_large else transport.send(endpoint, body)


async def _send_large(transport: Transport, endpoint: Endpoint[Q], request: Q, body: Body) -> Answer:
    content = await trio.to_thread.run_sync(_encode, endpoint, request)
    return await transport.send(endpoint, evolve(body, content=content))


def _encode(endpoint: Endpoint[Q], request: Q) -> Content:
    content = endpoint.encode(request)
    if endpoint.content_encoding != "zstd":
        return content
    return compress_zstd(content if isinstance(content, bytes) else content.join())


async def tell(
    transport: Transport,
    endpoint: Endpoint[Q],
    request: Q,
    *,
    key: str = "",
    path_values: Mapping[str, str] | None = None,
) -> None:
    """Send *request* and require a success, whatever it says.

    Raises:
        NotSupportedByServer: The server has no such endpoint, and the row says what that endpoint is for.
        APIStatusError: The server said no.
        APIConnectionError: No answer.
    """
    answer = await send(transport, endpoint, request, key=key, path_values=path_values)
    if not answer.is_success:
        raise _refusal(endpoint, answer)


async def ask(
    transport: Transport,
    endpoint: Question[Q, R],
    request: Q,
    *,
    key: str = "",
    weight_bytes: int = 0,
    path_values: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    standing: Standing | None = None,
) -> R:
    """Send *request* and return what the server says.

    Raises:
        NotSupportedByServer: It has no such endpoint, and the row says what that endpoint is for.
        APIStatusError: It says no.
        ResponseInvalid: It says something else than the protocol has.
        APIConnectionError: It says nothing.
    """
    answer = await send(
        transport,
        endpoint,
        request,
        key=key,
        weight_bytes=weight_bytes,
        path_values=path_values,
        headers=headers,
        standing=standing,
    )
    if not answer.is_success:
        raise _refusal(endpoint, answer)
    return decode_answer(endpoint.answer, answer.content, operation=endpoint.name)


def _refusal(endpoint: Endpoint[Q], answer: Answer) -> TinkerError:
    refused = status_error(endpoint, answer)
    if not endpoint.feature or not is_unknown_route(answer):
        return refused
    missing = NotSupportedByServer(endpoint.feature)
    missing.__cause__ = refused
    return missing
