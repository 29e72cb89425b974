"""The part of the REST client that looks at checkpoints and puts them in order."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

from tinkex_actors.clients.checks import check_int, check_text
from tinkex_actors.clients.desk import DeskClient, checkpoint_address, run_address
from tinkex_actors.clients.paging import PagedList, Part, list_by_offset, part_at
from tinkex_actors.transport.endpoints_rest import (
    ARCHIVE,
    COPY_WEIGHTS,
    DELETE_CHECKPOINT,
    EXTERNAL_WEIGHTS_URLS,
    PUBLISH,
    RUN_CHECKPOINTS,
    SET_TTL,
    UNPUBLISH,
    USER_CHECKPOINTS,
    RestOrder,
)
from tinkex_actors.transport.refusal import status_error
from tinkex_actors.types import (
    Checkpoint,
    CheckpointArchiveUrl,
    CheckpointsListResponse,
    CheckpointType,
    ConflictError,
    ExternalWeightsUrlsResponse,
    NotFoundError,
    ParsedCheckpointTinkerPath,
    ResponseInvalid,
    TinkerPath,
)
from tinkex_actors.wire.json_codec import decode_answer
from tinkex_actors.wire.requests import CheckpointTtlRequest, CopyWeightsRequest

_REDIRECTS = range(300, 400)
_TOKEN_HEADER = "X-Tinker-Weights-Access-Token"  # noqa: S105 - a header's name


class CheckpointsAtDesk(DeskClient):
    """Checkpoints."""

    async def list_checkpoints(self, training_run_id: str) -> CheckpointsListResponse:
        """List the checkpoints of one run, the newest first.

        Raises:
            ValueError: The id cannot be one; nothing was sent.
            NotFoundError: There is no such run.
        """
        return await self._desk.ask(RUN_CHECKPOINTS, None, path=run_address(training_run_id))

    def list_user_checkpoints(
        self, *, limit: int | None = None, offset: int = 0, page_size: int = 100
    ) -> PagedList[Checkpoint]:
        """List the caller's checkpoints of all runs, the newest first.

        Args:
            limit: How many at most; ``None`` is all.
            offset: How many to pass over.
            page_size: How many to ask for at once.

        Raises:
            ValueError: An argument is out of its range; nothing was sent.
        """

        async def ask(start: int, count: int) -> Part[Checkpoint, int]:
            """Read one page."""
            query = {"limit": str(count), "offset": str(start)}
            answer = await self._desk.ask(USER_CHECKPOINTS, None, query=query)
            return part_at(answer.checkpoints, start, answer.cursor)

        return list_by_offset(ask, operation=USER_CHECKPOINTS.name, limit=limit, offset=offset, page_size=page_size)

    async def get_external_weights_urls(self, tinker_path: str) -> ExternalWeightsUrlsResponse:
        """Ask where the files of an export can be fetched; the links need no key and end at ``expires``.

        Raises:
            ValueError: It is no path of external weights; nothing was sent.
            NotSupportedByServer: The server has no exports; an older one may have archives.
        """
        path = ParsedCheckpointTinkerPath.from_tinker_path(tinker_path)
        if path.checkpoint_type is not CheckpointType.EXTERNAL:
            raise ValueError(f"only tinker://run/external_weights/name can be downloaded so, got {tinker_path!r}")
        return await self._desk.ask(EXTERNAL_WEIGHTS_URLS, None, path=checkpoint_address(path))

    async def get_checkpoint_archive_url(self, tinker_path: str) -> CheckpointArchiveUrl:
        """Ask an older server where a checkpoint can be fetched in one file; waits while it is being packed.

        The link is not followed. It needs no key, except where the server points to itself.

        Raises:
            ValueError: It is no path of a checkpoint; nothing was sent.
            NotSupportedByServer: The server has no archives; export with ``save_weights_external``.
        """
        address = checkpoint_address(ParsedCheckpointTinkerPath.from_tinker_path(tinker_path))
        answer = await self._desk.hear(ARCHIVE, None, path=address)
        if answer.status in _REDIRECTS:
            base = f"{self._desk.settings.base_url}{ARCHIVE.path.format_map(address)}"
            return _read_redirect(answer.headers, base)
        if not answer.is_success:
            raise status_error(ARCHIVE, answer)
        return decode_answer(ARCHIVE.answer, answer.content, operation=ARCHIVE.name)

    async def delete_checkpoint(self, training_run_id: str, checkpoint_id: str) -> None:
        """Delete a checkpoint for good. When this returns, there is none.

        Args:
            training_run_id: Whose it is.
            checkpoint_id: ``{kind}/{name}``, as lists give it.

        Raises:
            ValueError: The ids cannot be such; nothing was sent.
            NotFoundError: There was none to begin with. After an answer that was lost, this cannot be told from success
                and is not raised.
        """
        check_text("training_run_id", training_run_id)
        check_text("checkpoint_id", checkpoint_id)
        await self._delete(ParsedCheckpointTinkerPath.from_ids(training_run_id, checkpoint_id))

    async def delete_checkpoint_from_tinker_path(self, tinker_path: str) -> None:
        """Delete a checkpoint for good; see :meth:`delete_checkpoint`."""
        await self._delete(ParsedCheckpointTinkerPath.from_tinker_path(tinker_path))

    async def publish_checkpoint_from_tinker_path(self, tinker_path: str) -> None:
        """Let anybody load a checkpoint. One that is public already stays so.

        Raises:
            ValueError: It is no path of a checkpoint; nothing was sent.
            NotFoundError: There is no such checkpoint.
            PermissionDeniedError: It is somebody else's.
        """
        await self._turn(PUBLISH, tinker_path)

    async def unpublish_checkpoint_from_tinker_path(self, tinker_path: str) -> None:
        """Let nobody else load a checkpoint. One that is private already stays so.

        Raises:
            ValueError: It is no path of a checkpoint; nothing was sent.
            NotFoundError: There is no such checkpoint.
            PermissionDeniedError: It is somebody else's.
        """
        await self._turn(UNPUBLISH, tinker_path)

    async def set_checkpoint_ttl_from_tinker_path(self, tinker_path: str, ttl_seconds: int | None) -> None:
        """Have the server delete a checkpoint so many seconds from now, or never.

        Args:
            tinker_path: Which one.
            ttl_seconds: Above 0; services take an hour to ten years. ``None`` is never.

        Raises:
            ValueError: It is no path of a checkpoint, or no such time; nothing was sent.
            BadRequestError: The service does not take such a time.
        """
        path = ParsedCheckpointTinkerPath.from_tinker_path(tinker_path)
        request = CheckpointTtlRequest(_check_ttl(ttl_seconds))
        await self._desk.tell(SET_TTL, request, path=checkpoint_address(path))

    async def copy_weights(
        self,
        path: str,
        destination_project_id: str | None = None,
        *,
        ttl_seconds: int | None = None,
        weights_access_token: str | None = None,
    ) -> TinkerPath:
        """Copy a checkpoint into a project, without copying its bytes, and return the copy's path.

        The copy belongs to a run of its own that cannot be trained. However often the request is repeated on the way,
        there is one copy.

        Args:
            path: What to copy.
            destination_project_id: Where to; by default the project of the settings.
            ttl_seconds: When the copy is deleted; ``None`` is never.
            weights_access_token: Shows that somebody else's weights may be copied.

        Raises:
            ValueError: No project, no path of a checkpoint, or no such time; nothing was sent.
            NotFoundError: There is no such checkpoint.
        """
        project = destination_project_id or self._desk.settings.project_id
        if not project:
            raise ValueError("no project to copy to; pass destination_project_id=... or set TINKER_PROJECT_ID")
        check_text("destination_project_id", project)
        source = ParsedCheckpointTinkerPath.from_tinker_path(path).tinker_path
        headers = {} if weights_access_token is None else {_TOKEN_HEADER: weights_access_token}
        request = CopyWeightsRequest(source, project, _check_ttl(ttl_seconds))
        return (await self._desk.ask(COPY_WEIGHTS, request, headers=headers)).tinker_path

    async def _delete(self, path: ParsedCheckpointTinkerPath) -> None:
        try:
            await self._desk.tell(DELETE_CHECKPOINT, None, path=checkpoint_address(path))
        except NotFoundError as gone:
            if gone.attempts in {None, 1}:
                raise

    async def _turn(self, row: RestOrder[None], tinker_path: str) -> None:
        path = ParsedCheckpointTinkerPath.from_tinker_path(tinker_path)
        with suppress(ConflictError):  # it is so already, perhaps by an earlier attempt whose answer was lost
            await self._desk.tell(row, None, path=checkpoint_address(path))


def _check_ttl(seconds: int | None) -> int | None:
    if seconds is not None and check_int("ttl_seconds", seconds) < 1:
        raise ValueError(f"ttl_seconds must be >= 1, or None for ever, got {seconds}")
    return seconds


def _read_redirect(headers: Mapping[str, str], base: str) -> CheckpointArchiveUrl:
    """Read where a redirect points to, and until when.

    Raises:
        ResponseInvalid: To no address.
    """
    try:
        url = urljoin(base, headers["location"])
    except (KeyError, ValueError):
        url = ""
    if not url.startswith(("https://", "http://")):
        raise ResponseInvalid(
            path="location", expected="an address", got=repr(headers.get("location")), operation=ARCHIVE.name
        )
    return CheckpointArchiveUrl(url, _read_date(headers.get("expires")))


def _read_date(text: str | None) -> datetime | None:
    """Read an HTTP date; what is none, such as the ``0`` of servers that forbid caching, is no date."""
    try:
        return None if text is None else parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
