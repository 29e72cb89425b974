"""Results as they wait to be fetched: protobuf for the two large ones, JSON for the rest.

Encoding happens once, where the result was computed, so that a retrieval costs nothing and the promise can be written
down as it is. Clients of the JSON generation get the large ones re-encoded on demand.
"""

from typing import Final, TypeAlias

import orjson
from attrs import Attribute, asdict

from tinkex_actors.local.futures import Finished
from tinkex_actors.types.sampling import SampleResponse
from tinkex_actors.types.service import CreateModelResponse
from tinkex_actors.types.training import ForwardBackwardOutput, OptimStepResponse
from tinkex_actors.types.weights import LoadWeightsResponse, SaveWeightsForSamplerResponse, SaveWeightsResponse
from tinkex_actors.wire.fwdbwd import encode_forward_backward_output
from tinkex_actors.wire.samples import encode_sample_response

JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"

SmallResult: TypeAlias = (
    CreateModelResponse | LoadWeightsResponse | OptimStepResponse | SaveWeightsResponse | SaveWeightsForSamplerResponse
)


def encode_result(result: SmallResult | ForwardBackwardOutput | SampleResponse) -> Finished:
    """Encode what an operation came to."""
    match result:
        case ForwardBackwardOutput():
            return Finished(PROTOBUF, encode_forward_backward_output(result))
        case SampleResponse():
            return Finished(PROTOBUF, encode_sample_response(result))
        case _:
            return Finished(JSON, orjson.dumps(asdict(result, filter=_is_given)))


def _is_given(_: "Attribute[object]", value: object) -> bool:
    return value is not None
