"""Fetching what was promised: one by one, or by one poll for many; and letting go of it."""

from functools import partial

from tinkex_actors.local.http.call import Answer, Call, answer_json, answer_with
from tinkex_actors.local.refusals import Gone
from tinkex_actors.local.results import unpack_for
from tinkex_actors.local.service import Service
from tinkex_actors.types.futures import FutureFailure, MetadataOnly, QueueState, TryAgain
from tinkex_actors.wire.futures import encode_not_yet
from tinkex_actors.wire.requests import (
    CancelFutureRequest,
    RetrieveFutureRequest,
    RetrieveFuturesRequest,
    RetrieveFuturesResponse,
)

_REASONS = {
    QueueState.PAUSED_RATE_LIMIT: "this sampling session decodes as many sequences as one may",
    QueueState.PAUSED_CAPACITY: "the server decodes as many sequences as it can hold",
}


async def retrieve_future(service: Service, call: Call) -> Answer:
    """``POST retrieve_future``: a long poll.

    The result as soon as it is there; 408 after a while, which clients take for "ask again" and nothing else; a failure
    is an answer like any other. A large result is announced first to a client that asks so.
    """
    request = call.decode(RetrieveFutureRequest)
    futures, limits = service.shop.futures, service.shop.limits
    promise = futures.find(request.request_id, call.owner)
    outcome = await futures.wait(request.request_id, call.owner, patience=0)
    if outcome is None:
        wait = partial(futures.wait, request.request_id, call.owner, patience=limits.long_poll)
        outcome = await call.while_there(wait)
    if outcome is None:
        state = promise.queue_state
        return Answer(encode_not_yet(TryAgain(request.request_id, state, _REASONS.get(state))), status=408)
    if isinstance(outcome, FutureFailure):
        return Answer(encode_not_yet(outcome))
    if request.allow_metadata_only and len(outcome.body) > limits.announced_result_bytes:
        return Answer(encode_not_yet(MetadataOnly(len(outcome.body))))
    finished = unpack_for(outcome, promise.request_type, call.headers.get("accept", ""))
    return Answer(finished.body, content_type=finished.content_type)


async def cancel_future(service: Service, call: Call) -> Answer:
    """``POST cancel_future``: a sample that nobody waits for any more. Training is not cancelled, nor what is done."""
    promise = service.shop.futures.find(call.decode(CancelFutureRequest).request_id, call.owner)
    if promise.outcome is None and promise.request_type == "Sample":
        await service.samplers.cancel(promise)
    return answer_json()


async def retrieve_futures(service: Service, call: Call) -> Answer:
    """``POST retrieve_futures``: what became of one client's samples since its last poll; a long poll."""
    request = call.decode(RetrieveFuturesRequest)
    sampling = await service.find_living_sampler(call.owner, request.target.sampling_session_id)
    log = sampling.completions_of(request.target.cloned_sampler_id)
    if sampling.is_reopened and request.prev_cursor > log.cursor:
        raise Gone("the server was restarted and its completions are lost; sample again")
    limit, is_closing = service.shop.limits.long_poll, service.shop.futures.is_closing
    patience = limit if request.timeout is None else min(max(request.timeout, 0.0), limit)
    read = partial(log.read, request.prev_cursor, 0.0 if is_closing else patience)
    found = await call.while_there(read) or ()
    return answer_with(RetrieveFuturesResponse(tuple(found), log.cursor))
