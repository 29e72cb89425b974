"""The part of the REST client that finds sessions again."""

from collections.abc import Mapping, Sequence
from functools import partial

import trio

from tinkex_actors.clients.checks import check_text
from tinkex_actors.clients.desk import DeskClient, component
from tinkex_actors.clients.paging import PagedList, Part, Reader, check_sizes, list_by_offset, part_at
from tinkex_actors.clients.rest_runs import scope_query
from tinkex_actors.transport.endpoints_rest import (
    ASSIGN_PROJECT,
    SAMPLER,
    SEARCH_SESSIONS,
    SESSION,
    SESSIONS,
    TRACE_EXPORT,
)
from tinkex_actors.types import (
    AccessScope,
    GetSamplerResponse,
    GetSessionResponse,
    RequestFailedError,
    ResponseInvalid,
    SearchOwner,
    SessionId,
    SessionSearchCursor,
    SessionStatusQuery,
    SessionSummary,
)
from tinkex_actors.wire.requests import AssignProjectRequest, SessionSearchRequest

_MOST_FOUND = 200


class SessionsAtDesk(DeskClient):
    """Sessions, and what is in them."""

    async def get_session(self, session_id: str, *, access_scope: AccessScope = "owned") -> GetSessionResponse:
        """Ask which training runs and samplers a session has.

        Raises:
            ValueError: The id cannot be one; nothing was sent.
            NotFoundError: There is no such session, or the caller may not see it.
        """
        return await self._desk.ask(SESSION, None, path=_session(session_id), query=scope_query(access_scope))

    def list_sessions(
        self, *, limit: int | None = None, offset: int = 0, page_size: int = 100, access_scope: AccessScope = "owned"
    ) -> PagedList[SessionId]:
        """List the ids of sessions, the newest first.

        Args:
            limit: How many at most; ``None`` is all.
            offset: How many to pass over.
            page_size: How many to ask for at once.
            access_scope: The caller's own, or all that the caller may see.

        Raises:
            ValueError: An argument is out of its range; nothing was sent.
        """
        scope = scope_query(access_scope)

        async def ask(start: int, count: int) -> Part[SessionId, int]:
            """Read one page."""
            query = {"limit": str(count), "offset": str(start), **scope}
            answer = await self._desk.ask(SESSIONS, None, query=query)
            return part_at(answer.sessions, start, None)

        return list_by_offset(ask, operation=SESSIONS.name, limit=limit, offset=offset, page_size=page_size)

    def search_sessions(
        self,
        *,
        session_id: str | None = None,
        project_ids: Sequence[str] | None = None,
        user_metadata: Mapping[str, str] | None = None,
        display_name: str | None = None,
        owner: SearchOwner | None = None,
        statuses: Sequence[SessionStatusQuery] | None = None,
        page_size: int = 50,
    ) -> PagedList[SessionSummary]:
        """Search for sessions, the newest first; every filter narrows, and one that is not given matches everything.

        Args:
            session_id: This one; with *display_name*, either may match.
            project_ids: In one of these projects.
            user_metadata: With all of these names and values.
            display_name: With these words in its name, in any case.
            owner: Whose; by default the caller's own.
            statuses: In one of these.
            page_size: How many to ask for at once, 1 to 200.

        Raises:
            ValueError: An argument is out of its range; nothing was sent.
        """
        check_sizes(None, page_size, most=_MOST_FOUND)
        _check_filters(user_metadata, owner, {"project_ids": project_ids, "statuses": statuses})
        if display_name == "" or (statuses is not None and not statuses):
            raise ValueError("display_name and statuses must not be empty; leave them out to match everything")

        async def ask(
            cursor: SessionSearchCursor | None, count: int
        ) -> Part[SessionSummary, SessionSearchCursor | None]:
            """Read one page."""
            request = SessionSearchRequest(
                dict(user_metadata or {}),
                owner or SearchOwner(),
                None if session_id is None else SessionId(session_id),
                None if project_ids is None else tuple(project_ids),
                display_name,
                None if statuses is None else tuple(statuses),
                count,
                cursor,
            )
            answer = await self._desk.ask(SEARCH_SESSIONS, request)
            return Part(answer.sessions, answer.next_cursor)

        return PagedList(partial(Reader(ask, page_size, SEARCH_SESSIONS.name).read, None, None))

    async def assign_session_project(self, session_id: str, project_id: str) -> None:
        """Move a session into a project, or from one to another. It cannot be taken out again.

        Raises:
            ValueError: An id cannot be one; nothing was sent.
            NotFoundError: There is no such session.
            PermissionDeniedError: The caller has no access to the project.
        """
        if project_id == "":
            raise ValueError("project_id must not be empty; a session cannot be taken out of its project")
        check_text("project_id", project_id)
        await self._desk.tell(ASSIGN_PROJECT, AssignProjectRequest(project_id), path=_session(session_id))

    async def get_sampler(self, sampler_id: str) -> GetSamplerResponse:
        """Ask what a sampling session samples from.

        Raises:
            ValueError: The id cannot be one; nothing was sent.
            NotFoundError: There is no such sampling session.
        """
        return await self._desk.ask(SAMPLER, None, path={"sampler_id": component("sampler_id", sampler_id)})

    async def export_session_trace(self, session_id: str) -> str:
        """Have the server build a trace of a session, wait for it, and return a link to it, good for about an hour.

        May be cancelled at any time; a later call goes on with what is built.

        Raises:
            ValueError: The id cannot be one; nothing was sent.
            RequestFailedError: The server could not build it; the message has the reason.
        """
        while True:
            state = await self._desk.ask(TRACE_EXPORT, None, path=_session(session_id))
            match state.status, state.url:
                case "ready", str(url):
                    return url
                case "ready", None:
                    raise ResponseInvalid(path="url", expected="a link", got="None", operation=TRACE_EXPORT.name)
                case "failed", _:
                    message = (
                        f"the trace of session {session_id} could not be built: {state.error or 'no reason given'}"
                    )
                    raise RequestFailedError(message, operation=TRACE_EXPORT.name)
                case _:
                    await trio.sleep(self._desk.settings.figures.trace_interval)


# object: these are the doors, and what comes in may be anything.
def _check_filters(user_metadata: object, owner: object, lists: Mapping[str, object]) -> None:
    if user_metadata is not None and not isinstance(user_metadata, Mapping):
        raise TypeError(f"user_metadata must map names to texts, got {type(user_metadata).__name__}")
    if owner is not None and not isinstance(owner, SearchOwner):
        raise TypeError(f"owner must be a SearchOwner, got {type(owner).__name__}; write SearchOwner(...)")
    for name, value in lists.items():
        if value is not None and (isinstance(value, str | bytes) or not isinstance(value, Sequence)):
            raise TypeError(f"{name} must be a list, got {type(value).__name__}")


def _session(session_id: str) -> dict[str, str]:
    return {"session_id": component("session_id", session_id)}
