"""``forward_backward`` in protobuf, both directions: the request that trains, and the tensors it brings.

The client's half is built and read by hand (`_parts`, `_reader`), because it carries megabytes in every step; the
server's half goes through the protobuf library. A reader of configurations prefers the new map to the old.
"""

from collections.abc import Iterator

import numpy as np

from tinkex_actors.types import (
    Datum,
    DmelChunk,
    EncodedTextChunk,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ImageChunk,
    LossFnOutput,
    ModelId,
    ModelInput,
    ModelInputChunk,
    PromptProvenanceSpan,
    ProvenanceSpan,
    SampledProvenanceSpan,
    TensorData,
    TensorDtype,
)
from tinkex_actors.wire import tinker_public_pb2 as pb
from tinkex_actors.wire._arrays import read_array, read_tensor, written_dtype
from tinkex_actors.wire._mismatch import Mismatch, read_answer, read_request, show
from tinkex_actors.wire._parts import encode_forward_backward_parts
from tinkex_actors.wire._reader import read_forward_backward_output

_OPERATION = "forward_backward"


def encode_forward_backward_request(request: ForwardBackwardRequest) -> bytes:
    """Write the request.

    Raises:
        RequestInvalid: A datum points to an image elsewhere; this message has only inline ones.
    """
    return encode_forward_backward_parts(request).join()


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
