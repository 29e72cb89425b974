"""JSON bodies to types and back: strict in what is read, exact in what is written.

Read: a missing required field, a wrong JSON type (an integer where text is declared, null where it is not optional) or
a value that a type refuses is an error that names the path. Unknown fields are ignored, so servers may add some.
Written: ``None`` fields are left out (but see `NULLABLE`), defaults are not, nulls inside free-form dictionaries stay.
Token lists and tensors pass as arrays.

Cattrs makes the functions, once for each class; the rules for what is special about a type are in `_json_hooks`.
"""

from functools import cache
from typing import Any, TypeVar

import cattrs
import orjson

from tinkex_actors.types import ForwardBackwardRequest, RequestId, RequestInvalid
from tinkex_actors.wire._json_directory import register_directory_hooks
from tinkex_actors.wire._json_hooks import register_hooks
from tinkex_actors.wire._json_results import (
    ForwardBackwardJsonRequest,
    ForwardJsonRequest,
    register_result_hooks,
)
from tinkex_actors.wire._json_rules import mismatch_of, register_rules
from tinkex_actors.wire._mismatch import Mismatch, read_answer, read_request

T = TypeVar("T")

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_SHOWN = 40


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    register_rules(converter)
    register_hooks(converter)
    register_result_hooks(converter)
    register_directory_hooks(converter)
    return converter


def encode_json(value: object) -> bytes:
    """Write a request or an answer.

    Raises:
        RequestInvalid: Free-form parts hold what JSON cannot, such as a set or an integer beyond 64 bits.
    """
    try:
        return orjson.dumps(_converter().unstructure(value), option=_OPTIONS)
    except TypeError as error:
        raise RequestInvalid(path="$", expected="values that JSON can hold", got=str(error)) from error


def encode_forward_backward_json(request: ForwardBackwardRequest) -> bytes:
    """Write training data for servers of the JSON generation; the field's name says whether it is forward only.

    Those servers know neither sparse tensors, which are written dense, nor where tokens come from, which is left out.

    Raises:
        RequestInvalid: A number is infinite; JSON has no infinity.
    """
    dense = request.forward_backward_input.to_dense()
    if request.forward_only:
        return encode_json(ForwardJsonRequest(dense, request.model_id, request.seq_id))
    return encode_json(ForwardBackwardJsonRequest(dense, request.model_id, request.seq_id))


def decode_answer(
    kind: type[T], body: bytes, *, operation: str | None = None, request_id: RequestId | None = None
) -> T:
    """Read what a server said as a *kind*.

    Raises:
        ResponseInvalid: It is not JSON, or not such a thing.
    """
    return read_answer(lambda data: from_json(kind, parse(data)), body, operation=operation, request_id=request_id)


def decode_request(kind: type[T], body: bytes, *, operation: str | None = None) -> T:
    """Read what a client asked as a *kind*.

    Raises:
        RequestInvalid: It is not JSON, or not such a thing.
    """
    return read_request(lambda data: from_json(kind, parse(data)), body, operation=operation)


def parse(body: bytes) -> Any:
    """Parse JSON of unknown shape.

    Raises:
        Mismatch: It is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        beginning = bytes(body[:_SHOWN])
        raise Mismatch("", "JSON", f"{beginning!r}… ({error})" if body else "nothing") from error


def from_json(kind: type[T], value: object) -> T:
    """Make a *kind* of parsed JSON.

    Raises:
        Mismatch: It is not such a thing; the path says where.
    """
    try:
        return _converter().structure(value, kind)
    except (cattrs.BaseValidationError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise mismatch_of(error) from error
