"""Sessions: begin, heartbeat, end."""

from tinkex_actors.local.http.call import Answer, Call, answer_json, answer_with
from tinkex_actors.local.service import Service
from tinkex_actors.types.ids import SessionId
from tinkex_actors.types.sessions import CreateSessionResponse
from tinkex_actors.wire.requests import CreateSessionRequest, FinishSessionRequest, SessionHeartbeatRequest


async def create_session(service: Service, call: Call) -> Answer:
    """``POST create_session``. A repeat is known by its idempotency key."""
    request = call.decode(CreateSessionRequest)
    session = service.create_session(call.owner, request, call.headers.get("x-idempotency-key"))
    return answer_with(CreateSessionResponse(session.session_id))


async def heartbeat(service: Service, call: Call) -> Answer:
    """``POST session_heartbeat``. 410 once the session is over."""
    request = call.decode(SessionHeartbeatRequest)
    service.sessions.beat(request.session_id, call.owner, now=service.clock())
    return answer_json(type="session_heartbeat")


async def finish(service: Service, call: Call) -> Answer:
    """``POST sessions/{session_id}/finish``. The first reason stands; a repeat is welcome."""
    request = call.decode(FinishSessionRequest)
    session = service.sessions.find(SessionId(call.path["session_id"]), call.owner)
    await service.end_session(session, request.reason.type, request.detail)
    return answer_json()
