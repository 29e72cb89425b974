"""`tinkex_actors.wire.json_codec`: bodies as the official SDK sends them, read strictly, written exactly."""

from datetime import UTC, datetime
from typing import Any

import attrs
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinker import types as sdk

from tinkex_actors import types, wire
from tinkex_actors.types import (
    AdamParams,
    Checkpoint,
    ClientConfigResponse,
    CreateModelResponse,
    DimuonOptimizerConfig,
    DimuonParams,
    DmelChunk,
    EncodedTextChunk,
    FinishReason,
    GetInfoResponse,
    GetServerCapabilitiesResponse,
    ImageAssetPointerChunk,
    ImageChunk,
    LoraConfig,
    ModelId,
    ModelInput,
    OtherOptimizerConfig,
    OtherOptimParams,
    Promise,
    RequestId,
    RequestInvalid,
    ResponseInvalid,
    SamplingParams,
    SamplingSessionId,
    SessionId,
    SupportedModel,
    TensorData,
    TinkerPath,
)
from tinkex_actors.wire import decode_answer, decode_request, encode_json

S, M, Q = SessionId("S"), ModelId("S:train:0"), SamplingSessionId("Q")
PARAMS = SamplingParams(max_tokens=2, stop=["\n"])
SAMPLE = wire.SampleRequest(
    2, ModelInput.from_ints([1, 2, 3]), PARAMS, Q, 0, prompt_logprobs=True, record_stability_info=False
)
PATH = TinkerPath("tinker://r/weights/ck")

CAPTURED: list[tuple[Any, str]] = [
    (wire.ClientConfigRequest("0.38.0"), '{"sdk_version":"0.38.0"}'),
    (
        wire.CreateSessionRequest((), {"a": "b"}, "0.38.0", display_name="dn"),
        '{"tags":[],"user_metadata":{"a":"b"},"sdk_version":"0.38.0","display_name":"dn","type":"create_session"}',
    ),
    (wire.SessionHeartbeatRequest(S), '{"session_id":"S","type":"session_heartbeat"}'),
    (
        wire.CreateModelRequest(S, 0, "m", LoraConfig(rank=8)),
        (
            '{"session_id":"S","model_seq_id":0,"base_model":"m","lora_config":{"rank":8,"train_unembed":true,'
            '"train_mlp":true,"train_attn":true},"optimizer_config":{"type":"adamw"},"type":"create_model"}'
        ),
    ),
    (
        wire.RetrieveFutureRequest(RequestId("R"), allow_metadata_only=True),
        '{"request_id":"R","allow_metadata_only":true}',
    ),
    (wire.GetInfoRequest(M), '{"model_id":"S:train:0","type":"get_info"}'),
    (
        wire.OptimStepRequest.for_params(M, 2, AdamParams()),
        (
            '{"model_id":"S:train:0","seq_id":2,"type":"optim_step","adam_params":{"learning_rate":0.0001,"beta1":0.9,'
            '"beta2":0.95,"eps":1e-12,"weight_decay":0.0,"grad_clip_norm":0.0}}'
        ),
    ),
    (
        wire.SaveWeightsRequest(M, "ck", 4),
        '{"model_id":"S:train:0","path":"ck","seq_id":4,"overwrite":false,"type":"save_weights"}',
    ),
    (
        wire.SaveWeightsForSamplerRequest(M, "ck", seq_id=5),
        '{"model_id":"S:train:0","path":"ck","kind":"snapshot","seq_id":5,"type":"save_weights_for_sampler"}',
    ),
    (
        wire.SaveWeightsForSamplerRequest(M, sampling_session_seq_id=0, seq_id=7),
        (
            '{"model_id":"S:train:0","sampling_session_seq_id":0,"kind":"snapshot","seq_id":7,'
            '"type":"save_weights_for_sampler"}'
        ),
    ),
    (
        wire.LoadWeightsRequest(PATH, session_id=S, model_seq_id=1),
        '{"session_id":"S","model_seq_id":1,"path":"tinker://r/weights/ck","optimizer":false,"type":"load_weights"}',
    ),
    (
        wire.CreateSamplingSessionRequest(S, 1, "m"),
        '{"session_id":"S","sampling_session_seq_id":1,"base_model":"m","type":"create_sampling_session"}',
    ),
    (
        SAMPLE,
        (
            '{"num_samples":2,"prompt":{"chunks":[{"tokens":[1,2,3],"type":"encoded_text"}]},"sampling_params":'
            '{"max_tokens":2,"stop":["\\n"],"temperature":1.0,"top_k":-1,"top_p":1.0},"sampling_session_id":"Q","seq_id":0,'
            '"prompt_logprobs":true,"topk_prompt_logprobs":0,"topk_sample_logprobs":0,"prompt_alt_tokens_k":0,'
            '"record_stability_info":false,"type":"sample"}'
        ),
    ),
    (
        wire.CopyWeightsRequest(PATH, "P", 3600),
        '{"source_path":"tinker://r/weights/ck","destination_project_id":"P","ttl_seconds":3600}',
    ),
    (wire.CheckpointTtlRequest(), '{"ttl_seconds":null}'),
    (
        wire.FinishSessionRequest(wire.FinishReasonBody(FinishReason.SUCCESS), "bye"),
        '{"reason":{"type":"success"},"detail":"bye"}',
    ),
    (
        wire.FinishSessionRequest(wire.FinishReasonBody(FinishReason.ERRORED)),
        '{"reason":{"type":"errored"},"detail":null}',
    ),
]


@pytest.mark.parametrize(("request_", "captured"), CAPTURED, ids=[type(r).__name__ for r, _ in CAPTURED])
def test_a_body_is_what_the_official_sdk_sends(request_: object, captured: str) -> None:
    """Captured from 0.38.0; and a server of ours reads it back."""
    assert orjson.loads(encode_json(request_)) == orjson.loads(captured)
    assert decode_request(type(request_), captured.encode()) == request_


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SAMPLE, sdk.SampleRequest),
        (
            wire.CreateModelRequest(S, 0, "m", LoraConfig(rank=8, seed=3), user_metadata={"k": "v"}),
            sdk.CreateModelRequest,
        ),
        (wire.OptimStepRequest.for_params(M, 1, DimuonParams(0.1)), sdk.OptimStepRequest),
        (wire.LoadWeightsRequest(PATH, model_id=M, seq_id=1, optimizer=True), sdk.LoadWeightsRequest),
        (wire.SaveWeightsRequest(M, "x", 1, ttl_seconds=3600, user_metadata={"a": "b"}), sdk.SaveWeightsRequest),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_official_types_accept_our_bodies(ours: object, theirs: Any) -> None:
    """They forbid unknown fields and wrong types."""
    theirs.model_validate_json(encode_json(ours))


CHUNKS = (
    EncodedTextChunk([1, -2]),
    EncodedTextChunk([]),
    ImageChunk(b"\x00\xff", "png", 3),
    ImageChunk(b"", "jpeg"),
    ImageAssetPointerChunk("loc", "jpeg"),
    DmelChunk(b"\x01"),
)


def test_every_chunk_of_a_prompt_survives_and_is_official() -> None:
    """Tagged, with base64 for bytes."""
    request = attrs.evolve(SAMPLE, prompt=ModelInput(CHUNKS))
    body = encode_json(request)
    assert decode_request(wire.SampleRequest, body) == request
    official = sdk.SampleRequest.model_validate_json(body)
    assert [chunk.type for chunk in official.prompt.chunks] == [
        "encoded_text", "encoded_text", "image", "image", "image_asset_pointer", "dmel",
    ]  # fmt: skip


@pytest.mark.tinkex("T129")
@pytest.mark.parametrize("asked", [None, False, True])
def test_prompt_logprobs_has_three_states(*, asked: bool | None) -> None:
    """Unset is absent; servers tell it from false."""
    body = orjson.loads(encode_json(attrs.evolve(SAMPLE, prompt_logprobs=asked)))
    assert body.get("prompt_logprobs", None) is asked
    assert ("prompt_logprobs" in body) is (asked is not None)


@pytest.mark.parametrize("stop", [None, "x", [], ["a", "b"], [1, 2]])
def test_every_form_of_stop_survives(stop: Any) -> None:
    """Empty is not absent: it turns every stop token off."""
    params = SamplingParams(stop=stop)
    assert ("stop" in orjson.loads(encode_json(params))) is (stop is not None)
    assert decode_request(SamplingParams, encode_json(params)) == params


def test_nulls_in_free_form_metadata_are_kept() -> None:
    """They are the user's."""
    body = encode_json(wire.CreateSessionRequest((), {"a": None}, "1"))
    assert orjson.loads(body)["user_metadata"] == {"a": None}


@pytest.mark.parametrize("metadata", [{"a": {1, 2}}, {"a": 2**70}])
def test_what_json_cannot_hold_is_refused_by_name(metadata: dict[str, Any]) -> None:
    """Not a TypeError out of a codec."""
    with pytest.raises(RequestInvalid, match="values that JSON can hold"):
        encode_json(wire.CreateSessionRequest((), metadata, "1"))


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (Promise, b"", r"\$: expected JSON, got nothing"),
        (Promise, b"<html>502</html>", r"\$: expected JSON, got b'<html>"),
        (Promise, b'{"request_id"', r"\$: expected JSON"),
        (Promise, b"[]", r"\$: expected an object, got \[\]"),
        (Promise, b"{}", r"request_id: expected a value, got nothing"),
        (Promise, b'{"request_id":7}', r"request_id: expected text, got 7"),
        (Promise, b'{"request_id":null}', r"request_id: expected text, got None"),
        (
            Promise,
            b'{"request_id":"1","sample_sequence_ids":["a",1]}',
            r"sample_sequence_ids\[1\]: expected text, got 1",
        ),
        (Promise, b'{"request_id":"1","sample_sequence_ids":"ab"}', r"sample_sequence_ids: expected a list, got 'ab'"),
        (ClientConfigResponse, b'{"pjwt_auth_enabled":null}', "pjwt_auth_enabled: expected true or false, got None"),
        (ClientConfigResponse, b'{"fwdbwd_max_chunk_len":true}', "fwdbwd_max_chunk_len: expected an integer, got True"),
        (ClientConfigResponse, b'{"fwdbwd_max_chunk_len":1.5}', "fwdbwd_max_chunk_len: expected an integer, got 1.5"),
        (types.OptimStepResponse, b'{"metrics":{"a":"1"}}', r"metrics.a: expected a number, got '1'"),
        (GetInfoResponse, b'{"model_id":"a","model_data":{"arch":1}}', "model_data.arch: expected text, got 1"),
        (types.ListSessionsResponse, b'{"sessions":{"a":1}}', "sessions: expected a list"),
        (
            types.CheckpointsListResponse,
            b'{"checkpoints":[{"checkpoint_id":"a"}]}',
            r"checkpoints\[0\].checkpoint_type",
        ),
        (
            types.Checkpoint,
            b'{"checkpoint_id":"a","checkpoint_type":"x"}',
            "checkpoint_type: expected one of training, sampler",
        ),
        (types.SessionSummary, b'{"session_id":"s","created_at":"soon"}', "created_at: expected a time in ISO 8601"),
        (types.ClientDynamicConfigResponse, b'{"refresh_interval_sec":"1"}', "refresh_interval_sec: expected a number"),
        (types.ExternalWeightsUrlsResponse, b'{"urls":{"a":1},"expires":"2026-01-01"}', "urls.a: expected text, got 1"),
        (
            types.ExternalWeightsUrlsResponse,
            b'{"urls":[],"expires":"2026-01-01"}',
            r"urls: expected an object, got \[\]",
        ),
        (
            GetInfoResponse,
            b'{"model_id":"a","model_data":{},"optimizer_config":{}}',
            "optimizer_config.type: expected the",
        ),
        (types.TelemetryResponse, b'{"status":"no"}', "status: expected 'accepted', got 'no'"),
        (types.FutureFailure, b'{"error":"e","category":7}', "category: expected one of unknown, server, user, got 7"),
    ],
)
def test_a_wrong_answer_names_path_expected_and_got(kind: type, body: bytes, message: str) -> None:
    """So that a person sees at once which side is wrong."""
    with pytest.raises(ResponseInvalid, match=message):
        decode_answer(kind, body, operation="x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_samples": "2"}, "num_samples: expected an integer"),
        ({"prompt": {"chunks": [{"type": "video"}]}}, r"prompt.chunks\[0\].type: expected one of encoded_text"),
        (
            {"prompt": {"chunks": [{"type": "encoded_text", "tokens": ["a"]}]}},
            r"prompt.chunks\[0\].tokens: expected a flat",
        ),
        ({"prompt": {"chunks": [{"type": "encoded_text", "tokens": [2**31]}]}}, "fit int32"),
        ({"prompt": {"chunks": [{"type": "encoded_text", "tokens": [[1]]}]}}, "a flat list"),
        (
            {"prompt": {"chunks": [{"type": "image", "data": "?", "format": "png"}]}},
            r"chunks\[0\].data: expected base64",
        ),
        ({"prompt": {"chunks": [{"type": "image", "data": "", "format": "gif"}]}}, r"chunks\[0\].format"),
        ({"prompt": {"chunks": 1}}, "prompt.chunks: expected a list"),
        ({"sampling_params": {"stop": [1, "a"]}}, "sampling_params.stop: expected text, a list"),
        ({"sampling_params": {"temperature": -1}}, "temperature must be >= 0"),
        ({"type": "other"}, "type: expected 'sample'"),
        (
            {"target_prompt_logprobs": {"data": [1], "dtype": "int64", "shape": [1.5]}},
            "shape: expected a list of integers",
        ),
        ({"target_prompt_logprobs": {"data": [[1], [2, 3]], "dtype": "int64"}}, "data: expected a flat list"),
        ({"target_prompt_logprobs": {"data": [1], "dtype": "int8"}}, "target_prompt_logprobs.dtype: expected int64"),
        ({"target_prompt_logprobs": {"data": [1], "dtype": "int64", "shape": [2]}}, "needs 2 elements"),
        (
            {"target_prompt_logprobs": {"data": "1", "dtype": "int64"}},
            "target_prompt_logprobs.data: expected a flat list of numbers",
        ),
    ],
)
def test_a_wrong_request_names_path_expected_and_got(change: dict[str, Any], message: str) -> None:
    """A server answers 422 with this text."""
    body = orjson.dumps({**orjson.loads(encode_json(SAMPLE)), **change})
    with pytest.raises(RequestInvalid, match=message):
        decode_request(wire.SampleRequest, body, operation="asample")


def test_unknown_fields_are_ignored() -> None:
    """Servers may add some at any time."""
    assert decode_answer(
        CreateModelResponse, b'{"model_id":"m","type":"create_model","new":[1]}'
    ) == CreateModelResponse(ModelId("m"))


@pytest.mark.tinkex("T130")
def test_capabilities_take_objects_text_and_nulls() -> None:
    """All three are found among servers."""
    body = b'{"supported_models":["a",{"model_name":"b","max_context_length":8},null,{}]}'
    assert decode_answer(GetServerCapabilitiesResponse, body) == GetServerCapabilitiesResponse(
        (SupportedModel("a"), SupportedModel("b", 8), SupportedModel())
    )
    with pytest.raises(ResponseInvalid, match=r"supported_models\[0\]: expected an object, got 1"):
        decode_answer(GetServerCapabilitiesResponse, b'{"supported_models":[1]}')


def test_an_unknown_optimizer_keeps_its_fields() -> None:
    """New families must not break old clients."""
    body = b'{"model_id":"m","model_data":{},"optimizer_config":{"type":"muon","x":1}}'
    info = decode_answer(GetInfoResponse, body)
    assert info.optimizer_config == OtherOptimizerConfig("muon", {"x": 1})
    assert orjson.loads(encode_json(info))["optimizer_config"] == {"type": "muon", "x": 1}


@pytest.mark.parametrize(
    "params",
    [AdamParams(learning_rate=0.5), DimuonParams(0.1), OtherOptimParams("muon", {"x": 1})],
)
def test_step_parameters_of_every_family_survive(params: types.OptimParams) -> None:
    """Each where the protocol has it; an unknown family with all its fields."""
    request = wire.OptimStepRequest.for_params(M, 1, params)
    assert decode_request(wire.OptimStepRequest, encode_json(request)).params == params


def test_sparse_tensors_and_tensors_without_shape_survive() -> None:
    """Targets of a prompt are mostly empty."""
    for tensor in (TensorData([7], "int64", [2, 3], [0, 0, 1], [2]), TensorData([1, 2], "int64")):
        request = attrs.evolve(SAMPLE, target_prompt_logprobs=tensor)
        assert decode_request(wire.SampleRequest, encode_json(request)) == request


def test_dimuon_models_survive() -> None:
    """The family is chosen when the model is made."""
    request = wire.CreateModelRequest(S, 0, "m", optimizer_config=DimuonOptimizerConfig())
    assert decode_request(wire.CreateModelRequest, encode_json(request)) == request


@pytest.mark.tinkex("T133", "F236", "F237", "F238")
def test_only_what_was_not_given_is_left_out() -> None:
    """Nothing, an empty text, false and zero say something; times are ISO 8601, and names are the protocol's."""
    absent = orjson.loads(encode_json(wire.SampleRequest(1, ModelInput.from_ints([1]), SamplingParams())))
    assert {"prompt_logprobs", "sampling_session_id", "seq_id", "base_model", "model_path"}.isdisjoint(absent)
    assert {"max_tokens", "seed", "stop"}.isdisjoint(absent["sampling_params"])
    params = SamplingParams(max_tokens=1, seed=0, stop="", temperature=0.0)
    given_ = orjson.loads(encode_json(attrs.evolve(SAMPLE, prompt_logprobs=False, seq_id=0, sampling_params=params)))
    assert (given_["prompt_logprobs"], given_["seq_id"]) == (False, 0)
    assert {"seed": 0, "stop": "", "temperature": 0.0}.items() <= given_["sampling_params"].items()
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    saved = Checkpoint("weights/a", types.CheckpointType.TRAINING, at, PATH)
    assert orjson.loads(encode_json(saved))["time"] == "2026-01-02T03:04:05+00:00"


def test_times_survive() -> None:
    """With zone and without."""
    body = (
        b'{"checkpoint_id":"weights/a","checkpoint_type":"training","time":"2026-01-02T03:04:05.678Z",'
        b'"tinker_path":"tinker://r/weights/a","expires_at":"2026-01-02T03:04:05"}'
    )
    checkpoint = decode_answer(Checkpoint, body)
    assert (checkpoint.time.isoformat(), checkpoint.public) == ("2026-01-02T03:04:05.678000+00:00", False)
    assert type(checkpoint.checkpoint_type) is types.CheckpointType
    assert decode_answer(Checkpoint, encode_json(checkpoint)) == checkpoint


def test_every_kind_of_body_has_its_functions() -> None:
    """A type that cattrs cannot take apart would fail at its first use in production."""
    for name in [*wire.__all__, *types.__all__]:
        kind = getattr(wire, name, None) or getattr(types, name)
        if isinstance(kind, type) and attrs.has(kind) and name.endswith(("Request", "Response", "Batch", "Body")):
            with pytest.raises(ResponseInvalid, match="expected an object, got 7"):
                decode_answer(kind, b"7")


NASTY = st.sampled_from([None, True, 7, -1, 2**63, 1.5, "", "x", [], [None], [1.5], {}, {"type": "x"}, [[1], [2, 3]]])
ANSWERS: list[tuple[type, Any]] = [
    (types.SampleResponse, {"sequences": [{"tokens": [1], "logprobs": [0.5], "stop_reason": "stop"}], "prompt_logprobs": [None, 1.0],
                            "topk_prompt_logprobs": [None, [[1, -0.5]]], "target_prompt_logprobs": {"data": [0.5], "dtype": "float32", "shape": [1, 1]}}),
    (types.ForwardBackwardOutput, {"loss_fn_output_type": "x", "loss_fn_outputs": [{"a": {"data": [1.0], "dtype": "float32", "shape": [1],
                            "sparse_crow_indices": None}}], "metrics": {"loss:sum": 1.0}}),
    (types.GetServerCapabilitiesResponse, {"supported_models": ["a", {"model_name": "b"}]}),
    (types.TrainingRun, {"training_run_id": "r", "base_model": "m", "model_owner": "o", "is_lora": True, "last_request_time": "2026-01-01T00:00:00Z"}),
]  # fmt: skip


def test_a_numbered_request_differs_in_its_number_and_in_nothing_else() -> None:
    """Its fields are copied one by one: a new one must not be forgotten."""
    full = wire.SampleRequest(
        *(2, SAMPLE.prompt, PARAMS, Q, 0, "m", PATH, True, 3, 4, 5),
        *(TensorData.from_numpy(np.ones((2, 2), np.int64)), 6, True),
    )
    assert all(part is not None for part in attrs.astuple(full, recurse=False))
    assert full.numbered(7) == attrs.evolve(full, seq_id=7)


@given(st.sampled_from([*[(type(r), orjson.loads(b)) for r, b in CAPTURED], *ANSWERS]), NASTY, st.data())
def test_a_mutated_body_is_read_or_refused(sample: tuple[type, Any], nasty: object, data: st.DataObject) -> None:
    """Any value at any place: a right value or the one error, never another."""
    kind, body = sample
    mutated = _replace(body, nasty, data)
    try:
        assert isinstance(decode_answer(kind, orjson.dumps(mutated), operation="x"), kind)
    except ResponseInvalid as error:
        assert error.path  # noqa: PT017 - not raising is fine as well


def _replace(value: Any, nasty: object, data: st.DataObject) -> Any:
    places = _places(value)
    if not places or data.draw(st.booleans()):
        return nasty
    place = data.draw(st.sampled_from(places))
    copy = value.copy()
    copy[place] = _replace(copy[place], nasty, data)
    return copy


def _places(value: Any) -> list[Any]:
    """Where something can be replaced: an object's names, a list's indices."""
    return list(value) if hasattr(value, "keys") else list(range(len(value))) if hasattr(value, "append") else []
