"""``forward_backward`` requests built by hand: a list of pieces in which tokens and tensors are not copied.

A message of protobuf is its fields one after the other, each a tag, a length and the content, in any order. So the small
fields are written by the protobuf library as a message without data, and the data follow as further fields: text and
dense tensors as headers around views of the caller's arrays, everything rare by the library again. Headers depend only
on name, element type and shape, so a batch of equal lengths makes each of them once.

Source: the protocol document 8.6; checked against the official SDK's messages in test_fwdbwd.
"""

from typing import TypeAlias

from attrs import define, field, frozen

from tinkex_actors.types import (
    Datum,
    DmelChunk,
    EncodedTextChunk,
    ForwardBackwardRequest,
    ImageAssetPointerChunk,
    ImageChunk,
    ProvenanceSpan,
    RequestInvalid,
    SampledProvenanceSpan,
    TensorData,
    TensorDtype,
)
from tinkex_actors.types.tensors import Array, TokenArray
from tinkex_actors.wire import tinker_public_pb2 as pb
from tinkex_actors.wire._arrays import write_tensor, written_dtype

# Tags: field number << 3 | 2, all of them length-delimited but the dtype's.
_DATA = b"\x1a"
_MODEL_INPUT, _LOSS_FN_INPUTS, _INPUT_SPANS, _LOSS_SPANS = b"\x0a", b"\x12", b"\x1a", b"\x22"
_ENCODED_TEXT, _TOKENS = b"\x0a", b"\x0a"
_KEY, _VALUE = b"\x0a", b"\x12"
_DENSE, _DTYPE, _SHAPE = b"\x0a", b"\x18", b"\x22"

_CONTINUES = 0x80

Piece = bytes | memoryview

_Shape: TypeAlias = tuple[str, bool, int, tuple[int, ...] | None]
"""What decides the bytes around a tensor's elements: name, whether they are int64, size in bytes, shape."""


@frozen
class BodyParts:
    """A body in pieces, which a socket can send without joining them."""

    parts: tuple[Piece, ...] = field(repr=lambda parts: f"<{len(parts)} pieces>")
    """Bytes, and views of the caller's arrays: leave those alone until the body is sent."""
    size_bytes: int
    """Of all together."""

    def join(self) -> bytes:
        """Return the body in one piece."""
        return b"".join(self.parts)


def encode_forward_backward_parts(request: ForwardBackwardRequest) -> BodyParts:
    """Write the request in pieces.

    Raises:
        RequestInvalid: A datum points to an image elsewhere; this message has only inline ones.
    """
    writer = _Writer()
    writer.add(_envelope(request))
    for index, datum in enumerate(request.forward_backward_input.data):
        writer.add_datum(datum, index)
    return BodyParts(tuple(writer.parts), writer.size_bytes)


def _envelope(request: ForwardBackwardRequest) -> bytes:
    """Everything but the data. Numbers of the configuration go to both maps, for servers that read the old one only."""
    message = pb.ForwardBackwardRequest()
    message.model_id = request.model_id
    message.seq_id = request.seq_id
    message.loss_fn = request.forward_backward_input.loss_fn
    message.forward_only = request.forward_only
    for name, value in (request.forward_backward_input.loss_fn_config or {}).items():
        if isinstance(value, str):
            message.loss_fn_config_v2[name].text = value
        else:
            message.loss_fn_config[name] = value
            message.loss_fn_config_v2[name].number = value
    return message.SerializeToString()


@define
class _Writer:
    """Pieces so far, and the headers that came up before."""

    parts: list[Piece] = field(factory=list[Piece])
    size_bytes: int = 0
    _text_headers: dict[int, bytes] = field(factory=dict[int, bytes])
    _frames: dict[_Shape, tuple[bytes, bytes]] = field(factory=dict[_Shape, tuple[bytes, bytes]])

    def add(self, piece: Piece) -> None:
        """Append *piece*."""
        self.parts.append(piece)
        self.size_bytes += len(piece)

    def add_datum(self, datum: Datum, index: int) -> None:
        """Append a datum. Its length comes first, so its place is kept until it is known."""
        place, before = len(self.parts), self.size_bytes
        self.parts.append(b"")
        for chunk in datum.model_input.chunks:
            if isinstance(chunk, EncodedTextChunk):
                self._add_text(chunk.tokens)
            elif isinstance(chunk, ImageAssetPointerChunk):
                raise _not_inline(chunk, index)
            else:
                self.add(_delimited(_MODEL_INPUT, _rare_chunk(chunk)))
        for name, tensor in datum.loss_fn_inputs.items():
            self._add_tensor(name, tensor)
        for tag, spans in ((_INPUT_SPANS, datum.model_input_spans), (_LOSS_SPANS, datum.loss_fn_input_spans)):
            for span in spans or ():
                self.add(_delimited(tag, _rare_span(span)))
        self.parts[place] = header = _DATA + _varint(self.size_bytes - before)
        self.size_bytes += len(header)

    def _add_text(self, tokens: TokenArray) -> None:
        size = tokens.nbytes
        header = self._text_header(size)
        self.parts += (header, _view(tokens))
        self.size_bytes += len(header) + size

    def _text_header(self, size: int) -> bytes:
        header = self._text_headers.get(size)
        if header is None:
            tokens = _TOKENS + _varint(size) if size else b""
            text = _ENCODED_TEXT + _varint(len(tokens) + size) + tokens
            header = self._text_headers[size] = _MODEL_INPUT + _varint(len(text) + size) + text
        return header

    def _add_tensor(self, name: str, tensor: TensorData) -> None:
        if tensor.is_sparse:
            message = pb.Tensor()
            write_tensor(message, tensor)
            key, value = _delimited(_KEY, name.encode()), _delimited(_VALUE, message.SerializeToString())
            self.add(_delimited(_LOSS_FN_INPUTS, key + value))
            return
        data, size = tensor.data, tensor.data.nbytes
        # The element type by comparison: an enumeration's hash is a call in Python.
        shape = (name, tensor.dtype is TensorDtype.INT64, size, tensor.shape)
        around = self._frames.get(shape)
        if around is None:
            around = self._frames[shape] = _frame(name, tensor.dtype, size, tensor.shape)
        before, after = around
        self.parts += (before, _view(data), after)
        self.size_bytes += len(before) + size + len(after)


def _frame(name: str, dtype: TensorDtype, size: int, shape: tuple[int, ...] | None) -> tuple[bytes, bytes]:
    """What stands before and behind the elements of a dense tensor."""
    after = _DTYPE + _varint(written_dtype(dtype))
    if shape:
        after += _delimited(_SHAPE, b"".join(map(_varint, shape)))
    tensor = _DENSE + _varint(size)
    value = _VALUE + _varint(len(tensor) + size + len(after)) + tensor
    entry = _delimited(_KEY, name.encode()) + value
    return _LOSS_FN_INPUTS + _varint(len(entry) + size + len(after)) + entry, after


def _view(array: Array) -> Piece:
    # An empty array has no bytes to view.
    return array.data.cast("B") if array.size else b""


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value >= _CONTINUES:
        groups.append(value & 0x7F | _CONTINUES)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _delimited(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _rare_chunk(chunk: ImageChunk | DmelChunk) -> bytes:
    message = pb.Chunk()
    if isinstance(chunk, DmelChunk):
        message.dmel.dmel = chunk.dmel
    else:
        message.image.data = chunk.data
        message.image.format = chunk.format
        if chunk.expected_tokens is not None:
            message.image.expected_tokens = chunk.expected_tokens
    return message.SerializeToString()


def _not_inline(chunk: ImageAssetPointerChunk, index: int) -> RequestInvalid:
    return RequestInvalid(
        path=f"data[{index}].model_input",
        expected="text, inline images or audio; send the image's bytes",
        got=f"a pointer to {chunk.location!r}",
        operation="forward_backward",
    )


def _rare_span(span: ProvenanceSpan) -> bytes:
    message = pb.ProvenanceSpan()
    arm = message.sampled_tokens if isinstance(span, SampledProvenanceSpan) else message.prompt_tokens
    arm.sequence_id = span.sequence_id
    arm.offset = span.offset
    arm.length = span.length
    return message.SerializeToString()
