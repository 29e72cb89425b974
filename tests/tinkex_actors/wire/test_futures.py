"""`tinkex_actors.wire.futures`: every answer that polling can bring, both directions."""

import pytest

from tests.tinkex_actors.wire.test_fwdbwd import A4, RESULT
from tests.tinkex_actors.wire.test_samples import A5, CUT
from tinkex_actors.types import (
    CreateModelResponse,
    ForwardBackwardOutput,
    FutureFailure,
    MetadataOnly,
    ModelId,
    NotYet,
    OptimStepResponse,
    QueueState,
    RequestErrorCategory,
    RequestId,
    ResponseInvalid,
    SampleResponse,
    SaveWeightsResponse,
    TryAgain,
)
from tinkex_actors.wire import (
    JSON,
    PROTOBUF,
    decode_retrieved,
    decode_try_again,
    encode_not_yet,
    encode_result,
    has_protobuf_result,
)

WAITING = b'{"type":"try_again","request_id":"R1","queue_state":"%s"}'


@pytest.mark.tinkex("T128")
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (WAITING % b"active", TryAgain(RequestId("R1"), QueueState.ACTIVE)),
        (WAITING % b"Paused_Capacity", TryAgain(RequestId("R1"), QueueState.PAUSED_CAPACITY)),
        (WAITING % b"new_state", TryAgain(RequestId("R1"), QueueState.UNKNOWN)),
        (b'{"status":"complete_metadata","response_payload_size":7}', MetadataOnly(7)),
        (b'{"error":"boom","category":"User"}', FutureFailure("boom", RequestErrorCategory.USER)),
        (b'{"error":"boom","category":"?"}', FutureFailure("boom", RequestErrorCategory.UNKNOWN)),
        (b'{"error":{"why":1}}', FutureFailure('{"why":1}')),
        (
            b'{"status":"failed","error":{"message":"boom","category":"user"}}',
            FutureFailure("boom", RequestErrorCategory.USER),
        ),
        (
            b'{"status":"failed","error":{"message":"boom"},"category":"server"}',
            FutureFailure("boom", RequestErrorCategory.SERVER),
        ),
        (b'{"status":"failed","error":null}', FutureFailure("the server gives no reason")),
        (b'{"status":"failed"}', FutureFailure("the server gives no reason")),
        (b'{"status":"completed","result":{"metrics":{"a":1}}}', OptimStepResponse({"a": 1.0})),
        (b'{"status":"pending"}', TryAgain(retry_after_ms=1000)),
        (b'{"type":"try_again","request_id":"R1"}', TryAgain(RequestId("R1"))),
        (b'{"type":"try_again","queue_state":"active"}', TryAgain(None, QueueState.ACTIVE)),
        (b'{"type":"try_again","queue_state":null,"queue_state_reason":1,"retry_after_ms":-1}', TryAgain()),
        (b'{"metrics":{"a":1},"error":null}', OptimStepResponse({"a": 1.0})),
        (b'{"metrics":{"a":1}}', OptimStepResponse({"a": 1.0})),
        (b"{}", OptimStepResponse()),
    ],
)
def test_every_answer_to_a_poll_is_told_apart(body: bytes, answer: object) -> None:
    """Order matters: a result may have a field named status."""
    assert decode_retrieved(OptimStepResponse, body) == answer


@pytest.mark.tinkex("T128")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"status":"complete_metadata"}', "response_payload_size: expected a value, got nothing"),
        (b'{"paths":1}', "path: expected a value, got nothing"),
    ],
)
def test_a_broken_answer_to_a_poll_is_one_typed_error(body: bytes, message: str) -> None:
    """With the operation and the promise, so that a report can name them."""
    with pytest.raises(ResponseInvalid, match=message) as caught:
        decode_retrieved(SaveWeightsResponse, body, operation="save_weights", request_id=RequestId("R1"))
    assert (caught.value.operation, caught.value.request_id) == ("save_weights", "R1")


def test_protobuf_results_are_read_by_content_type() -> None:
    """Parameters of the content type do not matter."""
    kind = f"{PROTOBUF}; charset=binary"
    assert decode_retrieved(ForwardBackwardOutput, A4, content_type=kind) == RESULT
    assert decode_retrieved(SampleResponse, A5, content_type=kind) == CUT
    with pytest.raises(ResponseInvalid, match="expected a CreateModelResponse in JSON, got 2 bytes of protobuf"):
        decode_retrieved(CreateModelResponse, b"\x00\x00", content_type=PROTOBUF)


def test_a_broken_protobuf_result_names_the_callers_operation() -> None:
    """The decoder alone does not know it."""
    with pytest.raises(ResponseInvalid) as caught:
        decode_retrieved(
            SampleResponse, A5[:-1], content_type=PROTOBUF, operation="compute_logprobs", request_id=RequestId("R9")
        )
    assert (caught.value.operation, caught.value.request_id) == ("compute_logprobs", "R9")


def test_results_of_both_generations_are_written() -> None:
    """Protobuf where the client accepts it and the operation has it."""
    for result in (RESULT, CUT):
        for accept, content_type in ((PROTOBUF, PROTOBUF), (JSON, JSON)):
            kind, body = encode_result(result, accept=accept)
            assert (kind, decode_retrieved(type(result), body, content_type=kind)) == (content_type, result)
    assert encode_result(CreateModelResponse(ModelId("m")), accept=PROTOBUF) == (JSON, b'{"model_id":"m"}')


@pytest.mark.parametrize(
    "answer",
    [TryAgain(RequestId("R"), QueueState.PAUSED_RATE_LIMIT, "slow down", 100), MetadataOnly(9), FutureFailure("x")],
)
def test_what_is_no_result_survives_the_wire(answer: NotYet) -> None:
    """Server to client."""
    assert decode_retrieved(SaveWeightsResponse, encode_not_yet(answer)) == answer


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (WAITING % b"paused_capacity", TryAgain(RequestId("R1"), QueueState.PAUSED_CAPACITY)),
        (b'{"detail":"timeout"}', TryAgain()),
        (b'{"queue_state":7,"retry_after_ms":-1}', TryAgain()),
        (b'{"retry_after_ms":250,"queue_state_reason":"full"}', TryAgain(None, QueueState.UNKNOWN, "full", 250)),
        (b"", TryAgain()),
        (b"<html>", TryAgain()),
        (b"[1]", TryAgain()),
    ],
)
def test_a_408_means_try_again_whatever_its_body(body: bytes, answer: TryAgain) -> None:
    """The status says it all; the body is courtesy."""
    assert decode_try_again(body) == answer


def test_two_operations_have_protobuf_results() -> None:
    """For the others a client must not ask for it."""
    assert has_protobuf_result(SampleResponse)
    assert not has_protobuf_result(OptimStepResponse)
