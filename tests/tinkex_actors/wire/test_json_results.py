"""Results and training requests in JSON: the generation of servers before protobuf."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import assume, given

from tests.tinkex_actors.wire.strategies import OUTPUTS, REQUESTS, RESPONSES
from tinkex_actors.types import (
    EMPTY_LOGPROB,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    RequestInvalid,
    ResponseInvalid,
    SampleResponse,
    TensorData,
)
from tinkex_actors.wire import ForwardBackwardJsonRequest, decode_answer, decode_request, encode_json


def test_a_sample_as_older_servers_write_it_is_read() -> None:
    """Lists, null for what is undefined, pairs for tables."""
    body = (
        b'{"sequences":[{"tokens":[5,6],"logprobs":[-0.5,-0.25],"stop_reason":"length"}],'
        b'"prompt_logprobs":[null,-1.0],"topk_prompt_logprobs":[null,[[7,-0.5],[8,-1]]],"type":"sample"}'
    )
    response = decode_answer(SampleResponse, body)
    (sequence,) = response.sequences
    assert (sequence.tokens, sequence.logprobs, sequence.stop_reason) == ([5, 6], [-0.5, -0.25], "length")
    assert response.prompt_logprobs == [None, -1.0]
    assert response.topk_prompt_logprobs == [None, [(7, -0.5), (8, -1.0)]]


def test_a_result_as_older_servers_write_it_is_read() -> None:
    """Null is NaN there, and metrics may be missing altogether."""
    body = b'{"loss_fn_outputs":[{"logprobs":{"data":[null,-1.5],"dtype":"float32","shape":[2]}}],"metrics":{"a":null}}'
    output = decode_answer(ForwardBackwardOutput, body)
    assert output.loss_fn_outputs == [{"logprobs": TensorData([float("nan"), -1.5], "float32", [2])}]
    assert np.isnan(output.metrics["a"])
    assert decode_answer(ForwardBackwardOutput, b'{"loss_fn_outputs":[]}').metrics == {}


@given(OUTPUTS)
def test_a_result_survives_json(output: ForwardBackwardOutput) -> None:
    """Except for infinities, for which JSON has no word."""
    tensors = [tensor for datum in output.loss_fn_outputs for tensor in datum.values()]
    assume(not any(np.isinf(tensor.data).any() for tensor in tensors))
    assume(not any(np.isinf(metric) for metric in output.metrics.values()))
    assert decode_answer(ForwardBackwardOutput, encode_json(output)) == output


@given(RESPONSES)
def test_a_sample_written_in_json_is_read(response: SampleResponse) -> None:
    """Tokens and reasons exactly; tables lose only empty cells."""
    read = decode_answer(SampleResponse, encode_json(response))
    assert [s.tokens for s in read.sequences] == [s.tokens for s in response.sequences]
    assert [s.stop_reason for s in read.sequences] == [s.stop_reason for s in response.sequences]


@given(REQUESTS)
def test_training_data_survive_json(request: ForwardBackwardRequest) -> None:
    """Without provenance, which that generation does not know; and not at all if JSON would bend a number."""
    envelope = ForwardBackwardJsonRequest(request.forward_backward_input, request.model_id, request.seq_id)
    try:
        read = decode_request(ForwardBackwardJsonRequest, encode_json(envelope))
    except RequestInvalid as error:
        assert error.got == "infinity"  # noqa: PT017 - only some data are infinite
        return
    assert (read.model_id, read.seq_id) == (request.model_id, request.seq_id)
    for ours, theirs in zip(request.forward_backward_input.data, read.forward_backward_input.data, strict=True):
        assert (theirs.model_input, theirs.loss_fn_inputs) == (ours.model_input, ours.loss_fn_inputs)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (
            {"sequences": [{"tokens": [1], "stop_reason": "eos"}]},
            r"sequences\[0\].stop_reason: expected stop or length",
        ),
        (
            {"sequences": [{"tokens": [1], "stop_reason": ["stop"]}]},
            r"stop_reason: expected stop or length, got \['stop'\]",
        ),
        (
            {"sequences": [], "target_prompt_logprobs": {"data": [1], "dtype": []}},
            "dtype: expected int64 or float32, got",
        ),
        ({"sequences": [{"tokens": [1], "stop_reason": "stop", "logprobs": [1, 2]}]}, r"sequences\[0\].logprobs"),
        ({"sequences": [{"tokens": [1.5], "stop_reason": "stop"}]}, r"sequences\[0\].tokens"),
        ({"sequences": [], "prompt_alt_tokens": {"tokens": 1}}, "prompt_alt_tokens.tokens: expected an object, got 1"),
        (
            {"sequences": [], "target_prompt_logprobs": {"data": [1], "dtype": "int64", "shape": [3]}},
            "target_prompt_logprobs",
        ),
        ({"sequences": None}, "sequences: expected a list"),
        ({"sequences": [], "prompt_logprobs": "x"}, "prompt_logprobs: expected a flat list"),
        ({"sequences": [], "prompt_logprobs": [1e300]}, "fit float32"),
        ({"sequences": [], "topk_prompt_logprobs": [[[1]]]}, r"topk_prompt_logprobs\[0\]: expected pairs"),
        ({"sequences": [], "topk_prompt_logprobs": [[[2**40, 1.0]]]}, "pairs of a token id"),
    ],
)
def test_a_wrong_sample_names_the_place(change: dict[str, object], path: str) -> None:
    """One error for all."""
    with pytest.raises(ResponseInvalid, match=path):
        decode_answer(SampleResponse, orjson.dumps(change))


WRONG_DATA: list[tuple[dict[str, Any], str]] = [
    ({"loss_fn": ""}, "loss_fn: expected the name of a loss"),
    ({"loss_fn_config": {"k": None}}, "loss_fn_config.k: expected a number or text, got None"),
    ({"loss_fn_config": 7}, "loss_fn_config: expected an object"),
    ({"data": [{"model_input": {"chunks": [{"tokens": ["a"]}]}}]}, r"data\[0\].model_input.chunks\[0\].tokens"),
    ({"data": [{"model_input": {"chunks": []}, "loss_fn_inputs": {"w": {}}}]}, r"data\[0\].loss_fn_inputs.w.dtype"),
]


@pytest.mark.parametrize(("change", "path"), WRONG_DATA)
def test_wrong_training_data_name_the_place(change: dict[str, Any], path: str) -> None:
    """A batch is long; the index is what its author needs."""
    whole: dict[str, Any] = {"data": [], "loss_fn": "ppo", **change}
    body = orjson.dumps({"forward_backward_input": whole, "model_id": "m"})
    with pytest.raises(RequestInvalid, match=f"forward_backward_input.{path}"):
        decode_request(ForwardBackwardJsonRequest, body)


def test_a_result_whose_type_is_no_text_is_refused() -> None:
    """Leaving it out is fine."""
    with pytest.raises(ResponseInvalid, match="loss_fn_output_type: expected text, got 7"):
        decode_answer(ForwardBackwardOutput, b'{"loss_fn_outputs":[],"loss_fn_output_type":7}')


def test_a_table_of_empty_rows_is_none() -> None:
    """Nothing was likely, or nothing was asked for."""
    assert (
        decode_answer(SampleResponse, b'{"sequences":[],"topk_prompt_logprobs":[null,[]]}').topk_prompt_logprobs is None
    )


def test_an_empty_row_of_a_table_is_none_and_short_rows_are_filled() -> None:
    """Matrices need rows of one length."""
    body = b'{"sequences":[],"topk_prompt_logprobs":[[],[[3,-1.0]],[[1,-0.1],[2,-0.2]]]}'
    response = decode_answer(SampleResponse, body)
    assert response.topk_prompt_logprobs_np is not None
    assert response.topk_prompt_logprobs_np.logprobs[1].tolist() == [-1.0, EMPTY_LOGPROB]
    assert response.topk_prompt_logprobs == [None, [(3, -1.0)], [(1, pytest.approx(-0.1)), (2, pytest.approx(-0.2))]]
