"""Asking a server that may not have the endpoint: what all clients of the REST surface do, in one place.

A server that has no such endpoint says so in the words of its framework: 405, or 404 with no sentence but "Not Found". A
server that has it and not the thing explains itself. The first is `NotSupportedByServer`, the second `NotFoundError`.
"""

from collections.abc import Mapping
from typing import TypeVar

from attrs import frozen

from tinkex_actors.clients.checks import check_is
from tinkex_actors.html import show_facts
from tinkex_actors.redaction import mask_url
from tinkex_actors.settings import Settings
from tinkex_actors.transport.ask import send
from tinkex_actors.transport.endpoints_rest import RestOrder, RestQuestion
from tinkex_actors.transport.refusal import is_unknown_route, status_error
from tinkex_actors.transport.seam import Answer, Transport
from tinkex_actors.types import ModelId, NotSupportedByServer, ParsedCheckpointTinkerPath
from tinkex_actors.wire.json_codec import decode_answer

Q = TypeVar("Q")
R = TypeVar("R")


@frozen(eq=False)
class Desk:
    """Where REST questions are asked: a transport, and what the client was told."""

    transport: Transport
    settings: Settings

    async def ask(
        self,
        row: RestQuestion[Q, R],
        request: Q,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> R:
        """Send *request* and return what the server says.

        Raises:
            NotSupportedByServer: It has no such endpoint.
            APIStatusError: It says no.
            ResponseInvalid: It says something else than the protocol has.
            APIConnectionError: It says nothing.
        """
        answer = await self.hear(row, request, path=path, query=query, headers=headers)
        if not answer.is_success:
            raise status_error(row, answer)
        return decode_answer(row.answer, answer.content, operation=row.name)

    async def tell(self, row: RestOrder[Q], request: Q, *, path: Mapping[str, str]) -> None:
        """Send *request* and require a success.

        Raises:
            NotSupportedByServer: The server has no such endpoint.
            APIStatusError: It says no.
            APIConnectionError: It says nothing.
        """
        answer = await self.hear(row, request, path=path)
        if not answer.is_success:
            raise status_error(row, answer)

    async def hear(
        self,
        row: RestQuestion[Q, R] | RestOrder[Q],
        request: Q,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send *request* and return the answer whatever its status, unless the server has no such endpoint.

        Raises:
            NotSupportedByServer: It has none.
            APIConnectionError: No answer.
        """
        answer = await send(self.transport, row, request, path_values=path, query=query, headers=headers)
        if is_unknown_route(answer):
            hint = "or there is nothing by that name" if "{" in row.path else None
            raise NotSupportedByServer(row.feature, hint=hint) from status_error(row, answer)
        return answer


class DeskClient:
    """What every client of the REST surface is made of."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {mask_url(self._desk.settings.base_url)}>"

    def _repr_html_(self) -> str:
        """Show in a notebook which server is asked."""
        return show_facts(type(self).__name__, {"server": self._desk.settings.base_url})


def component(name: str, value: str) -> str:
    """Check that *value* can stand in a path as one component.

    Raises:
        TypeError: It is no text.
        ValueError: It would make another path: empty, a dot or two, or with a slash.
    """
    check_is(name, value, str)
    if value in {"", ".", ".."} or "/" in value:
        raise ValueError(f"{name} must be an identifier without a slash, got {value!r}")
    return value


def run_address(training_run_id: str) -> dict[str, str]:
    """Say where a training run is.

    Raises:
        ValueError: It cannot be an identifier.
    """
    return {"run": component("training_run_id", training_run_id)}


def checkpoint_address(path: ParsedCheckpointTinkerPath) -> dict[str, str]:
    """Say where a checkpoint is.

    Raises:
        ValueError: A part of the path cannot be an identifier.
    """
    return {
        **run_address(path.training_run_id),
        "kind": path.kind,
        "name": component("the name of a checkpoint", path.name),
    }


def run_of(tinker_path: str) -> ModelId:
    """Take the training run from a checkpoint's path.

    Raises:
        ValueError: It is no such path.
    """
    return ParsedCheckpointTinkerPath.from_tinker_path(tinker_path).training_run_id
