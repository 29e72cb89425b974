"""Bytes to types and back, in both encodings and both directions. No I/O, no clock.

============== ====================================================================================================
fwdbwd         `encode_forward_backward_request` / `decode_forward_backward_request` and the output's pair, protobuf;
               `encode_forward_backward_parts` gives the same body in pieces, without a copy of the arrays
samples        `encode_sample_response` / `decode_sample_response`, protobuf
json_codec     `encode_json`, `decode_answer` (client side), `decode_request` (server side)
requests       the bodies a client sends in JSON, one class for each operation
futures        what ``retrieve_future`` answers: `decode_retrieved`, `decode_try_again`, `encode_result`, `encode_not_yet`
============== ====================================================================================================

Whatever is wrong with bytes from outside is one error: `tinkex_actors.types.ResponseInvalid` on the client's side and
`tinkex_actors.types.RequestInvalid` on the server's. It names the path, what was expected and what was there.
Decoded arrays are read-only views of the bytes where the element type allows.
"""

from tinkex_actors.wire._json_results import (
    ForwardBackwardJsonRequest,
    ForwardJsonRequest,
)
from tinkex_actors.wire._parts import BodyParts, encode_forward_backward_parts
from tinkex_actors.wire.futures import (
    JSON,
    PROTOBUF,
    decode_retrieved,
    decode_try_again,
    encode_not_yet,
    encode_result,
    has_protobuf_result,
)
from tinkex_actors.wire.fwdbwd import (
    decode_forward_backward_output,
    decode_forward_backward_request,
    encode_forward_backward_output,
    encode_forward_backward_request,
)
from tinkex_actors.wire.json_codec import (
    decode_answer,
    decode_request,
    encode_json,
)
from tinkex_actors.wire.requests import (
    AssignProjectRequest,
    CancelFutureRequest,
    CheckpointTtlRequest,
    ClientConfigRequest,
    CopyWeightsRequest,
    CreateModelRequest,
    CreateSamplingSessionRequest,
    CreateSessionRequest,
    FinishReasonBody,
    FinishSessionRequest,
    GetInfoRequest,
    JoinSamplingSessionRequest,
    JoinSamplingSessionResponse,
    LoadWeightsRequest,
    OptimStepRequest,
    RetrieveFutureRequest,
    SampleRequest,
    SaveWeightsExternalRequest,
    SaveWeightsForSamplerRequest,
    SaveWeightsRequest,
    SessionHeartbeatRequest,
    SessionSearchRequest,
    UnloadModelRequest,
    WeightsInfoRequest,
)
from tinkex_actors.wire.samples import (
    decode_sample_response,
    encode_sample_response,
)

__all__ = [
    "JSON",
    "PROTOBUF",
    "AssignProjectRequest",
    "BodyParts",
    "CancelFutureRequest",
    "CheckpointTtlRequest",
    "ClientConfigRequest",
    "CopyWeightsRequest",
    "CreateModelRequest",
    "CreateSamplingSessionRequest",
    "CreateSessionRequest",
    "FinishReasonBody",
    "FinishSessionRequest",
    "ForwardBackwardJsonRequest",
    "ForwardJsonRequest",
    "GetInfoRequest",
    "JoinSamplingSessionRequest",
    "JoinSamplingSessionResponse",
    "LoadWeightsRequest",
    "OptimStepRequest",
    "RetrieveFutureRequest",
    "SampleRequest",
    "SaveWeightsExternalRequest",
    "SaveWeightsForSamplerRequest",
    "SaveWeightsRequest",
    "SessionHeartbeatRequest",
    "SessionSearchRequest",
    "UnloadModelRequest",
    "WeightsInfoRequest",
    "decode_answer",
    "decode_forward_backward_output",
    "decode_forward_backward_request",
    "decode_request",
    "decode_retrieved",
    "decode_sample_response",
    "decode_try_again",
    "encode_forward_backward_output",
    "encode_forward_backward_parts",
    "encode_forward_backward_request",
    "encode_json",
    "encode_not_yet",
    "encode_result",
    "encode_sample_response",
    "has_protobuf_result",
]
