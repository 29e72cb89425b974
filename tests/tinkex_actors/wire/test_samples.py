"""`tinkex_actors.wire.samples`: the protocol's own bytes, the official SDK as judge, and bytes from hell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinker.proto.response_conv import deserialize_sample_response

from tests.tinkex_actors.wire.strategies import RESPONSES
from tinkex_actors.types import ResponseInvalid, SampledSequence, SampleResponse, StopReason, TensorData
from tinkex_actors.types.tensors import arrays_equal
from tinkex_actors.wire import decode_sample_response, encode_sample_response
from tinkex_actors.wire import tinker_public_pb2 as pb

A5 = bytes.fromhex("0a160801120805000000060000001a08000000bf000080be12080000c07f000080bf")
A5_STOP = bytes.fromhex("0a14120805000000060000001a08000000bf000080be")


def _sequence(reason: StopReason) -> SampledSequence:
    return SampledSequence(reason, np.array([5, 6], np.int32), np.array([-0.5, -0.25], np.float32))


CUT = SampleResponse([_sequence(StopReason.LENGTH)], np.array([np.nan, -1.0], np.float32))
ENDED = SampleResponse([_sequence(StopReason.STOP)])


@pytest.mark.parametrize(("body", "response"), [(A5, CUT), (A5_STOP, ENDED)], ids=["A5", "A5 stop"])
def test_the_protocol_documents_answers_are_ours(body: bytes, response: SampleResponse) -> None:
    """Bytes that the official SDK reads, written and read by us."""
    assert decode_sample_response(body) == response
    assert encode_sample_response(response) == body


@given(RESPONSES)
def test_an_answer_survives_the_wire_and_the_official_sdk_reads_the_same(response: SampleResponse) -> None:
    """With and without every option."""
    body = encode_sample_response(response)
    assert decode_sample_response(body) == response
    judged = deserialize_sample_response(body)
    assert arrays_equal(judged.prompt_logprobs_np, response.prompt_logprobs_np)
    for ours, theirs in zip(response.sequences, judged.sequences, strict=True):
        assert ours.stop_reason == theirs.stop_reason
        assert arrays_equal(ours.tokens_np, theirs.tokens_np)
        assert arrays_equal(ours.logprobs_np, theirs.logprobs_np)
        if ours.topk_logprobs_np is not None and theirs.topk_logprobs_np is not None:
            assert arrays_equal(ours.topk_logprobs_np.token_ids, theirs.topk_logprobs_np.token_ids)
            assert arrays_equal(ours.topk_logprobs_np.logprobs, theirs.topk_logprobs_np.logprobs)


def test_empty_logprobs_and_tables_count_as_absent() -> None:
    """Which is how the protocol says that there are none."""
    message = pb.SampleResponse(prompt_logprobs=b"", topk_prompt_logprobs=pb.TopkLogprobs(k=3))
    message.sequences.add(tokens=b"", logprobs=b"", topk_sampled_logprobs=pb.TopkLogprobs(length=2))
    response = decode_sample_response(message.SerializeToString())
    assert response == SampleResponse([SampledSequence(StopReason.STOP, np.empty(0, np.int32))])


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (pb.SampleResponse(sequences=[pb.SampledSequence(stop_reason=7)]), r"sequences\[0\].stop_reason"),  # type: ignore[arg-type] # wrong on purpose
        (pb.SampleResponse(sequences=[pb.SampledSequence(tokens=b"123")]), r"sequences\[0\].tokens"),
        (pb.SampleResponse(sequences=[pb.SampledSequence(tokens=bytes(8), logprobs=bytes(4))]), "one for each token"),
        (pb.SampleResponse(prompt_logprobs=b"1"), "prompt_logprobs"),
        (pb.SampleResponse(topk_prompt_logprobs=pb.TopkLogprobs(k=2**31, length=2**31)), "topk_prompt_logprobs"),
        (pb.SampleResponse(target_prompt_logprobs=pb.Tensor(dense=bytes(4))), "target_prompt_logprobs"),
        (
            pb.SampleResponse(target_prompt_logprobs=pb.Tensor(dense=bytes(4), dtype=pb.DTYPE_FLOAT32, shape=[2])),
            "needs 2",
        ),
    ],
)
def test_an_answer_that_lies_is_one_typed_error(message: pb.SampleResponse, path: str) -> None:
    """Naming the place."""
    with pytest.raises(ResponseInvalid, match=path):
        decode_sample_response(message.SerializeToString())


def test_a_sparse_bomb_is_refused() -> None:
    """A few bytes must not stand for a terabyte."""
    crow = np.array([0, 0], "<i8").tobytes()
    bomb = pb.Tensor(sparse_csr=pb.SparseCsr(crow_indices=crow), dtype=pb.DTYPE_FLOAT32, shape=[1, 2**50])
    with pytest.raises(ResponseInvalid, match="when dense"):
        decode_sample_response(pb.SampleResponse(target_prompt_logprobs=bomb).SerializeToString())


@given(RESPONSES.map(encode_sample_response), st.data())
def test_a_mangled_answer_is_read_or_refused(body: bytes, data: st.DataObject) -> None:
    """A client meets every byte sequence there is."""
    start = data.draw(st.integers(0, len(body)))
    mangled = body[:start] + data.draw(st.binary(max_size=6)) + body[start + data.draw(st.integers(0, 4)) :]
    try:
        decode_sample_response(mangled)
    except ResponseInvalid as error:
        assert error.operation == "sample"  # noqa: PT017 - not raising is fine as well


def test_decoding_does_not_copy() -> None:
    """Views of the body: a batch of long samples costs nothing twice."""
    response = decode_sample_response(encode_sample_response(CUT))
    assert not response.sequences[0].tokens_np.flags.owndata


@pytest.mark.parametrize("tensor", [TensorData([1.0], "float32", [1]), TensorData([1.0, 2.0], "float32")])
def test_targets_survive_with_and_without_a_shape(tensor: TensorData) -> None:
    """A server need not say it for a flat one."""
    with_target = SampleResponse([], target_prompt_logprobs=tensor)
    assert decode_sample_response(encode_sample_response(with_target)).target_prompt_logprobs == tensor
