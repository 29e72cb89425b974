"""Dialect: how a request is worded for the server at hand, and what its refusals say about the server.

Servers of one protocol differ in what they understand (the protocol document, sections 15 to 18). What a session knows of
its server is in its record: the capabilities, and which of them the server has shown. A training batch can be worded in
several ways; while it is not known which one a server takes, a refusal is answered with the next wording under the same
number, and what is accepted is remembered for the session. A refusal that no wording avoids is the request's own fault.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from attrs import evolve, frozen

from tinkex_actors.actors.operation import Operation
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.transport.ask import ask
from tinkex_actors.transport.endpoints import (
    FORWARD,
    FORWARD_BACKWARD,
    FORWARD_BACKWARD_JSON,
    FORWARD_JSON,
    OperationRow,
)
from tinkex_actors.transport.seam import PROTOBUF, Transport
from tinkex_actors.types import ForwardBackwardOutput, ForwardBackwardRequest
from tinkex_actors.types.errors import APIStatusError, NotSupportedByServer
from tinkex_actors.types.futures import Promise

R = TypeVar("R")

_PROTOBUF, _SPARSE = "protobuf_requests", "sparse_tensors"
_NOT_UNDERSTOOD = frozenset({400, 415, 422})
"""What servers answer to a body of a kind that they do not know."""
_NOT_HERE = _NOT_UNDERSTOOD | {404, 405}
"""The same, where the other wording has a route of its own."""


@frozen(eq=False)
class _Wording:
    """One way to say a training batch, and what a server that takes it has shown about itself."""

    row: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput]
    request: ForwardBackwardRequest
    shows: dict[str, bool]


@frozen(eq=False)
class Dialect:
    """Submits requests in words that the server understands."""

    transport: Transport
    record: SessionRecord

    # Operations bring results of many types; what is submitted does not depend on them.
    async def submit(self, operation: Operation[Any], number: int, key: str) -> Promise:
        """Have the server promise *operation* under *number*.

        Raises:
            NotSupportedByServer: The server lacks what the operation needs.
            APIStatusError: It refuses the operation, in every wording it might understand.
            ResponseInvalid: Its answer is no promise.
            APIConnectionError: It does not answer.
        """
        try:
            promise = await self._submit(operation, number, key)
        except NotSupportedByServer:
            self._learn(operation, is_there=False)
            raise
        self._learn(operation, is_there=True)
        return promise

    def _learn(self, operation: Operation[Any], *, is_there: bool) -> None:
        if operation.capability:
            self.record.learn(operation.capability, is_there=is_there)

    async def _submit(self, operation: Operation[Any], number: int, key: str) -> Promise:
        request = operation.request(number)
        try:
            if operation.row in (FORWARD, FORWARD_BACKWARD):
                return await self._submit_batch(operation, request, key)
            return await self._ask(operation.row, request, operation, key)
        except APIStatusError as refusal:
            if _is_for_lack(operation, refusal):
                raise NotSupportedByServer(operation.feature) from refusal
            raise

    async def _ask(self, row: OperationRow[Any, Any], request: Any, operation: Operation[Any], key: str) -> Promise:
        if row.content_type == PROTOBUF and self.record.config.proto_compress_fwdbwd:
            row = evolve(row, content_encoding="zstd")
        return await ask(
            self.transport, row, request, key=key, weight_bytes=operation.weight_bytes, standing=operation.standing
        )

    async def _submit_batch(self, operation: Operation[Any], request: ForwardBackwardRequest, key: str) -> Promise:
        refusal: APIStatusError | None = None
        for wording in self._wordings(operation.row, request):
            try:
                promise = await self._ask(wording.row, wording.request, operation, key)
            except APIStatusError as refused:
                if refused.status_code not in (_NOT_UNDERSTOOD if refusal is None else _NOT_HERE):
                    raise
                refusal = _the_more_telling(refusal, refused)
            else:
                for capability, is_there in wording.shows.items():
                    self.record.learn(capability, is_there=is_there)
                return promise
        if refusal is None:
            raise RuntimeError(f"{operation.name}: there is always a wording")
        raise refusal

    def _wordings(
        self, row: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput], request: ForwardBackwardRequest
    ) -> Iterator[_Wording]:
        """Every wording that the server might take, the likeliest first."""
        protobuf, json = self._in_protobuf(row, request), _in_json(row, request)
        # What a request before this one has shown meanwhile counts: each wording is made when its turn comes.
        if self.record.capabilities.protobuf_requests:
            yield from protobuf
            if _PROTOBUF not in self.record.known:
                yield json
        else:
            yield json
            if _PROTOBUF not in self.record.known:
                yield from protobuf

    def _in_protobuf(
        self, row: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput], request: ForwardBackwardRequest
    ) -> Iterator[_Wording]:
        is_sparse = request.forward_backward_input.is_sparse
        if not is_sparse:
            yield _Wording(row, request, {_PROTOBUF: True})
            return
        if self.record.capabilities.sparse_tensors:
            yield _Wording(row, request, {_PROTOBUF: True, _SPARSE: True})
        if _SPARSE not in self.record.known or not self.record.capabilities.sparse_tensors:
            dense = evolve(request, forward_backward_input=request.forward_backward_input.to_dense())
            yield _Wording(row, dense, {_PROTOBUF: True, _SPARSE: False})


def _in_json(
    row: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput], request: ForwardBackwardRequest
) -> _Wording:
    return _Wording(FORWARD_JSON if row is FORWARD else FORWARD_BACKWARD_JSON, request, {_PROTOBUF: False})


def _the_more_telling(first: APIStatusError | None, second: APIStatusError) -> APIStatusError:
    """Keep what the likelier wording was answered with; the other is a note."""
    if first is None:
        return second
    first.add_note(f"worded otherwise, it was refused too: {second.message}")
    return first


def _is_for_lack(operation: Operation[Any], refusal: APIStatusError) -> bool:
    """Tell the lack of a feature from a fault of the request: the server then misses a field that it needs instead."""
    is_candidate = bool(operation.feature) and refusal.status_code in _NOT_UNDERSTOOD
    return is_candidate and operation.misses in str(refusal.body)
