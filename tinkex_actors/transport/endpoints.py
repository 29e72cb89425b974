"""Every endpoint the client uses, as typed rows: one operation is one row here and one method of a client.

An :class:`Endpoint` says what goes in. A :class:`Question` also says what its answer is. An :class:`OperationRow` is a
question whose answer is a promise, and says what the promise will bring. The columns are the protocol's: path, lane, how
hard it is tried, how long it may be silent.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import evolve, field, frozen

from tinkex_actors.transport.seam import PROTOBUF, Content, Lane, Persistence, Route
from tinkex_actors.types import (
    AuthTokenResponse,
    ClientConfigResponse,
    ClientDynamicConfigResponse,
    CreateModelResponse,
    CreateSamplingSessionResponse,
    CreateSessionResponse,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    GetInfoResponse,
    GetSamplerResponse,
    GetServerCapabilitiesResponse,
    LoadWeightsResponse,
    OptimStepResponse,
    Promise,
    SampleResponse,
    SaveWeightsExternalResponse,
    SaveWeightsForSamplerResponse,
    SaveWeightsResponse,
    TelemetryBatch,
    UnloadModelResponse,
)
from tinkex_actors.wire import encode_forward_backward_parts
from tinkex_actors.wire.json_codec import encode_forward_backward_json, encode_json
from tinkex_actors.wire.requests import (
    CancelFutureRequest,
    ClientConfigRequest,
    CreateModelRequest,
    CreateSamplingSessionRequest,
    CreateSessionRequest,
    FinishSessionRequest,
    GetInfoRequest,
    JoinSamplingSessionRequest,
    JoinSamplingSessionResponse,
    LoadWeightsRequest,
    OptimStepRequest,
    RetrieveFutureRequest,
    RetrieveFuturesRequest,
    RetrieveFuturesResponse,
    SampleRequest,
    SaveWeightsExternalRequest,
    SaveWeightsForSamplerRequest,
    SaveWeightsRequest,
    SessionHeartbeatRequest,
    UnloadModelRequest,
)

Q = TypeVar("Q")
R = TypeVar("R")


@frozen(kw_only=True)
class Endpoint(Route, Generic[Q]):
    """A row whose answer is read by nobody, or by someone who looks at its status first."""

    encode: Callable[[Q], Content] = field(default=encode_json)
    feature: str = ""
    """What a server without it does not offer, in words for people; empty where every kind of server has it."""


@frozen(kw_only=True)
class Question(Endpoint[Q], Generic[Q, R]):
    """A row whose answer, when it is a success, is an *R* in JSON."""

    answer: type[R]


@frozen(kw_only=True)
class OperationRow(Question[Q, Promise], Generic[Q, R]):
    """A row whose answer is the promise of an *R*."""

    answer: type[Promise] = Promise
    result: type[R]
    request_type: str
    """What ``X-Tinker-Request-Type`` calls it while its result is asked for."""


def encode_nothing(_: None) -> bytes:
    """Write the body of a request that has none."""
    return b""


# ---------------------------------------------------------------------- the session

CLIENT_CONFIG: Question[ClientConfigRequest, ClientConfigResponse] = Question(
    name="client/config", path="/api/v1/client/config", answer=ClientConfigResponse
)
DYNAMIC_CONFIG: Question[ClientConfigRequest, ClientDynamicConfigResponse] = Question(
    name="client/dynamic_config",
    path="/api/v1/client/dynamic_config",
    timeout="control_timeout",
    answer=ClientDynamicConfigResponse,
)
"""Asked for when a session opens: there is no earlier answer to fall back on."""
DYNAMIC_CONFIG_AGAIN = evolve(DYNAMIC_CONFIG, persistence=Persistence.ONCE)
"""The same while it lives: the next refresh is the retry."""
AUTH_TOKEN: Question[None, AuthTokenResponse] = Question(
    name="auth/token",
    path="/api/v1/auth/token",
    persistence=Persistence.ONCE,
    encode=encode_nothing,
    answer=AuthTokenResponse,
)
CREATE_SESSION: Question[CreateSessionRequest, CreateSessionResponse] = Question(
    name="create_session", path="/api/v1/create_session", answer=CreateSessionResponse
)
HEARTBEAT: Endpoint[SessionHeartbeatRequest] = Endpoint(
    name="session_heartbeat",
    path="/api/v1/session_heartbeat",
    persistence=Persistence.ONCE,
    timeout="control_timeout",
    is_vital=True,
)
FIRST_HEARTBEAT = evolve(HEARTBEAT, persistence=Persistence.RETRIES)
"""The one that asks whether a session still lives: there may be no next one."""
FINISH_SESSION: Endpoint[FinishSessionRequest] = Endpoint(
    name="sessions/finish",
    path="/api/v1/sessions/{session_id}/finish",
    timeout="control_timeout",
    is_vital=True,
)
TELEMETRY: Endpoint[TelemetryBatch] = Endpoint(
    name="telemetry",
    path="/api/v1/telemetry",
    lane=Lane.TELEMETRY,
    persistence=Persistence.ONCE,
    timeout="telemetry_timeout",
)
SERVER_CAPABILITIES: Question[None, GetServerCapabilitiesResponse] = Question(
    name="get_server_capabilities",
    path="/api/v1/get_server_capabilities",
    method="GET",
    encode=encode_nothing,
    answer=GetServerCapabilitiesResponse,
)
GET_INFO: Question[GetInfoRequest, GetInfoResponse] = Question(
    name="get_info", path="/api/v1/get_info", answer=GetInfoResponse
)

# ---------------------------------------------------------------------- promises

RETRIEVE_FUTURE: Endpoint[RetrieveFutureRequest] = Endpoint(
    name="retrieve_future",
    path="/api/v1/retrieve_future",
    lane=Lane.RETRIEVE,
    persistence=Persistence.ONCE,
    timeout="retrieve_timeout",
)
RETRIEVE_FUTURE_PROTOBUF: Endpoint[RetrieveFutureRequest] = Endpoint(
    name="retrieve_future",
    path="/api/v1/retrieve_future",
    lane=Lane.RETRIEVE,
    persistence=Persistence.ONCE,
    timeout="retrieve_timeout",
    accept=PROTOBUF,
)
CANCEL_FUTURE: Endpoint[CancelFutureRequest] = Endpoint(
    name="cancel_future",
    path="/api/v1/cancel_future",
    persistence=Persistence.ONCE,
    timeout="control_timeout",
    feature="cancelling a sample",
)

# ---------------------------------------------------------------------- training

CREATE_MODEL: OperationRow[CreateModelRequest, CreateModelResponse] = OperationRow(
    name="create_model",
    path="/api/v1/create_model",
    result=CreateModelResponse,
    request_type="CreateModel",
)
FORWARD_BACKWARD: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput] = OperationRow(
    name="forward_backward",
    path="/api/v1/forward_backward",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    content_type=PROTOBUF,
    encode=encode_forward_backward_parts,
    result=ForwardBackwardOutput,
    request_type="ForwardBackward",
)
FORWARD: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput] = OperationRow(
    name="forward",
    path="/api/v1/forward_backward",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    content_type=PROTOBUF,
    encode=encode_forward_backward_parts,
    result=ForwardBackwardOutput,
    request_type="Forward",
)
FORWARD_BACKWARD_JSON: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput] = OperationRow(
    name="forward_backward",
    path="/api/v1/forward_backward",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    encode=encode_forward_backward_json,
    result=ForwardBackwardOutput,
    request_type="ForwardBackward",
)
"""The same for servers of the JSON generation."""
FORWARD_JSON: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput] = OperationRow(
    name="forward",
    path="/api/v1/forward",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    encode=encode_forward_backward_json,
    result=ForwardBackwardOutput,
    request_type="Forward",
)
"""There, forward only has a route of its own instead of a flag."""
UNLOAD_MODEL: OperationRow[UnloadModelRequest, UnloadModelResponse] = OperationRow(
    name="unload_model",
    path="/api/v1/unload_model",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    feature="dropping a model before its session ends",
    result=UnloadModelResponse,
    request_type="UnloadModel",
)
OPTIM_STEP: OperationRow[OptimStepRequest, OptimStepResponse] = OperationRow(
    name="optim_step",
    path="/api/v1/optim_step",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    result=OptimStepResponse,
    request_type="OptimStep",
)
SAVE_WEIGHTS: OperationRow[SaveWeightsRequest, SaveWeightsResponse] = OperationRow(
    name="save_weights",
    path="/api/v1/save_weights",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    is_conflict_final=True,
    result=SaveWeightsResponse,
    request_type="SaveWeights",
)
SAVE_WEIGHTS_FOR_SAMPLER: OperationRow[SaveWeightsForSamplerRequest, SaveWeightsForSamplerResponse] = OperationRow(
    name="save_weights_for_sampler",
    path="/api/v1/save_weights_for_sampler",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    is_conflict_final=True,
    result=SaveWeightsForSamplerResponse,
    request_type="SaveWeightsForSampler",
)
SAVE_WEIGHTS_EXTERNAL: OperationRow[SaveWeightsExternalRequest, SaveWeightsExternalResponse] = OperationRow(
    name="save_weights_external",
    path="/api/v1/save_weights_external",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    is_conflict_final=True,
    feature="exports of adapters (save_weights_external)",
    result=SaveWeightsExternalResponse,
    request_type="SaveWeightsExternal",
)
LOAD_WEIGHTS: OperationRow[LoadWeightsRequest, LoadWeightsResponse] = OperationRow(
    name="load_weights",
    path="/api/v1/load_weights",
    lane=Lane.SUBMIT,
    persistence=Persistence.PATIENCE,
    result=LoadWeightsResponse,
    request_type="LoadWeights",
)
CREATE_VIA_LOAD: OperationRow[LoadWeightsRequest, LoadWeightsResponse] = OperationRow(
    name="load_weights",
    path="/api/v1/load_weights",
    persistence=Persistence.PATIENCE,
    result=LoadWeightsResponse,
    request_type="LoadWeights",
)

# ---------------------------------------------------------------------- sampling

_BACKPRESSURE = (("X-Tinker-Sampling-Backpressure", "1"),)
"""Tells the server that a 429 is understood as a pause."""

CREATE_SAMPLING_SESSION: Question[CreateSamplingSessionRequest, CreateSamplingSessionResponse] = Question(
    name="create_sampling_session",
    path="/api/v1/create_sampling_session",
    answer=CreateSamplingSessionResponse,
)
GET_SAMPLER: Question[None, GetSamplerResponse] = Question(
    name="samplers",
    path="/api/v1/samplers/{sampler_id}",
    method="GET",
    encode=encode_nothing,
    answer=GetSamplerResponse,
)
SAMPLE: OperationRow[SampleRequest, SampleResponse] = OperationRow(
    name="asample",
    path="/api/v1/asample",
    lane=Lane.SAMPLE,
    persistence=Persistence.PATIENCE,
    headers=_BACKPRESSURE,
    result=SampleResponse,
    request_type="Sample",
)
STREAM_SAMPLE: Endpoint[SampleRequest] = Endpoint(
    name="stream_sample",
    path="/api/v1/stream_sample",
    lane=Lane.SAMPLE,
    persistence=Persistence.PATIENCE,
    headers=_BACKPRESSURE,
    accept="text/event-stream",
    is_streamed=True,
    feature="samples token by token",
)
"""Answered with server-sent events."""
JOIN_SAMPLING_SESSION: Question[JoinSamplingSessionRequest, JoinSamplingSessionResponse] = Question(
    name="join_sampling_session",
    path="/api/v1/join_sampling_session",
    persistence=Persistence.PATIENCE,
    feature="numbers for the copies of a sampling client",
    answer=JoinSamplingSessionResponse,
)
RETRIEVE_FUTURES: Question[RetrieveFuturesRequest, RetrieveFuturesResponse] = Question(
    name="retrieve_futures",
    path="/api/v1/retrieve_futures",
    persistence=Persistence.ONCE,
    timeout="retrieve_timeout",
    answer=RetrieveFuturesResponse,
)
ACKNOWLEDGE_FUTURES: Question[RetrieveFuturesRequest, RetrieveFuturesResponse] = Question(
    name="retrieve_futures",
    path="/api/v1/retrieve_futures",
    persistence=Persistence.ONCE,
    timeout="control_timeout",
    answer=RetrieveFuturesResponse,
)
"""The same when nobody waits: the server answers at once."""
