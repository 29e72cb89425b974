"""Every field of every answer that the official SDK knows is read, and written again as the SDK reads it."""

from typing import Any

import pytest
from tinker import types as sdk

from tinkex_actors import types
from tinkex_actors.wire import decode_answer, encode_json

PATH, SAMPLER = "tinker://r/weights/000001", "tinker://r/sampler_weights/000001"
TIME = "2026-01-02T03:04:05Z"
CHECKPOINT = {
    "checkpoint_id": "weights/000001",
    "checkpoint_type": "training",
    "time": TIME,
    "tinker_path": PATH,
    "size_bytes": 12,
    "public": True,
    "user_metadata": {"a": "b"},
    "expires_at": "2026-02-02T03:04:05Z",
}
RUN = {
    "training_run_id": "r",
    "base_model": "m",
    "model_owner": "o",
    "is_lora": True,
    "corrupted": True,
    "lora_rank": 8,
    "last_request_time": TIME,
    "last_checkpoint": CHECKPOINT,
    "last_sampler_checkpoint": {**CHECKPOINT, "checkpoint_type": "sampler", "tinker_path": SAMPLER},
    "user_metadata": {"c": "d"},
}
CURSOR = {"offset": 3, "limit": 7, "total_count": 11}

# For each of the protocol's answers, a body in which no field has the value that it has when it is left out.
ANSWERS: dict[str, dict[str, Any]] = {
    "AuthTokenResponse": {"jwt": "eyJ"},
    "Checkpoint": CHECKPOINT,
    "CheckpointsListResponse": {"checkpoints": [CHECKPOINT], "cursor": CURSOR},
    "ClientConfigResponse": {
        "pjwt_auth_enabled": True,
        "credential_default_source": "credential_cmd",
        "sample_dispatch_bytes_semaphore_size": 1,
        "inflight_response_bytes_semaphore_size": 2,
        "parallel_fwdbwd_chunks": False,
        "proto_compress_fwdbwd": True,
        "fwdbwd_max_chunk_len": 3,
        "fwdbwd_max_chunk_bytes_count": 4,
        "fwdbwd_dispatch_bytes_semaphore_size": 5,
        "billing_exception_max_pause_duration_sec": 6,
        "sample_no_retries": True,
        "sample_enable_stuck_detection": False,
        "sample_max_concurrent_requests": 7,
        "use_pyqwest_transport": False,
        "sample_use_retrieve_futures": True,
        "custom_loss_server_side": True,
        "sample_join_sampling_session": True,
    },
    "ClientDynamicConfigResponse": {
        "refresh_interval_sec": 8,
        "sample_cancel_enabled": True,
        "sample_cancel_max_batch_size": 9,
    },
    "CopyWeightsResponse": {"tinker_path": PATH},
    "CreateModelResponse": {"model_id": "S:train:0"},
    "CreateSamplingSessionResponse": {"sampling_session_id": "Q"},
    "CreateSessionResponse": {"session_id": "S", "info_message": "i", "warning_message": "w", "error_message": "e"},
    "Cursor": CURSOR,
    "ExternalWeightsUrlsResponse": {"urls": {"a": "https://a"}, "expires": TIME},
    "GetInfoResponse": {
        "model_id": "S:train:0",
        "model_data": {"arch": "a", "model_name": "m", "tokenizer_id": "t"},
        "is_lora": True,
        "lora_rank": 8,
        "model_name": "n",
    },
    "GetSamplerResponse": {"sampler_id": "Q", "base_model": "m", "model_path": SAMPLER},
    "GetServerCapabilitiesResponse": {
        "supported_models": [
            {"model_name": "m", "max_context_length": 7, "trainable": False, "sampleable": False},
        ]
    },
    "GetSessionResponse": {
        "training_run_ids": ["r"],
        "sampler_ids": ["Q"],
        "user_metadata": {"a": "b"},
        "display_name": "d",
    },
    "HealthResponse": {"status": "ok"},
    "ListSessionsResponse": {"sessions": ["S", "T"]},
    "LoadWeightsResponse": {"path": PATH, "model_id": "S:train:0"},
    "OptimStepResponse": {"metrics": {"a": 1.5}},
    "SaveWeightsExternalResponse": {"path": PATH},
    "SaveWeightsForSamplerResponse": {"path": SAMPLER},
    "SaveWeightsResponse": {"path": PATH},
    "TelemetryResponse": {"status": "accepted"},
    "TrainingRun": RUN,
    "TrainingRunsResponse": {"training_runs": [RUN], "cursor": CURSOR},
    "UnloadModelResponse": {"model_id": "S:train:0"},
    "WeightsInfoResponse": {
        "base_model": "m",
        "is_lora": True,
        "lora_rank": 8,
        "train_unembed": False,
        "train_mlp": False,
        "train_attn": False,
    },
    "WhoamiResponse": {"user_urn": "u", "org_urn": "o", "email": "e"},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_field_of_an_answer_is_lost(name: str) -> None:
    """Read here, written again, read by the SDK: the same as if the SDK had read it at once."""
    official: Any = getattr(sdk, name)
    body = official.model_validate(ANSWERS[name]).model_dump_json().encode()
    ours = decode_answer(getattr(types, name), body)
    assert official.model_validate_json(encode_json(ours)) == official.model_validate_json(body)
    assert all(getattr(ours, field) is not None for field in ANSWERS[name])


def test_every_answer_is_in_the_table() -> None:
    """One that the SDK knows and this table does not would be checked by nobody."""
    known = {name for name in types.__all__ if hasattr(sdk, name) and name.endswith("Response")}
    of_administrators = {name for name in known if name.startswith(("Audit", "Billing", "CurrentCheckpoint"))}
    elsewhere = {"SampleResponse", "SessionSearchResponse"}  # in test_samples and test_json_directory
    assert known - of_administrators - elsewhere == {name for name in ANSWERS if name.endswith("Response")}
