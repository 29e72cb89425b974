"""Real answers of every endpoint, whole; what they are broken from."""

from typing import Any

import numpy as np
from attrs import frozen

from tinkex_actors import types as t
from tinkex_actors.transport import endpoints, endpoints_rest
from tinkex_actors.transport.endpoints import OperationRow, Question
from tinkex_actors.transport.endpoints_rest import RestQuestion
from tinkex_actors.wire.futures import encode_result

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@frozen
class Seed:
    """One whole answer."""

    content: bytes
    content_type: str = JSON


def _sequence(length: int) -> t.SampledSequence:
    tokens = np.arange(length, dtype=np.int32)
    table = t.TopkLogprobs(np.zeros((length, 2), np.int32), np.full((length, 2), -1.0, np.float32))
    return t.SampledSequence(t.StopReason.LENGTH, tokens, np.full(length, -0.5, np.float32), topk_logprobs_np=table)


SAMPLE = t.SampleResponse([_sequence(3), _sequence(1)], np.array([np.nan, -1.0], np.float32))
OUTPUT = t.ForwardBackwardOutput(
    "ArrayRecord",
    [{"logprobs": t.TensorData.from_numpy(np.full(size, -1.0, np.float32))} for size in (3, 5)],
    {"loss:sum": 1.5, "tokens:max": 8.0},
)
_DOCUMENTS = [
    b'{"pjwt_auth_enabled": false, "fwdbwd_max_chunk_len": 1024, "sample_max_concurrent_requests": 2000}',
    b'{"refresh_interval_sec": 300, "sample_cancel_enabled": true, "sample_cancel_max_batch_size": 64}',
    b'{"session_id": "s", "type": "create_session", "info_message": "hello", "warning_message": null}',
    b'{"request_id": "r-1", "model_id": "s:train:0", "sample_sequence_ids": ["a", "b"]}',
    b'{"type": "try_again", "request_id": "r", "queue_state": "paused_capacity", "retry_after_ms": 5}',
    b'{"status": "complete_metadata", "response_payload_size": 1000}',
    b'{"error": "it failed", "category": "user"}',
    b'{"detail": "no such thing"}',
    b'{"model_id": "m", "type": "create_model"}',
    b'{"metrics": {"grad_norm": 1.5}, "type": "optim_step"}',
    b'{"path": "tinker://s:train:0/weights/a", "size_bytes": 10, "sampling_session_id": "q"}',
    b'{"model_id": "m", "model_data": {"arch": "a", "model_name": "n"}, "optimizer_config": {"type": "adamw"}}',
    b'{"supported_models": [{"model_name": "m", "max_context_length": 4096, "trainable": true}]}',
    b'{"sampler_id": "s", "base_model": "b", "model_path": "tinker://a/sampler_weights/b"}',
    b'{"sampling_session_id": "q"}',
    b'{"jwt": "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.c2ln"}',
    (
        b'{"training_runs": [{"training_run_id": "r", "base_model": "b", "model_owner": "o", "is_lora": true, "lora_rank": 8,'
        b' "last_request_time": "2026-01-01T00:00:00Z"}], "cursor": {"offset": 0, "limit": 20, "total_count": 1}}'
    ),
    (
        b'{"checkpoints": [{"checkpoint_id": "weights/a", "checkpoint_type": "training", "time": "2026-01-01T00:00:00Z",'
        b' "tinker_path": "tinker://r/weights/a", "size_bytes": 1}], "cursor": {"offset": 0, "limit": 20, "total_count": 1}}'
    ),
    (
        b'{"sessions": [{"session_id": "s", "created_at": "2026-01-01T00:00:00Z", "owner": "o", "project_id": "p",'
        b' "checkpoints_count": 0, "status": {"type": "active"}}]}'
    ),
    b'{"urls": {"a.safetensors": "https://x/y"}, "expires": "2026-01-01T00:00:00Z"}',
    b'{"sequences":[{"tokens":[5,6],"logprobs":[-0.5,-0.25],"stop_reason":"length"}],"prompt_logprobs":[null,-1.0]}',
    b'{"loss_fn_outputs":[{"logprobs":{"data":[-1,-1.5],"dtype":"float32","shape":[2]}}],"metrics":{"a":1}}',
    b"<html><body>502 Bad Gateway</body></html>",
    b"",
]
SEEDS = [
    *(Seed(document) for document in _DOCUMENTS),
    *(Seed(encode_result(result, accept=PROTOBUF)[1], PROTOBUF) for result in (SAMPLE, OUTPUT)),
]
_ROWS: list[Any] = [row for module in (endpoints, endpoints_rest) for row in vars(module).values()]
_ANSWERED: list[Any] = [row for row in _ROWS if isinstance(row, (Question, RestQuestion))]
ANSWERS: list[type[Any]] = sorted({row.answer for row in _ANSWERED}, key=lambda kind: str(kind.__name__))
"""Everything an endpoint answers."""
OPERATIONS: list[OperationRow[Any, Any]] = [row for row in _ROWS if isinstance(row, OperationRow)]
