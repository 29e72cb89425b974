"""The JSON bodies a client sends, one class for each operation; fields are the protocol's, in its order.

A field that is ``None`` is left out of the body, except where the protocol sends null (`NULLABLE`). ``type`` is written
because servers of the protocol expect it; readers do not insist.
"""

from typing import Any, Literal

from attrs import field, frozen

from tinkex_actors.types import (
    AdamParams,
    DimuonParams,
    FinishReason,
    LoraConfig,
    ModelId,
    ModelInput,
    OptimizerConfig,
    OptimParams,
    OtherOptimParams,
    RequestId,
    SamplingClientKind,
    SamplingParams,
    SamplingSessionId,
    SearchOwner,
    SessionId,
    SessionSearchCursor,
    SessionStatusQuery,
    TensorData,
    TinkerPath,
)
from tinkex_actors.types.training import AdamOptimizerConfig

NULLABLE = {"nullable": True}
"""Metadata of a field whose ``None`` is written as null."""


@frozen
class ClientConfigRequest:
    """``client/config`` and ``client/dynamic_config``: which switches does this version get?"""

    sdk_version: str


@frozen
class CreateSessionRequest:
    """``create_session``."""

    tags: tuple[str, ...]
    user_metadata: dict[str, Any] = field(hash=False)
    """Nulls inside are kept."""
    sdk_version: str
    project_id: str | None = None
    display_name: str | None = None
    type: Literal["create_session"] = "create_session"


@frozen
class SessionHeartbeatRequest:
    """``session_heartbeat``."""

    session_id: SessionId
    type: Literal["session_heartbeat"] = "session_heartbeat"


@frozen
class FinishReasonBody:
    """How a session ended, as the protocol wraps it."""

    type: FinishReason


@frozen
class FinishSessionRequest:
    """``sessions/{id}/finish``."""

    reason: FinishReasonBody
    detail: str | None = field(default=None, metadata=NULLABLE)


@frozen
class CreateModelRequest:
    """``create_model``. Repeats are recognised by session and number."""

    session_id: SessionId
    model_seq_id: int
    """Of the session, from 0; shared with create-via-load."""
    base_model: str
    lora_config: LoraConfig | None = None
    optimizer_config: OptimizerConfig = field(factory=AdamOptimizerConfig)
    user_metadata: dict[str, Any] | None = field(default=None, hash=False)
    type: Literal["create_model"] = "create_model"


@frozen
class GetInfoRequest:
    """``get_info``."""

    model_id: ModelId
    type: Literal["get_info"] = "get_info"


@frozen
class UnloadModelRequest:
    """``unload_model``, on servers that have it."""

    model_id: ModelId
    type: Literal["unload_model"] = "unload_model"


@frozen
class RetrieveFutureRequest:
    """``retrieve_future``."""

    request_id: RequestId
    allow_metadata_only: bool = False
    """Whether a large result may be announced instead of sent; true at the first asking."""


@frozen
class CancelFutureRequest:
    """``cancel_future``."""

    request_id: RequestId


@frozen
class OptimStepRequest:
    """``optim_step``: exactly one of the two parameter fields is set; `for_params` chooses."""

    model_id: ModelId
    seq_id: int | None = None
    adam_params: AdamParams | None = None
    optimizer_params: DimuonParams | OtherOptimParams | None = None
    type: Literal["optim_step"] = "optim_step"

    @classmethod
    def for_params(cls, model_id: ModelId, seq_id: int, params: OptimParams) -> "OptimStepRequest":
        """Put *params* where the protocol has their family."""
        if isinstance(params, AdamParams):
            return cls(model_id, seq_id, adam_params=params)
        return cls(model_id, seq_id, optimizer_params=params)

    @property
    def params(self) -> OptimParams:
        """The parameters, whatever their family."""
        return self.adam_params or self.optimizer_params or AdamParams()


@frozen
class SaveWeightsRequest:
    """``save_weights``."""

    model_id: ModelId
    path: str
    """The caller's name for it."""
    seq_id: int | None = None
    overwrite: bool = False
    ttl_seconds: int | None = None
    user_metadata: dict[str, str] | None = field(default=None, hash=False)
    type: Literal["save_weights"] = "save_weights"


@frozen
class SaveWeightsForSamplerRequest:
    """``save_weights_for_sampler``: named by *path*, or ephemeral by *sampling_session_seq_id*."""

    model_id: ModelId
    path: str | None = None
    sampling_session_seq_id: int | None = None
    """Of the session, from 0; shared with create_sampling_session."""
    kind: SamplingClientKind = SamplingClientKind.SNAPSHOT
    seq_id: int | None = None
    ttl_seconds: int | None = None
    user_metadata: dict[str, str] | None = field(default=None, hash=False)
    type: Literal["save_weights_for_sampler"] = "save_weights_for_sampler"


@frozen
class SaveWeightsExternalRequest:
    """``save_weights_external``."""

    model_id: ModelId
    path: str
    seq_id: int | None = None
    ttl_seconds: int | None = None
    age_encryption_recipients: tuple[str, ...] | None = None
    type: Literal["save_weights_external"] = "save_weights_external"


@frozen
class LoadWeightsRequest:
    """``load_weights``: into a model (*model_id*, *seq_id*), or making one (*session_id*, *model_seq_id*)."""

    path: TinkerPath
    optimizer: bool = False
    """Load the optimizer's state as well."""
    model_id: ModelId | None = None
    seq_id: int | None = None
    session_id: SessionId | None = None
    model_seq_id: int | None = None
    base_model: str | None = None
    user_metadata: dict[str, Any] | None = field(default=None, hash=False)
    optimizer_config: OptimizerConfig | None = None
    weights_access_token: str | None = field(default=None, repr=False)
    type: Literal["load_weights"] = "load_weights"


@frozen
class CopyWeightsRequest:
    """``copy_weights``."""

    source_path: TinkerPath
    destination_project_id: str
    ttl_seconds: int | None = None


@frozen
class WeightsInfoRequest:
    """``weights_info``."""

    tinker_path: TinkerPath


@frozen
class CheckpointTtlRequest:
    """``checkpoints/…/ttl``."""

    ttl_seconds: int | None = field(default=None, metadata=NULLABLE)
    """``None`` keeps the checkpoint for good."""


@frozen
class AssignProjectRequest:
    """``sessions/{id}/project``."""

    project_id: str


@frozen
class SessionSearchRequest:
    """``sessions/search``. Filters that are ``None`` are left out and match everything."""

    user_metadata: dict[str, str] = field(factory=dict[str, str], hash=False)
    owner: SearchOwner = field(factory=SearchOwner)
    session_id: SessionId | None = None
    project_ids: tuple[str, ...] | None = None
    display_name: str | None = None
    statuses: tuple[SessionStatusQuery, ...] | None = None
    limit: int = 50
    """Of this page."""
    cursor: SessionSearchCursor | None = None


@frozen
class CreateSamplingSessionRequest:
    """``create_sampling_session``."""

    session_id: SessionId
    sampling_session_seq_id: int
    base_model: str | None = None
    model_path: TinkerPath | None = None
    type: Literal["create_sampling_session"] = "create_sampling_session"


@frozen
class JoinSamplingSessionRequest:
    """``join_sampling_session``: number this copy of a sampling client."""

    sampling_session_id: SamplingSessionId
    type: Literal["join_sampling_session"] = "join_sampling_session"


@frozen
class JoinSamplingSessionResponse:
    """The number of this copy."""

    client_counter: int


@frozen
class SampleRequest:
    """``asample``. Repeats are recognised by session and number; numbers may leave gaps."""

    num_samples: int
    prompt: ModelInput
    sampling_params: SamplingParams
    sampling_session_id: SamplingSessionId | None = None
    seq_id: int | None = None
    base_model: str | None = None
    model_path: TinkerPath | None = None
    prompt_logprobs: bool | None = None
    """``None`` leaves the field out."""
    topk_prompt_logprobs: int = 0
    topk_sample_logprobs: int = 0
    prompt_alt_tokens_k: int = 0
    target_prompt_logprobs: TensorData | None = None
    """int64, shape ``(prompt length - 1, k)``; -1 asks for nothing."""
    prompt_logprobs_last_n: int | None = None
    record_stability_info: bool | None = None
    type: Literal["sample"] = "sample"

    def numbered(self, seq_id: int) -> "SampleRequest":
        """Return the same request under a number."""
        # By position: `evolve` takes five times as long, and every sample passes here.
        return SampleRequest(
            self.num_samples,
            self.prompt,
            self.sampling_params,
            self.sampling_session_id,
            seq_id,
            self.base_model,
            self.model_path,
            self.prompt_logprobs,
            self.topk_prompt_logprobs,
            self.topk_sample_logprobs,
            self.prompt_alt_tokens_k,
            self.target_prompt_logprobs,
            self.prompt_logprobs_last_n,
            self.record_stability_info,
        )


@frozen
class PollTarget:
    """Whose samples ``retrieve_futures`` is about."""

    sampling_session_id: SamplingSessionId
    cloned_sampler_id: int
    type: Literal["sampling_session"] = "sampling_session"


@frozen
class RetrieveFuturesRequest:
    """``retrieve_futures``: one poll for all samples of one copy of a sampling client."""

    target: PollTarget
    prev_cursor: int
    """Everything at or before it is acknowledged."""
    timeout: float | None = None
    """In seconds; ``None`` lets the server choose, 0 only acknowledges."""
    retrieved_request_ids: tuple[RequestId, ...] = ()
    """Results that were fetched, so that the server may forget them."""


@frozen
class Completion:
    """A sample that is finished or has failed."""

    state: Literal["finished", "failed"]
    request_id: RequestId
    response_payload_uncompressed_size: int | None = None
    """In bytes."""


@frozen
class RetrieveFuturesResponse:
    """What was completed since the cursor."""

    completions: tuple[Completion, ...]
    cursor: int
