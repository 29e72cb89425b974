"""What a service says about itself: its models, its flags, and what this kind of server can do at all."""

from attrs import evolve, field, fields, frozen

from tinkex_actors.types.ids import ModelId
from tinkex_actors.types.training import AdamOptimizerConfig, OptimizerConfig


@frozen
class SupportedModel:
    """A base model on offer. Servers may leave anything out."""

    model_name: str | None = None
    max_context_length: int | None = None
    """In tokens."""
    trainable: bool | None = None
    sampleable: bool | None = None


@frozen
class GetServerCapabilitiesResponse:
    """The base models on offer."""

    supported_models: tuple[SupportedModel, ...] = ()


@frozen
class ModelData:
    """What a model is made from."""

    arch: str | None = None
    model_name: str | None = None
    """The base model."""
    tokenizer_id: str | None = None
    """Which tokenizer it reads with, when that is not the base model's own name."""


@frozen
class GetInfoResponse:
    """What a model is."""

    model_id: ModelId
    model_data: ModelData
    optimizer_config: OptimizerConfig = field(factory=AdamOptimizerConfig)
    is_lora: bool | None = None
    lora_rank: int | None = None
    model_name: str | None = None


@frozen
class CreateModelResponse:
    """A model ready to train."""

    model_id: ModelId


@frozen
class UnloadModelResponse:
    """A model that is gone."""

    model_id: ModelId


@frozen
class AuthTokenResponse:
    """What a credential was exchanged for."""

    jwt: str = field(repr=False)


@frozen
class HealthResponse:
    """Whether the server is well."""

    status: str


@frozen
class ClientConfigResponse:
    """The switches that a service sets for its clients once, at their start. A missing one has its default."""

    pjwt_auth_enabled: bool = False
    """Exchange the key for a short-lived token."""
    credential_default_source: str = "api_key"
    """``credential_cmd`` makes the command the only source of keys."""
    sample_dispatch_bytes_semaphore_size: int = 10_485_760
    """Bytes of samples being submitted at once."""
    inflight_response_bytes_semaphore_size: int = 52_428_800
    """Bytes of large results being downloaded at once."""
    parallel_fwdbwd_chunks: bool = True
    """Send the slices of one call at once, the first last."""
    proto_compress_fwdbwd: bool = False
    """Compress forward_backward bodies with zstd."""
    fwdbwd_max_chunk_len: int = 1024
    """Most data in one slice."""
    fwdbwd_max_chunk_bytes_count: int = 5_000_000
    """Most estimated bytes in one slice."""
    fwdbwd_dispatch_bytes_semaphore_size: int = 50_000_000
    """Bytes of slices being submitted at once."""
    billing_exception_max_pause_duration_sec: int = 3600
    """How long a 402 is a pause rather than an error, in seconds."""
    sample_no_retries: bool = False
    """Do not repeat failed samples."""
    sample_enable_stuck_detection: bool = True
    """Give up on samples when nothing has succeeded for long."""
    sample_max_concurrent_requests: int = 2000
    """Most samples in flight for one sampling session."""
    use_pyqwest_transport: bool = True
    """Concerns the official SDK's transport only."""
    sample_use_retrieve_futures: bool = False
    """Ask for many results in one poll."""
    custom_loss_server_side: bool = False
    """Upload traced losses."""
    sample_join_sampling_session: bool = False
    """Let the server number the copies of a sampling client."""


@frozen
class ClientDynamicConfigResponse:
    """The switches that a service may turn while clients run."""

    refresh_interval_sec: float = 300.0
    """How often to ask again, in seconds; the client asks no more often than every 10 s."""
    sample_cancel_enabled: bool = False
    """Tell the server about abandoned samples."""
    sample_cancel_max_batch_size: int = 64
    """Most of those sent at once."""


def _can(what: str, otherwise: str, *, default: bool = True) -> bool:
    """Declare a capability: what a server with it does, and how the client manages without."""
    declared: bool = field(default=default, metadata={"what": what, "otherwise": otherwise})
    return declared


@frozen(kw_only=True)
class Capabilities:
    """What a server can do, as far as a session knows: begun with what the server says, narrowed by what it refuses.

    Each field's metadata says ``what`` a server with it does and how the client manages ``otherwise``.
    """

    protobuf_requests: bool = _can("takes training data as protobuf", "JSON, and `/forward` for forward only")
    sparse_tensors: bool = _can("takes sparse tensors", "the same tensors, dense")
    create_via_load: bool = _can(
        "makes a model from a checkpoint in one request",
        "`weights_info`, `create_model`, then `load_weights` as the model's first request",
    )
    unload_model: bool = _can(
        "drops a model before its session ends", "`NotSupportedByServer`; the model goes with its session"
    )
    other_optimizers: bool = _can("optimizes with others than AdamW", "`NotSupportedByServer`")
    external_weights: bool = _can(
        "exports adapters as PEFT files", "archives for downloads; `NotSupportedByServer` for `save_weights_external`"
    )
    sequence_ids: bool = _can("names the sequences of a sample", "`sequence_id` is `None`")
    stream_sample: bool = _can("sends tokens as they are drawn", "each sequence when it is complete")
    bulk_poll: bool = _can("answers one poll for many samples", "one poll for each sample", default=False)
    join_sampling_session: bool = _can(
        "numbers the copies of a sampling client", "a number drawn at random", default=False
    )
    finish: bool = _can("can be told that a session is over", "the session ends with its heartbeats")
    dynamic_config: bool = _can("has switches that turn while clients run", "their defaults")
    telemetry: bool = _can("takes telemetry", "none is sent")

    def without(self, name: str) -> "Capabilities":
        """Return a copy that lacks the capability *name*.

        Raises:
            ValueError: There is no such capability.
        """
        return self._with(name, is_there=False)

    def having(self, name: str) -> "Capabilities":
        """Return a copy that has the capability *name*.

        Raises:
            ValueError: There is no such capability.
        """
        return self._with(name, is_there=True)

    def _with(self, name: str, *, is_there: bool) -> "Capabilities":
        known = [attribute.name for attribute in fields(Capabilities)]
        if name not in known:
            raise ValueError(f"a capability must be one of {', '.join(known)}, got {name!r}")
        return evolve(self, **{name: is_there})
