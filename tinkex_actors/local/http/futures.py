"""Fetching what was promised."""

from tinkex_actors.local.http.call import Answer, Call
from tinkex_actors.local.results import unpack_for
from tinkex_actors.local.service import Service
from tinkex_actors.types.futures import FutureFailure, MetadataOnly, TryAgain
from tinkex_actors.wire.futures import encode_not_yet
from tinkex_actors.wire.requests import RetrieveFutureRequest


async def retrieve_future(service: Service, call: Call) -> Answer:
    """``POST retrieve_future``: a long poll.

    The result as soon as it is there; 408 after a while, which clients take for "ask again" and nothing else; a failure
    is an answer like any other. A large result is announced first to a client that asks so.
    """
    request = call.decode(RetrieveFutureRequest)
    futures, limits = service.shop.futures, service.shop.limits
    promise = futures.find(request.request_id, call.owner)
    outcome = await futures.wait(request.request_id, call.owner, patience=limits.long_poll)
    if outcome is None:
        return Answer(encode_not_yet(TryAgain(request.request_id, promise.queue_state)), status=408)
    if isinstance(outcome, FutureFailure):
        return Answer(encode_not_yet(outcome))
    if request.allow_metadata_only and len(outcome.body) > limits.announced_result_bytes:
        return Answer(encode_not_yet(MetadataOnly(len(outcome.body))))
    finished = unpack_for(outcome, promise.request_type, call.headers.get("accept", ""))
    return Answer(finished.body, content_type=finished.content_type)
