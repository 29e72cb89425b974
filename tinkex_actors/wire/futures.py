"""What ``retrieve_future`` answers, both directions: the result, or why there is none yet.

A result is protobuf where the operation has a protobuf result and the server speaks it, JSON otherwise.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, assert_never, cast

import orjson

from tinkex_actors.types import (
    ForwardBackwardOutput,
    FutureFailure,
    MetadataOnly,
    NotYet,
    QueueState,
    RequestErrorCategory,
    RequestId,
    SampleResponse,
    TryAgain,
)
from tinkex_actors.wire._json_rules import as_dict
from tinkex_actors.wire._mismatch import Mismatch, read_answer
from tinkex_actors.wire._reader import read_forward_backward_output
from tinkex_actors.wire.fwdbwd import encode_forward_backward_output
from tinkex_actors.wire.json_codec import encode_json, from_json, parse
from tinkex_actors.wire.samples import encode_sample_response, read_sample_response

T = TypeVar("T")

PROTOBUF = "application/x-protobuf"
"""The content type of protobuf bodies, and what a client says it accepts."""
JSON = "application/json"
"""The content type of everything else."""

_PENDING = TryAgain(retry_after_ms=1000)
"""What a bare "pending" stands for: servers that say so do not hold the poll, and must not be asked at once."""

_READERS: Mapping[type, Callable[[bytes], object]] = {
    ForwardBackwardOutput: read_forward_backward_output,
    SampleResponse: read_sample_response,
}


def has_protobuf_result(kind: type) -> bool:
    """Whether a result of this kind travels as protobuf on servers of the current generation."""
    return kind in _READERS


def decode_retrieved(
    kind: type[T],
    body: bytes,
    *,
    content_type: str = JSON,
    operation: str | None = None,
    request_id: RequestId | None = None,
) -> T | NotYet:
    """Read a successful answer to ``retrieve_future``, for an operation whose result is a *kind*.

    Returns:
        The result, or `TryAgain`, `MetadataOnly` or `FutureFailure`.

    Raises:
        ResponseInvalid: It is none of these.
    """
    if PROTOBUF in content_type:
        read = _READERS.get(kind, partial(_refuse, kind))
        return read_answer(cast("Callable[[bytes], T]", read), body, operation=operation, request_id=request_id)
    return read_answer(lambda data: _read(kind, parse(data)), body, operation=operation, request_id=request_id)


def _refuse(kind: type, body: bytes) -> object:
    raise Mismatch("", f"a {kind.__name__} in JSON", f"{len(body)} bytes of protobuf")


def _read(kind: type[T], value: Any) -> T | NotYet:
    body = as_dict(value)
    if body.get("type") == "try_again":
        return _as_try_again(body)
    match body:
        case {"status": "complete_metadata"}:
            return from_json(MetadataOnly, body)
        case _ if body.get("error") is not None or body.get("status") == "failed":
            return read_failure(body)
        case {"status": "pending"}:
            return _PENDING
        case {"status": "completed", "result": result}:
            return from_json(kind, result)
        case _:
            return from_json(kind, body)


def read_failure(body: dict[str, Any]) -> FutureFailure:
    """Read a failure: any ``error`` counts, none too, and a category that cannot be read is unknown."""
    error, category = body.get("error"), body.get("category")
    match error:
        case None:
            return FutureFailure("the server gives no reason", RequestErrorCategory(str(category)))
        case {"message": str(words)}:
            return FutureFailure(words, RequestErrorCategory(str(error.get("category", category))))
        case str(words):
            return FutureFailure(words, RequestErrorCategory(str(category)))
        case _:
            return FutureFailure(orjson.dumps(error).decode(), RequestErrorCategory(str(category)))


def decode_try_again(body: bytes) -> TryAgain:
    """Read the body of a 408, whatever it is: servers put a try-again there, or a detail, or nothing."""
    try:
        return _as_try_again(as_dict(parse(body)))
    except Mismatch:
        return TryAgain()


def _as_try_again(parts: dict[str, Any]) -> TryAgain:
    """Read what there is: an operation must not end because its server forgot to say why it waits."""
    texts = {name: part for name, part in parts.items() if isinstance(part, str)}
    delay = parts.get("retry_after_ms")
    return TryAgain(
        RequestId(texts["request_id"]) if "request_id" in texts else None,
        QueueState(texts.get("queue_state", "unknown")),
        texts.get("queue_state_reason"),
        delay if type(delay) is int and delay >= 0 else None,
    )


def encode_not_yet(answer: NotYet) -> bytes:
    """Write everything that is not a result."""
    match answer:
        case TryAgain():
            return orjson.dumps({"type": "try_again", **orjson.loads(encode_json(answer))})
        case MetadataOnly():
            size = answer.response_payload_size
            return orjson.dumps({"status": "complete_metadata", "response_payload_size": size})
        case FutureFailure():
            return encode_json(answer)
        case _:
            assert_never(answer)


def encode_result(result: object, *, accept: str = JSON) -> tuple[str, bytes]:
    """Write a result in the best encoding that the client accepts.

    Returns:
        The content type and the body.
    """
    if PROTOBUF in accept and isinstance(result, ForwardBackwardOutput):
        return PROTOBUF, encode_forward_backward_output(result)
    if PROTOBUF in accept and isinstance(result, SampleResponse):
        return PROTOBUF, encode_sample_response(result)
    return JSON, encode_json(result)
