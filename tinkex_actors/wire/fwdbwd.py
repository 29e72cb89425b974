"""``forward_backward`` in protobuf, both directions: the request that trains, and the tensors it brings.

Losses' numeric parameters are written twice, for servers that read the old map only; a reader prefers the new map.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import assert_never

import numpy as np

from tinkex_actors.types import (
    Datum,
    DmelChunk,
    EncodedTextChunk,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ImageAssetPointerChunk,
    ImageChunk,
    LossFnOutput,
    ModelId,
    ModelInput,
    ModelInputChunk,
    PromptProvenanceSpan,
    ProvenanceSpan,
    RequestInvalid,
    SampledProvenanceSpan,
    TensorData,
    TensorDtype,
)
from tinkex_actors.types.tensors import Array
from tinkex_actors.wire import tinker_public_pb2 as pb
from tinkex_actors.wire._arrays import (
    item_size,
    read_array,
    read_elements,
    read_indices,
    read_tensor,
    write_tensor,
    written_dtype,
)
from tinkex_actors.wire._mismatch import Mismatch, read_answer, read_request, show

_OPERATION = "forward_backward"
_MAX_BARE_DATA = 2**17
"""Most data in a record without a single tensor: their count is all the reader has."""


def encode_forward_backward_request(request: ForwardBackwardRequest) -> bytes:
    """Write the request.

    Raises:
        RequestInvalid: A datum points to an image elsewhere; this message has only inline ones.
    """
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
    for index, datum in enumerate(request.forward_backward_input.data):
        _write_datum(message.data.add(), datum, f"data[{index}]")
    return message.SerializeToString()


def _write_datum(message: pb.Datum, datum: Datum, path: str) -> None:
    for chunk in datum.model_input.chunks:
        _write_chunk(message.model_input.add(), chunk, path)
    for name, tensor in datum.loss_fn_inputs.items():
        write_tensor(message.loss_fn_inputs[name], tensor)
    for span in datum.model_input_spans or ():
        _write_span(message.model_input_spans.add(), span)
    for span in datum.loss_fn_input_spans or ():
        _write_span(message.loss_fn_input_spans.add(), span)


def _write_chunk(message: pb.Chunk, chunk: ModelInputChunk, path: str) -> None:
    match chunk:
        case EncodedTextChunk():
            message.encoded_text.tokens = chunk.tokens.tobytes()
        case ImageChunk():
            message.image.data = chunk.data
            message.image.format = chunk.format
            if chunk.expected_tokens is not None:
                message.image.expected_tokens = chunk.expected_tokens
        case DmelChunk():
            message.dmel.dmel = chunk.dmel
        case ImageAssetPointerChunk():
            raise RequestInvalid(
                path=f"{path}.model_input",
                expected="text, inline images or audio; send the image's bytes",
                got=f"a pointer to {chunk.location!r}",
                operation=_OPERATION,
            )
        case _:
            assert_never(chunk)


def _write_span(message: pb.ProvenanceSpan, span: ProvenanceSpan) -> None:
    arm = message.sampled_tokens if isinstance(span, SampledProvenanceSpan) else message.prompt_tokens
    arm.sequence_id = span.sequence_id
    arm.offset = span.offset
    arm.length = span.length


def decode_forward_backward_request(body: bytes) -> ForwardBackwardRequest:
    """Read the request. Tensors and tokens are read-only views of *body*.

    Raises:
        RequestInvalid: Whatever is wrong with it.
    """
    return read_request(_read_request, body, operation=_OPERATION)


def _read_request(body: bytes) -> ForwardBackwardRequest:
    message = pb.ForwardBackwardRequest.FromString(body)
    data = tuple(_read_datum(datum, f"data[{index}]") for index, datum in enumerate(message.data))
    config = _read_config(message) or None
    return ForwardBackwardRequest(
        ForwardBackwardInput(data, message.loss_fn, config),
        ModelId(message.model_id),
        message.seq_id,
        message.forward_only,
    )


def _read_config(message: pb.ForwardBackwardRequest) -> dict[str, float | str]:
    if not message.loss_fn_config_v2:
        return dict(message.loss_fn_config)
    config: dict[str, float | str] = {}
    for name, value in message.loss_fn_config_v2.items():
        match value.WhichOneof("value"):
            case "number":
                config[name] = value.number
            case "text":
                config[name] = value.text
            case _:
                raise Mismatch(f"loss_fn_config_v2.{name}", "a number or text", "neither")
    return config


def _read_datum(message: pb.Datum, path: str) -> Datum:
    chunks = [_read_chunk(chunk, f"{path}.model_input[{i}]") for i, chunk in enumerate(message.model_input)]
    inputs = {
        name: read_tensor(tensor, f"{path}.loss_fn_inputs.{name}") for name, tensor in message.loss_fn_inputs.items()
    }
    spans = [_read_span(span, f"{path}.model_input_spans") for span in message.model_input_spans]
    target_spans = [_read_span(span, f"{path}.loss_fn_input_spans") for span in message.loss_fn_input_spans]
    if bool(spans) != bool(target_spans):
        raise Mismatch(path, "both span lists or neither", "one of them")
    return Datum(ModelInput(chunks), inputs, spans or None, target_spans or None)


def _read_chunk(message: pb.Chunk, path: str) -> ModelInputChunk:
    match message.WhichOneof("chunk"):
        case "encoded_text":
            return EncodedTextChunk(read_array(message.encoded_text.tokens, "<i4", f"{path}.tokens"))
        case "image":
            return _read_image(message.image, path)
        case "dmel":
            return DmelChunk(message.dmel.dmel)
        case _:
            raise Mismatch(path, "text, an image or audio", "none of them")


def _read_image(message: pb.ImageChunk, path: str) -> ImageChunk:
    if message.format not in {"png", "jpeg"}:
        raise Mismatch(f"{path}.format", "png or jpeg", show(message.format))
    expected = message.expected_tokens if message.HasField("expected_tokens") else None
    if expected is not None and expected < 0:
        raise Mismatch(f"{path}.expected_tokens", "a count", str(expected))
    # Not narrowed by the test above for every checker; the chunk's own validator holds it.
    return ImageChunk(message.data, "png" if message.format == "png" else "jpeg", expected)


def _read_span(message: pb.ProvenanceSpan, path: str) -> ProvenanceSpan:
    try:
        match message.WhichOneof("span"):
            case "prompt_tokens":
                run = message.prompt_tokens
                return PromptProvenanceSpan(sequence_id=run.sequence_id, offset=run.offset, length=run.length)
            case "sampled_tokens":
                drawn = message.sampled_tokens
                return SampledProvenanceSpan(sequence_id=drawn.sequence_id, offset=drawn.offset, length=drawn.length)
            case _:
                raise Mismatch(path, "a run of prompt or sampled tokens", "neither")
    except ValueError as error:
        raise error if isinstance(error, Mismatch) else Mismatch(path, "a run of tokens", str(error)) from error


def encode_forward_backward_output(output: ForwardBackwardOutput) -> bytes:
    """Write the result. Neighbours that share names, element types and trailing shapes share one record.

    Sparse tensors are written dense; a scalar becomes one element.
    """
    message = pb.ForwardBackwardOutput(loss_fn_output_type=output.loss_fn_output_type)
    for name, value in output.metrics.items():
        message.metrics[name] = value
    for run in _runs_of_one_layout(output.loss_fn_outputs):
        record = message.loss_fn_outputs.add(num_datums=len(run))
        for name in run[0]:
            _write_batched(record.fields[name], [datum[name] for datum in run])
    return message.SerializeToString()


def _layout(datum: LossFnOutput) -> dict[str, tuple[TensorDtype, tuple[int, ...]]]:
    return {name: (tensor.dtype, (tensor.shape or ())[1:]) for name, tensor in datum.items()}


def _runs_of_one_layout(outputs: list[LossFnOutput]) -> Iterator[list[LossFnOutput]]:
    run: list[LossFnOutput] = []
    for datum in outputs:
        if run and _layout(datum) != _layout(run[0]):
            yield run
            run = []
        run.append(datum)
    if run:
        yield run


def _write_batched(message: pb.BatchedTensor, tensors: list[TensorData]) -> None:
    arrays = [tensor.to_numpy() for tensor in tensors]
    message.data = b"".join(array.tobytes() for array in arrays)
    message.offsets = np.cumsum([0, *(array.nbytes for array in arrays)], dtype="<i8").tobytes()
    message.dtype = written_dtype(tensors[0].dtype)
    message.trailing_shape.extend((tensors[0].shape or ())[1:])


def decode_forward_backward_output(body: bytes) -> ForwardBackwardOutput:
    """Read the result. Tensors are read-only views of *body* where their element type allows.

    Raises:
        ResponseInvalid: Whatever is wrong with it.
    """
    return read_answer(read_forward_backward_output, body, operation=_OPERATION)


def read_forward_backward_output(body: bytes) -> ForwardBackwardOutput:
    """Read the result, complaining by `Mismatch`; `decode_forward_backward_output` is its public form."""
    message = pb.ForwardBackwardOutput.FromString(body)
    outputs: list[LossFnOutput] = []
    for index, record in enumerate(message.loss_fn_outputs):
        outputs += _read_record(record, f"loss_fn_outputs[{index}]")
    # The server's class name may be qualified; only the name is meant for clients.
    kind = message.loss_fn_output_type.rsplit(":", 1)[-1]
    return ForwardBackwardOutput(kind or "ArrayRecord", outputs, dict(message.metrics))


def _read_record(record: pb.ArrayRecord, path: str) -> list[LossFnOutput]:
    columns = {name: _read_batched(field, f"{path}.{name}") for name, field in record.fields.items()}
    counts = {len(column) for column in columns.values()}
    if record.num_datums:
        counts.add(record.num_datums)
    if len(counts) > 1:
        lengths = ", ".join(f"{name}: {len(column)}" for name, column in columns.items())
        raise Mismatch(path, f"as many of each as num_datums ({record.num_datums})", lengths)
    count = counts.pop() if counts else 0
    if not columns and not 0 <= count <= _MAX_BARE_DATA:
        raise Mismatch(f"{path}.num_datums", f"at most {_MAX_BARE_DATA} without a tensor", str(count))
    return [{name: column[index] for name, column in columns.items()} for index in range(count)]


def _read_batched(message: pb.BatchedTensor, path: str) -> list[TensorData]:
    elements = read_elements(message.data, message.dtype, path)
    bounds = _read_bounds(message, path)
    trailing = tuple(message.trailing_shape)
    row = 1
    for side in trailing:
        row *= side
    if any(side < 0 for side in trailing):
        raise Mismatch(path, "no negative side", f"trailing_shape {list(trailing)}")
    dtype = TensorDtype.FLOAT32 if elements.dtype.kind == "f" else TensorDtype.INT64
    return [_slice(elements[start:end], dtype, row, trailing, path) for start, end in pairwise(bounds)]


def _read_bounds(message: pb.BatchedTensor, path: str) -> list[int]:
    size = item_size(message.dtype, path)
    offsets = read_indices(message.offsets, f"{path}.offsets")
    if offsets.size == 0:
        return [0]
    is_rising = offsets[0] >= 0 and offsets[-1] <= len(message.data) and not np.any(np.diff(offsets) < 0)
    if not is_rising or np.any(offsets % size):
        raise Mismatch(
            f"{path}.offsets", f"steps of {size} that rise to at most {len(message.data)}", show(offsets.tolist())
        )
    bounds: list[int] = (offsets // size).tolist()
    return bounds


def _slice(elements: Array, dtype: TensorDtype, row: int, trailing: tuple[int, ...], path: str) -> TensorData:
    if row == 0 or elements.size % row:
        if elements.size == 0:
            return TensorData(elements, dtype, (0, *trailing))
        raise Mismatch(path, f"rows of shape {list(trailing)}", f"{elements.size} elements")
    return TensorData(elements, dtype, (elements.size // row, *trailing))
