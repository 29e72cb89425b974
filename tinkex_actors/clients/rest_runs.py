"""The part of the REST client that looks at training runs and at the server itself."""

from typing import get_args

from tinkex_actors.clients.checks import check_text
from tinkex_actors.clients.desk import DeskClient, run_address, run_of
from tinkex_actors.clients.paging import PagedList, Part, list_by_offset, part_at
from tinkex_actors.transport.endpoints_rest import (
    API_KEY,
    CAPABILITIES,
    DELETE_API_KEY,
    HEALTH,
    TRAINING_RUN,
    TRAINING_RUNS,
    WEIGHTS_INFO,
)
from tinkex_actors.types import (
    AccessScope,
    ApiKeyResponse,
    GetServerCapabilitiesResponse,
    HealthResponse,
    ParsedCheckpointTinkerPath,
    TrainingRun,
    WeightsInfoResponse,
    WhoamiResponse,
)
from tinkex_actors.wire.requests import WeightsInfoRequest
from tinkex_actors.wire.token import decode_whoami


class RunsAtDesk(DeskClient):
    """Training runs, and the server itself."""

    async def check_health(self) -> HealthResponse:
        """Ask whether the server is well; needs no valid key."""
        return await self._desk.ask(HEALTH, None)

    async def get_server_capabilities(self) -> GetServerCapabilitiesResponse:
        """Ask which base models there are."""
        return await self._desk.ask(CAPABILITIES, None)

    async def whoami(self) -> WhoamiResponse:
        """Tell whom the credential stands for. Nothing is asked: a JWT says so itself, and is not checked.

        Raises:
            ValueError: The credential is no JWT; a plain key is looked at with :meth:`get_api_key`.
        """
        return decode_whoami(self._desk.settings.api_key)

    async def get_api_key(self) -> ApiKeyResponse:
        """Ask what the server knows of the API key in use."""
        return await self._desk.ask(API_KEY, None)

    async def delete_api_key(self) -> None:
        """Have the server forget the API key in use. Nothing can be done with it afterwards."""
        await self._desk.tell(DELETE_API_KEY, None, path={})

    def list_training_runs(
        self,
        *,
        limit: int | None = None,
        offset: int = 0,
        page_size: int = 100,
        access_scope: AccessScope = "owned",
        project_id: str | None = None,
    ) -> PagedList[TrainingRun]:
        """List training runs, the newest first: ``async for run in rest.list_training_runs()``.

        Args:
            limit: How many at most; ``None`` is all.
            offset: How many to pass over.
            page_size: How many to ask for at once.
            access_scope: The caller's own, or all that the caller may see.
            project_id: Of one project only.

        Raises:
            ValueError: An argument is out of its range; nothing was sent.
        """
        if project_id is not None:
            check_text("project_id", project_id)
        scope = scope_query(access_scope) | ({} if project_id is None else {"project_id": project_id})

        async def ask(start: int, count: int) -> Part[TrainingRun, int]:
            """Read one page."""
            query = {"limit": str(count), "offset": str(start), **scope}
            answer = await self._desk.ask(TRAINING_RUNS, None, query=query)
            return part_at(answer.training_runs, start, answer.cursor)

        return list_by_offset(ask, operation=TRAINING_RUNS.name, limit=limit, offset=offset, page_size=page_size)

    async def get_training_run(self, training_run_id: str, *, access_scope: AccessScope = "owned") -> TrainingRun:
        """Ask what a training run is: its base model, its owner, its last checkpoints.

        Raises:
            ValueError: The id cannot be one; nothing was sent.
            NotFoundError: There is no such run, or the caller may not see it.
        """
        return await self._desk.ask(
            TRAINING_RUN, None, path=run_address(training_run_id), query=scope_query(access_scope)
        )

    async def get_training_run_by_tinker_path(
        self, tinker_path: str, *, access_scope: AccessScope = "owned"
    ) -> TrainingRun:
        """Ask which training run a checkpoint belongs to.

        Raises:
            ValueError: It is no path of a checkpoint; nothing was sent.
            NotFoundError: There is no such run, or the caller may not see it.
        """
        return await self.get_training_run(run_of(tinker_path), access_scope=access_scope)

    async def get_weights_info_by_tinker_path(self, tinker_path: str) -> WeightsInfoResponse:
        """Ask what it takes to make a model that can load a checkpoint.

        Raises:
            ValueError: It is no path of a checkpoint; nothing was sent.
            NotFoundError: There is no such checkpoint.
        """
        path = ParsedCheckpointTinkerPath.from_tinker_path(tinker_path).tinker_path
        return await self._desk.ask(WEIGHTS_INFO, WeightsInfoRequest(path))


def scope_query(access_scope: AccessScope) -> dict[str, str]:
    """Write the scope into a query.

    Raises:
        ValueError: There is no such scope.
    """
    if access_scope not in get_args(AccessScope):
        raise ValueError(f"access_scope must be owned or accessible, got {access_scope!r}")
    return {"access_scope": access_scope}
