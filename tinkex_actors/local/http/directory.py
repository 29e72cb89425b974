"""Finding sessions again."""

from datetime import datetime
from typing import Any

import orjson

from tinkex_actors.local.checkpoints import StoredCheckpoint
from tinkex_actors.local.http.call import Answer, Call, answer_json, answer_with
from tinkex_actors.local.http.runs import wants_accessible
from tinkex_actors.local.refusals import Unprocessable
from tinkex_actors.local.service import Service
from tinkex_actors.local.sessions import Session
from tinkex_actors.types import SessionSearchCursor, SessionStatusQuery
from tinkex_actors.types.ids import SessionId
from tinkex_actors.types.sessions import GetSessionResponse, ListSessionsResponse
from tinkex_actors.wire.requests import AssignProjectRequest, SessionSearchRequest

_MOST = 1000
_MOST_FOUND = 200
_NO_PROJECT = "local"


async def list_sessions(service: Service, call: Call) -> Answer:
    """``GET sessions``: the key's own, newest first, in pages."""
    wants_accessible(call)
    limit, offset = call.number("limit", 20, maximum=_MOST), call.number("offset", 0, maximum=2**31)
    mine = service.sessions.of(call.owner)[offset : offset + limit]
    return answer_with(ListSessionsResponse(tuple(session.session_id for session in mine)))


async def get_session(service: Service, call: Call) -> Answer:
    """``GET sessions/{session_id}``: what was made in it."""
    session = service.sessions.find(SessionId(call.path["session_id"]), call.owner)
    return answer_with(
        GetSessionResponse(
            tuple(session.model_ids),
            tuple(session.samplers.values()),
            user_metadata={name: str(value) for name, value in session.user_metadata.items()},
            display_name=session.display_name,
        )
    )


async def export_trace(service: Service, call: Call) -> Answer:
    """``GET sessions/{session_id}/trace_export``: there is none, and the answer says so."""
    service.sessions.find(SessionId(call.path["session_id"]), call.owner)
    return answer_json(status="failed", error="this server records no traces")


async def assign_project(service: Service, call: Call) -> Answer:
    """``PUT sessions/{session_id}/project``."""
    session = service.sessions.find(SessionId(call.path["session_id"]), call.owner)
    session.project_id = call.decode(AssignProjectRequest).project_id
    service.registry.put_session(session)
    return answer_json()


async def search_sessions(service: Service, call: Call) -> Answer:
    """``POST sessions/search``: newest first; ``next_cursor`` while there is more."""
    request = call.decode(SessionSearchRequest)
    if not 1 <= request.limit <= _MOST_FOUND:
        raise Unprocessable(f"limit must be within 1 and {_MOST_FOUND}, got {request.limit}")
    is_me = request.owner.type != "user" or call.owner in (request.owner.owner_urns or ())
    known = _behind(service.sessions.of(call.owner), request.cursor)
    found = [one for one in known if is_me and _matches(one, request)]
    page, rest = found[: request.limit], found[request.limit :]
    store, now = service.shop.store, service.shop.now()
    stored = await service.shop.compute(lambda: store.of_owner(call.owner, now=now), service.shop.disk)
    answer: dict[str, Any] = {"sessions": [_summarise(one, stored) for one in page]}
    if rest:
        answer["next_cursor"] = {"last_created_at": page[-1].created_at, "last_session_id": page[-1].session_id}
    return Answer(orjson.dumps(answer))


def _matches(session: Session, request: SessionSearchRequest) -> bool:
    return (
        request.session_id in (None, session.session_id)
        and (request.project_ids is None or (session.project_id or _NO_PROJECT) in request.project_ids)
        and (request.display_name is None or request.display_name in (session.display_name or ""))
        and all(session.user_metadata.get(name) == value for name, value in request.user_metadata.items())
        and (request.statuses is None or any(_has_status(session, status) for status in request.statuses))
    )


def _has_status(session: Session, status: SessionStatusQuery) -> bool:
    return _status(session)["type"] == status.type and (status.reasons is None or session.ended in status.reasons)


def _behind(newest_first: list[Session], cursor: SessionSearchCursor | None) -> list[Session]:
    """Cut the list behind the cursor's session; behind its moment, if that session is gone.

    Many sessions may share a moment, so their place in the list decides.
    """
    if cursor is None:
        return newest_first
    for place, session in enumerate(newest_first):
        if session.session_id == cursor.last_session_id:
            return newest_first[place + 1 :]
    moment = _parse_moment(cursor.last_created_at)
    return [session for session in newest_first if session.created_at < moment]


def _parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - without a time zone, which is refused below
    if moment.tzinfo is None:
        raise Unprocessable(f"cursor.last_created_at must be a date with a time zone, got {text[:40]!r}")
    return moment


def _status(session: Session) -> dict[str, object]:
    if session.ended is None:
        return {"type": "active"}
    if session.ended == "expired":
        return {"type": "cancelled", "detail": session.detail}
    return {"type": "client_finished", "reason": {"type": session.ended}, "detail": session.detail}


def _summarise(session: Session, stored: list[StoredCheckpoint]) -> dict[str, object]:
    mine = [one for one in stored if one.path.run_id in session.model_ids]
    return {
        "session_id": session.session_id,
        "created_at": session.created_at,
        "owner": session.owner,
        "project_id": session.project_id or _NO_PROJECT,
        "checkpoints_count": len(mine),
        "checkpoint_storage_bytes": sum(one.size_bytes for one in mine),
        "status": _status(session),
        "display_name": session.display_name,
        "user_metadata": session.user_metadata,
    }
