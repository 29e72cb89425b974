"""Results as they wait to be fetched: protobuf for the two large ones, JSON for the rest.

Encoding happens once, in the worker thread that computed the result, so that a retrieval costs nothing and a promise
can be written down as it is. Clients of the JSON generation get the large ones encoded again when they ask.
"""

from tinkex_actors.local.futures import Finished
from tinkex_actors.types.sampling import SampleResponse
from tinkex_actors.types.training import ForwardBackwardOutput
from tinkex_actors.wire.futures import JSON, PROTOBUF, encode_result
from tinkex_actors.wire.fwdbwd import decode_forward_backward_output
from tinkex_actors.wire.json_codec import encode_json
from tinkex_actors.wire.samples import decode_sample_response


def pack(result: object) -> Finished:
    """Encode what an operation came to."""
    return Finished(*encode_result(result, accept=PROTOBUF))


def unpack_for(finished: Finished, request_type: str, accept: str) -> Finished:
    """Return the result in an encoding that the client accepts; *request_type* says what is inside."""
    if finished.content_type != PROTOBUF or PROTOBUF in accept:
        return finished
    result: SampleResponse | ForwardBackwardOutput
    if request_type == "Sample":
        result = decode_sample_response(finished.body)
    else:
        result = decode_forward_backward_output(finished.body)
    return Finished(JSON, encode_json(result))
