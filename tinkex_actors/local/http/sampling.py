"""Sampling sessions and samples."""

from tinkex_actors.local.http.call import Answer, Call, answer_with
from tinkex_actors.local.service import Service
from tinkex_actors.types.ids import SamplingSessionId, TinkerPath
from tinkex_actors.types.sessions import CreateSamplingSessionResponse, GetSamplerResponse
from tinkex_actors.wire.requests import (
    CreateSamplingSessionRequest,
    JoinSamplingSessionRequest,
    JoinSamplingSessionResponse,
    SampleRequest,
)


async def create_sampling_session(service: Service, call: Call) -> Answer:
    """``POST create_sampling_session``."""
    request = call.decode(CreateSamplingSessionRequest)
    return answer_with(CreateSamplingSessionResponse(await service.create_sampling_session(call.owner, request)))


async def asample(service: Service, call: Call) -> Answer:
    """``POST asample``: a promise with the names of its sequences."""
    return answer_with(await service.sample(call.owner, call.decode(SampleRequest)))


async def get_sampler(service: Service, call: Call) -> Answer:
    """``GET samplers/{sampling_session_id}``."""
    session = service.samplers.find(call.owner, SamplingSessionId(call.path["sampling_session_id"]))
    path = None if session.model_path is None else TinkerPath(session.model_path)
    return answer_with(GetSamplerResponse(session.sampling_session_id, session.base_model, path))


async def join_sampling_session(service: Service, call: Call) -> Answer:
    """``POST join_sampling_session``: a number for one more copy of a sampling client; the first client is 0."""
    request = call.decode(JoinSamplingSessionRequest)
    sampling = await service.find_living_sampler(call.owner, request.sampling_session_id)
    return answer_with(JoinSamplingSessionResponse(service.samplers.join(sampling)))
