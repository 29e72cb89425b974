"""`tinkex_actors.wire.fwdbwd`: the protocol's own bytes, the official SDK as judge, and bytes from hell."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinker.proto import request_conv as judge
from tinker.proto import tinker_public_pb2 as sdk
from tinker.proto.response_conv import deserialize_forward_backward_output

from tests.tinkex_actors.wire.strategies import OUTPUTS, REQUESTS, to_sdk
from tinkex_actors.types import (
    Datum,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    ImageAssetPointerChunk,
    ImageChunk,
    ModelId,
    ModelInput,
    RequestInvalid,
    ResponseInvalid,
    TensorData,
    parse_loss_fn_config,
)
from tinkex_actors.wire import (
    decode_forward_backward_output,
    decode_forward_backward_request,
    encode_forward_backward_output,
    encode_forward_backward_parts,
    encode_forward_backward_request,
)
from tinkex_actors.wire import tinker_public_pb2 as pb

A1 = bytes.fromhex(
    "0a09733a747261696e3a301001"
    "1a380a0c0a0a0a08010000002c01000012280a0d7461726765745f746f6b656e73"
    "12170a102c0100000000000002000000000000001802220102"
    "220d63726f73735f656e74726f7079"
)
A2 = bytes.fromhex("0a016d1002220370706f2a0c0a016211000000000000e03f30013a0e0a0162120909000000000000e03f")
A4 = bytes.fromhex(
    "0a0b41727261795265636f7264123a12360a086c6f6770726f6273"
    "122a0a0c000080bf000000c0000000bf1218000000000000000008000000000000000c000000000000001801"
    "18021a130a086c6f73733a73756d11000000000000f83f"
)
TRAINING = ForwardBackwardRequest(
    ForwardBackwardInput((Datum(ModelInput.from_ints([1, 300]), {"target_tokens": [300, 2]}),), "cross_entropy"),
    ModelId("s:train:0"),
    1,
)
CONFIGURED = ForwardBackwardRequest(ForwardBackwardInput((), "ppo", {"b": 0.5}), ModelId("m"), 2, forward_only=True)
RESULT = ForwardBackwardOutput(
    "ArrayRecord",
    [{"logprobs": TensorData([-1, -2], "float32", [2])}, {"logprobs": TensorData([-0.5], "float32", [1])}],
    {"loss:sum": 1.5},
)


@pytest.mark.parametrize(("body", "request_"), [(A1, TRAINING), (A2, CONFIGURED)], ids=["A1", "A2"])
def test_the_protocol_documents_requests_are_ours(body: bytes, request_: ForwardBackwardRequest) -> None:
    """Bytes that the official SDK wrote, read and written by us."""
    assert decode_forward_backward_request(body) == request_
    assert sdk.ForwardBackwardRequest.FromString(encode_forward_backward_request(request_)) == (
        sdk.ForwardBackwardRequest.FromString(body)
    )


def test_the_protocol_documents_sparse_tensor_is_ours() -> None:
    """A3: values, row pointers, columns."""
    tensor = TensorData([7], "int64", [2, 3], [0, 0, 1], [2])
    request = ForwardBackwardRequest(
        ForwardBackwardInput((Datum(ModelInput(), {"weights": tensor}),), "cross_entropy"), ModelId("m"), 1
    )
    a3 = "122e0a08070000000000000012180000000000000000000000000000000001000000000000001a08020000000000000018022202 0203"
    assert bytes.fromhex(a3) in encode_forward_backward_request(request)
    assert decode_forward_backward_request(encode_forward_backward_request(request)) == request


def test_the_protocol_documents_result_is_ours() -> None:
    """A4: two data of different lengths in one record."""
    assert decode_forward_backward_output(A4) == RESULT
    assert encode_forward_backward_output(RESULT) == A4


@given(REQUESTS)
def test_a_request_survives_the_wire(request: ForwardBackwardRequest) -> None:
    """What a client sends is what a server reads."""
    assert decode_forward_backward_request(encode_forward_backward_request(request)) == request


@given(REQUESTS)
def test_a_request_built_by_hand_is_the_official_sdks_message(request: ForwardBackwardRequest) -> None:
    """Field for field, for every kind of chunk, tensor, span and parameter, and of the very same length."""
    message = judge.forward_backward_request_to_proto(to_sdk(request))
    if request.forward_only:
        message.forward_only = True
    body = encode_forward_backward_request(request)
    assert sdk.ForwardBackwardRequest.FromString(body) == message
    assert len(body) == message.ByteSize()


def test_the_pieces_of_a_request_do_not_copy_the_arrays() -> None:
    """A batch is megabytes; a socket takes it in pieces."""
    tokens, weights = np.arange(1000, dtype=np.int32), np.ones(1000, np.float32)
    datum = Datum(ModelInput.from_ints(tokens), {"weights": weights})
    request = ForwardBackwardRequest(ForwardBackwardInput((datum, datum), "cross_entropy"), ModelId("m"), 1)
    parts = encode_forward_backward_parts(request)
    views = [np.frombuffer(part, np.uint8) for part in parts.parts if isinstance(part, memoryview)]
    assert [bool(np.shares_memory(view, tokens)) for view in views] == [True, False, True, False]
    assert [bool(np.shares_memory(view, weights)) for view in views] == [False, True, False, True]
    assert parts.size_bytes == len(parts.join()) == sum(map(len, parts.parts))


@given(OUTPUTS)
def test_a_result_survives_the_wire_and_the_official_sdk_reads_the_same(output: ForwardBackwardOutput) -> None:
    """Whatever the shapes; rows of unlike shapes take several records."""
    body = encode_forward_backward_output(output)
    assert decode_forward_backward_output(body) == output
    judged = deserialize_forward_backward_output(body)
    assert judged.loss_fn_output_type == output.loss_fn_output_type
    assert judged.metrics == output.metrics
    for ours, theirs in zip(output.loss_fn_outputs, judged.loss_fn_outputs, strict=True):
        for name, tensor in ours.items():
            assert tensor == TensorData(theirs[name].to_numpy(), theirs[name].dtype, theirs[name].shape)


def test_a_pointer_to_an_image_cannot_train() -> None:
    """The message has no field for it; the official SDK refuses too."""
    datum = Datum(ModelInput((ImageAssetPointerChunk("asset://1", "png"),)))
    request = ForwardBackwardRequest(ForwardBackwardInput((datum,), "ppo"), ModelId("m"), 1)
    with pytest.raises(RequestInvalid, match=r"data\[0\].model_input: expected text, inline images or audio"):
        encode_forward_backward_request(request)


def test_text_parameters_travel_in_the_new_map_only() -> None:
    """Older servers would choke on them."""
    request = ForwardBackwardRequest(ForwardBackwardInput((), "custom", {"loss_id": "x", "k": 1.0}), ModelId("m"), 1)
    message = pb.ForwardBackwardRequest.FromString(encode_forward_backward_request(request))
    assert dict(message.loss_fn_config) == {"k": 1.0}
    assert decode_forward_backward_request(message.SerializeToString()) == request


@pytest.mark.tinkex("T12")
def test_numeric_text_and_integers_of_a_configuration_are_floats_on_the_wire() -> None:
    """Under names that are always numbers."""
    config = parse_loss_fn_config({"clip_low_threshold": "0.2", "clip_high_threshold": 1})
    request = ForwardBackwardRequest(ForwardBackwardInput((), "ppo", config), ModelId("m"), 1)
    message = sdk.ForwardBackwardRequest.FromString(encode_forward_backward_request(request))
    assert dict(message.loss_fn_config) == {"clip_low_threshold": 0.2, "clip_high_threshold": 1.0}


def test_the_old_map_is_read_where_the_new_one_is_empty() -> None:
    """Bodies of older clients."""
    message = pb.ForwardBackwardRequest(model_id="m", seq_id=1, loss_fn="ppo", loss_fn_config={"k": 1.0})
    request = decode_forward_backward_request(message.SerializeToString())
    assert request.forward_backward_input.loss_fn_config == {"k": 1.0}


def test_narrow_element_types_are_widened() -> None:
    """bfloat16 is the upper half of a float32, int32 becomes int64."""
    message = pb.ForwardBackwardOutput()
    fields = message.loss_fn_outputs.add(num_datums=1).fields
    halves = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype("<u2")
    offsets = np.array([0, 4], "<i8").tobytes()
    fields["a"].MergeFrom(pb.BatchedTensor(data=halves.tobytes(), offsets=offsets, dtype=pb.DTYPE_BFLOAT16))
    offsets = np.array([0, 8], "<i8").tobytes()
    fields["b"].MergeFrom(
        pb.BatchedTensor(data=np.array([1, -2], "<i4").tobytes(), offsets=offsets, dtype=pb.DTYPE_INT32)
    )
    (datum,) = decode_forward_backward_output(message.SerializeToString()).loss_fn_outputs
    assert datum == {"a": TensorData([1.5, -2.0], "float32", [2]), "b": TensorData([1, -2], "int64", [2])}


def test_data_without_tensors_are_counted() -> None:
    """A server may drop the log-probabilities; the combination still weighs by number."""
    message = pb.ForwardBackwardOutput(loss_fn_output_type="pkg.mod:Name")
    message.loss_fn_outputs.add(num_datums=3)
    output = decode_forward_backward_output(message.SerializeToString())
    assert (output.loss_fn_output_type, output.loss_fn_outputs) == ("Name", [{}, {}, {}])


def _field(number: int, wire_type: int, content: bytes) -> bytes:
    return bytes([number << 3 | wire_type]) + content


def _nested(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content) & 0x7F | 0x80, len(content) >> 7]) + content


UNKNOWN = _field(9, 0, b"\xff\x01") + _field(10, 1, bytes(8)) + _field(11, 2, b"\x02ab") + _field(12, 5, bytes(4))


def test_unknown_fields_anywhere_are_passed_over() -> None:
    """Servers add fields; clients of yesterday go on."""
    tensor = _field(1, 2, b"\x04" + bytes(4)) + _field(2, 2, b"\x10" + np.array([0, 4], "<i8").tobytes()) + b"\x18\x01"
    entry = _named("x", UNKNOWN + tensor + UNKNOWN)
    record = UNKNOWN + _nested(2, entry) + UNKNOWN
    metric = _field(1, 2, b"\x01m") + UNKNOWN + _field(2, 1, struct.pack("<d", 0.5))
    body = UNKNOWN + _nested(3, metric) + _nested(2, record)
    output = decode_forward_backward_output(body)
    assert output == ForwardBackwardOutput("ArrayRecord", [{"x": TensorData([0], "float32", [1])}], {"m": 0.5})


def _named(name: str, value: bytes) -> bytes:
    key = UNKNOWN + _nested(1, name.encode())
    return key + _nested(2, value)


def test_unpacked_numbers_are_read_as_packed_ones() -> None:
    """Both spellings are legal for a reader."""
    body = _batched(data=bytes(8), trailing_shape=[2, 1])
    packed, unpacked = b"\x22\x02\x02\x01", b"\x20\x02\x20\x01"
    assert packed in body
    assert decode_forward_backward_output(body.replace(packed, unpacked)) == decode_forward_backward_output(body)


def test_a_column_without_offsets_has_no_data() -> None:
    """Which is how an empty batch may be written."""
    message = pb.ForwardBackwardOutput()
    message.loss_fn_outputs.add().fields["x"].dtype = pb.DTYPE_FLOAT32
    assert decode_forward_backward_output(message.SerializeToString()).loss_fn_outputs == []


def test_rows_without_elements_are_read() -> None:
    """A loss may have nothing to say about a datum; numpy knows such shapes."""
    (datum,) = decode_forward_backward_output(_batched(offsets=[0, 0], data=b"", trailing_shape=[0])).loss_fn_outputs
    assert datum["x"].shape == (0, 0)


def test_a_tensor_without_a_shape_travels_without_one() -> None:
    """Its author did not say, and the server counts."""
    datum = Datum(ModelInput(), {"weights": TensorData([1.0, 2.0], "float32")})
    request = ForwardBackwardRequest(ForwardBackwardInput((datum,), "ppo"), ModelId("m"), 1)
    assert decode_forward_backward_request(encode_forward_backward_request(request)) == request


def test_arrays_are_aligned_wherever_the_block_lies() -> None:
    """Those who take them over are slow or wrong otherwise."""
    for length in range(1, 9):
        output = ForwardBackwardOutput("t" * length, RESULT.loss_fn_outputs, {})
        decoded = decode_forward_backward_output(encode_forward_backward_output(output))
        assert all(datum["logprobs"].data.flags.aligned for datum in decoded.loss_fn_outputs)
        assert decoded == output


def _batched(**parts: object) -> bytes:
    message = pb.ForwardBackwardOutput()
    record = message.loss_fn_outputs.add(num_datums=1)
    offsets = np.array(parts.pop("offsets", [0, 8]), "<i8").tobytes()
    whole = {"data": bytes(8), "offsets": offsets, "dtype": pb.DTYPE_FLOAT32, **parts}
    record.fields["x"].MergeFrom(pb.BatchedTensor(**whole))  # type: ignore[arg-type] # the point is to be wrong
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"\xff", r"\$"),
        (A4[:-1], r"\$"),
        (b"\x0b", r"\$: expected a protobuf message"),
        (b"\x08" + b"\xff" * 11, "a number that does not end"),
        (b"\x08\xff", "a number that does not end"),
        (b"\x0a\x01\xff", "utf-8"),
        (_batched(data=bytes(7)), "x"),
        (_batched(offsets=[0, 12]), "offsets"),
        (_batched(offsets=[4, 0]), "offsets"),
        (_batched(offsets=[-4, 8]), "offsets"),
        (_batched(offsets=[0, 3]), "offsets"),
        (_batched(offsets=[0, 4, 8]), "num_datums"),
        (_batched(dtype=9), "dtype"),
        (_batched(trailing_shape=[3]), "rows of shape"),
        (_batched(trailing_shape=[-1]), "negative"),
        (_batched(offsets=[0, 0], trailing_shape=[2**62, 2**62]), "sides"),
        (
            pb.ForwardBackwardOutput(loss_fn_outputs=[pb.ArrayRecord(num_datums=2**62)]).SerializeToString(),
            "num_datums",
        ),
        (pb.ForwardBackwardOutput(loss_fn_outputs=[pb.ArrayRecord(num_datums=-1)]).SerializeToString(), "num_datums"),
    ],
)
def test_a_result_that_lies_is_one_typed_error(body: bytes, path: str) -> None:
    """And never an allocation of what it claims."""
    with pytest.raises(ResponseInvalid, match=path):
        decode_forward_backward_output(body)


def _request_of(**parts: object) -> bytes:
    whole = {"model_id": "m", "seq_id": 1, "loss_fn": "ppo", **parts}
    return pb.ForwardBackwardRequest(**whole).SerializeToString()  # type: ignore[arg-type] # the point is to be wrong


def _datum_of(**parts: object) -> bytes:
    return _request_of(data=[pb.Datum(**parts)])  # type: ignore[arg-type] # the point is to be wrong


IMAGE = pb.ImageChunk(format="gif")
COUNTED = pb.ImageChunk(format="png", expected_tokens=-1)
SPAN = pb.ProvenanceSpan(prompt_tokens=pb.PromptProvenanceSpan(sequence_id="q", length=1))
UNNAMED = pb.ProvenanceSpan(sampled_tokens=pb.SampledProvenanceSpan(length=1))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (_request_of(seq_id=-1), "seq_id must be >= 0"),
        (_request_of(loss_fn=""), "loss_fn must not be empty"),
        (_request_of(loss_fn_config_v2={"k": pb.LossConfigValue()}), "loss_fn_config_v2.k: expected a number or text"),
        (_datum_of(model_input=[pb.Chunk()]), r"data\[0\].model_input\[0\]: expected text, an image or audio"),
        (_datum_of(model_input=[pb.Chunk(image=IMAGE)]), r"model_input\[0\].format: expected png or jpeg, got 'gif'"),
        (_datum_of(model_input=[pb.Chunk(image=COUNTED)]), "expected_tokens: expected a count, got -1"),
        (_datum_of(model_input=[pb.Chunk(encoded_text=pb.EncodedTextChunk(tokens=b"123"))]), "a multiple of 4 bytes"),
        (_datum_of(loss_fn_inputs={"w": pb.Tensor(dense=b"123", dtype=pb.DTYPE_FLOAT32)}), "data.0..loss_fn_inputs.w"),
        (_datum_of(model_input_spans=[SPAN]), "both span lists or neither"),
        (_datum_of(model_input_spans=[pb.ProvenanceSpan()], loss_fn_input_spans=[SPAN]), "prompt or sampled tokens"),
        (_datum_of(model_input_spans=[SPAN], loss_fn_input_spans=[UNNAMED]), "sequence_id must not be empty"),
    ],
)
def test_a_request_that_lies_is_one_typed_error(body: bytes, message: str) -> None:
    """With its place, for the 422 that answers it."""
    with pytest.raises(RequestInvalid, match=message):
        decode_forward_backward_request(body)


def test_an_image_that_says_how_long_it_is_keeps_its_word() -> None:
    """The count is advisory, but it travels; zero is a count as well."""
    chunks = (ImageChunk(b"x", "png", 3), ImageChunk(b"y", "jpeg", 0), ImageChunk(b"z", "png"))
    request = ForwardBackwardRequest(ForwardBackwardInput((Datum(ModelInput(chunks)),), "ppo"), ModelId("m"), 1)
    assert decode_forward_backward_request(encode_forward_backward_request(request)) == request


@given(REQUESTS.map(encode_forward_backward_request), st.data())
def test_a_mangled_request_is_read_or_refused(body: bytes, data: st.DataObject) -> None:
    """A server meets every byte sequence there is."""
    mangled = _mangle(body, data)
    try:
        decode_forward_backward_request(mangled)
    except RequestInvalid as error:
        assert error.operation == "forward_backward"  # noqa: PT017 - not raising is fine as well


@given(OUTPUTS.map(encode_forward_backward_output), st.data())
def test_a_mangled_result_is_read_or_refused(body: bytes, data: st.DataObject) -> None:
    """A client meets every byte sequence there is."""
    mangled = _mangle(body, data)
    try:
        decode_forward_backward_output(mangled)
    except ResponseInvalid as error:
        assert error.operation == "forward_backward"  # noqa: PT017 - not raising is fine as well


def _mangle(body: bytes, data: st.DataObject) -> bytes:
    start = data.draw(st.integers(0, len(body)))
    return body[:start] + data.draw(st.binary(max_size=6)) + body[start + data.draw(st.integers(0, 4)) :]
