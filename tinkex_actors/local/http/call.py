"""One request and one answer, without HTTP: what every endpoint is a function of."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, TypeVar

import orjson
import trio
from attrs import field, frozen

from tinkex_actors.local.keys import Owner
from tinkex_actors.local.refusals import Refusal, Unprocessable
from tinkex_actors.local.service import Service
from tinkex_actors.types.errors import RequestInvalid
from tinkex_actors.wire.futures import JSON
from tinkex_actors.wire.json_codec import decode_request, encode_json

T = TypeVar("T")


@frozen
class Call:
    """One request, its key checked and its body read."""

    owner: Owner
    body: bytes = b""
    path: Mapping[str, str] = field(factory=dict[str, str])
    """The variable parts of the path, by name."""
    query: Mapping[str, str] = field(factory=dict[str, str])
    headers: Mapping[str, str] = field(factory=dict[str, str])
    """By name in lower case."""
    base_url: str = ""
    """Where the client found the routes, with a slash at the end."""
    gone: Callable[[], Awaitable[None]] = trio.sleep_forever
    """Waits until the client has hung up."""

    async def while_there(self, wait: Callable[[], Awaitable[T]]) -> T | None:
        """Wait for something that only this client wants; None as soon as it has hung up."""
        result: T | None = None
        refusal: Refusal | None = None

        async def watch(scope: trio.CancelScope) -> None:
            """End *scope* when the client hangs up."""
            await self.gone()
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, nursery.cancel_scope)
            try:
                result = await wait()
            except Refusal as error:  # raised below, without the nursery's group
                refusal = error
            nursery.cancel_scope.cancel()
        if refusal is not None:
            raise refusal
        return result

    def decode(self, kind: type[T]) -> T:
        """Read the body as a *kind*.

        Raises:
            Unprocessable: It is no JSON, or no such thing.
        """
        try:
            return decode_request(kind, self.body)
        except RequestInvalid as error:
            raise Unprocessable(str(error)) from error

    def number(self, name: str, default: int, *, maximum: int) -> int:
        """Read a whole number >= 0 from the query; more than *maximum* is *maximum*.

        Raises:
            Unprocessable: It is no such number.
        """
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit()):
            raise Unprocessable(f"{name} must be a whole number >= 0, got {text[:40]!r}")
        return min(int(text[:20]), maximum)


@frozen
class Answer:
    """One answer; the body is complete, so that its length is known and never zero for an error."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(factory=dict[str, str])


Write: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Sends a piece of a body."""


@frozen
class Streamed:
    """An answer that is sent while it is made. What is refused before the first piece is answered as a refusal."""

    content_type: str
    produce: Callable[[Write], Awaitable[None]]


Endpoint: TypeAlias = Callable[[Service, Call], Awaitable[Answer | Streamed]]


def answer_with(value: object) -> Answer:
    """Answer with a value of the protocol."""
    return Answer(encode_json(value))


def answer_json(**parts: object) -> Answer:
    """Answer with a few fields that need no type of their own."""
    return Answer(orjson.dumps(parts))


def refuse(status: int, detail: str) -> Answer:
    """Say no, in the form the official SDK shows to people."""
    return Answer(orjson.dumps({"detail": detail}), status=status)
