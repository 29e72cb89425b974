"""Files of checkpoints: where they are, and how they come here whole.

::

    files = await find_files(rest, "tinker://run/external_weights/name")
    for name, url in files.urls.items():
        await download_file(rest, url, folder / name, progress=show)

A link is fetched without a key, in pieces, with memory for one piece. What was written before a connection broke, or a
program ended, is kept beside the target and continued, if the server still has the very same file; only a file that is
complete, of the announced length and of the right checksum gets its name, at one stroke.
"""

import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath

import trio
from attrs import define, frozen

from tinkex_actors.clients.rest import RestClient
from tinkex_actors.settings import Figures
from tinkex_actors.transport.endpoints_rest import DOWNLOAD
from tinkex_actors.transport.policy import backoff_delay, is_retryable
from tinkex_actors.transport.refusal import status_error
from tinkex_actors.transport.streams import StreamedAnswer
from tinkex_actors.types import CheckpointType, ParsedCheckpointTinkerPath, ResponseInvalid
from tinkex_actors.types.errors import APIConnectionError, APIStatusError

_PARTIAL = 206
_NOT_SATISFIABLE = 416

Progress = Callable[[int, int | None], None]
"""Told how many bytes there are, and how many there will be, ``None`` if nobody knows."""


@frozen
class CheckpointFiles:
    """Where the files of a checkpoint can be fetched, for a while."""

    urls: Mapping[str, str]
    """Signed links by relative path: never absolute, never upwards."""
    expires: datetime | None = None


async def find_files(rest: RestClient, tinker_path: str) -> CheckpointFiles:
    """Ask where a checkpoint's files are: those of an export, or else one archive, ``{name}.tar``.

    Raises:
        ValueError: It is no path of a checkpoint; nothing was sent.
        NotSupportedByServer: The server offers no download of this kind of checkpoint.
        ResponseInvalid: A file's path leads out of its folder.
    """
    path = ParsedCheckpointTinkerPath.from_tinker_path(tinker_path)
    if path.checkpoint_type is not CheckpointType.EXTERNAL:
        archive = await rest.get_checkpoint_archive_url(tinker_path)
        return CheckpointFiles({f"{path.name}.tar": archive.url}, archive.expires)
    answer = await rest.get_external_weights_urls(tinker_path)
    for name in answer.urls:
        _check_relative(name)
    return CheckpointFiles(answer.urls, answer.expires)


def _check_relative(name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
        raise ResponseInvalid(path="urls", expected="relative paths", got=repr(name), operation=DOWNLOAD.name)


@define(eq=False)
class Download:
    """A file on its way: ``async for piece in download``, once."""

    start: int
    """Where in the file the first piece lies: what was asked for, or 0 from servers that send only whole files."""
    total_bytes: int | None
    """The whole file's length, if the server says it."""
    tag: str
    """What tells this file from a later one under the same link; empty if the server gives no such thing."""
    _answer: StreamedAnswer

    def __aiter__(self) -> "Download":
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece.

        Raises:
            APIConnectionError: The connection broke.
        """
        return await anext(self._answer)


@asynccontextmanager
async def open_download(rest: RestClient, url: str, *, start: int = 0, tag: str = "") -> AsyncGenerator[Download, None]:
    """Open a link, and read it within the block.

    Args:
        rest: On whose connections.
        url: The link; whatever it holds stays out of messages.
        start: The first byte that is wanted.
        tag: Of the file whose beginning is there already; another file is sent whole.

    Raises:
        ValueError: It is no link.
        APIStatusError: The server refuses: the link is over, or the file has no byte *start*.
        APIConnectionError: It does not answer.
    """
    headers = {"Range": f"bytes={start}-"} if start else {}
    if start and tag:
        headers["If-Range"] = tag
    async with rest.streams.open_link(DOWNLOAD, url, headers) as answer:
        if not answer.is_success:
            raise status_error(DOWNLOAD, await answer.read_refusal())
        yield _begin(answer)


def _begin(answer: StreamedAnswer) -> Download:
    headers, start, total = answer.headers, 0, _number(answer.headers.get("content-length"))
    if answer.status == _PARTIAL:
        span, _, whole = headers.get("content-range", "").removeprefix("bytes ").partition("/")
        begin = _number(span.partition("-")[0])
        if begin is None:
            raise ResponseInvalid(
                path="content-range",
                expected="which bytes these are",
                got=repr(headers.get("content-range")),
                operation=DOWNLOAD.name,
            )
        start, total = begin, _number(whole)
    # A weak tag promises a like file, not the same bytes.
    tag = headers.get("etag", "")
    return Download(start, total, "" if tag.startswith("W/") else tag, answer)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


async def download_file(
    rest: RestClient,
    url: str,
    target: Path,
    *,
    size_bytes: int | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
) -> int:
    """Fetch a file into *target*, going on where an earlier attempt ended; *target* appears when it is whole.

    Until then the bytes are in ``target.part``, with the file's tag in ``target.part.tag``. Connections that break are
    opened again, as often as the settings retry anything, and each time with new patience when something has come.

    Args:
        rest: On whose connections.
        url: The link.
        target: The file; its folder must exist. A file of that name is replaced.
        size_bytes: The length it must have, where that is known.
        sha256: The checksum it must have, hexadecimal, where that is known.
        progress: Told after every piece.

    Returns:
        The file's length.

    Raises:
        ValueError: It is no link.
        ResponseInvalid: The file has another length or checksum; what was fetched is gone.
        APIStatusError: The server refuses.
        APIConnectionError: It does not answer, or breaks off every time.
        OSError: The file cannot be written; what was written stays, to go on from.
    """
    job = _Job(rest, url, target, size_bytes, progress)
    failures = 0
    while True:
        before = job.size
        try:
            await job.fetch()
            break
        except (APIConnectionError, APIStatusError) as lost:
            if isinstance(lost, APIStatusError) and not is_retryable(lost.status_code):
                raise
            failures = 1 if job.size > before else failures + 1
            if failures > job.figures.max_retries:
                raise
            await trio.sleep(backoff_delay(failures, job.figures, 0.0))
    return await job.finish(sha256)


@define(eq=False)
class _Job:
    rest: RestClient
    url: str
    target: Path
    size_bytes: int | None
    progress: Progress | None
    size: int = 0
    total: int | None = None

    @property
    def figures(self) -> Figures:
        """The limits and delays."""
        return self.rest.settings.figures

    @property
    def part(self) -> trio.Path:
        """Where the bytes are until they are all there."""
        return trio.Path(f"{self.target}.part")

    @property
    def tag_file(self) -> trio.Path:
        """Where it is written down which file they are of."""
        return trio.Path(f"{self.target}.part.tag")

    async def fetch(self) -> None:
        """Fetch what is missing."""
        has_begun = await self.part.exists() and await self.tag_file.exists()
        tag = await self.tag_file.read_text() if has_begun else ""
        # Without a tag nobody knows whether the rest fits to the beginning.
        self.size = (await self.part.stat()).st_size if tag else 0
        if tag and self.size == self.size_bytes:
            self.total = self.size
            return
        try:
            async with open_download(self.rest, self.url, start=self.size, tag=tag) as download:
                await self._write(download)
        except APIStatusError as refused:
            if refused.status_code != _NOT_SATISFIABLE or not self.size:
                raise
            # Complete already, or longer than the file: only a fresh beginning tells.
            await self._forget()
            async with open_download(self.rest, self.url) as download:
                await self._write(download)

    async def _write(self, download: Download) -> None:
        self.total = download.total_bytes
        mode = "r+b" if download.start else "wb"
        async with await trio.open_file(self.part, mode) as file:
            await file.truncate(download.start)
            await file.seek(download.start)
            await self.tag_file.write_text(download.tag)
            self.size = download.start
            async for piece in download:
                await file.write(piece)
                self.size += len(piece)
                if self.progress is not None:
                    self.progress(self.size, self.total)
            await file.flush()
            await trio.to_thread.run_sync(os.fsync, file.fileno())
        if self.total is not None and self.size < self.total:
            raise APIConnectionError(
                f"download: the connection ended after {self.size} of {self.total} bytes", operation=DOWNLOAD.name
            )

    async def finish(self, sha256: str | None) -> int:
        """Give the file its name, if it is the right one."""
        for expected in (self.size_bytes, self.total):
            if expected is not None and expected != self.size:
                await self._forget()
                raise _wrong(f"{expected} bytes", f"{self.size}")
        if sha256 is not None:
            found = await trio.to_thread.run_sync(_checksum, Path(self.part))
            if found != sha256.lower():
                await self._forget()
                raise _wrong(f"the SHA-256 {sha256.lower()}", found)
        await self.tag_file.unlink(missing_ok=True)
        await self.part.replace(self.target)
        return self.size

    async def _forget(self) -> None:
        await self.part.unlink(missing_ok=True)
        await self.tag_file.unlink(missing_ok=True)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong(expected: str, got: str) -> ResponseInvalid:
    return ResponseInvalid(path="content", expected=expected, got=got, operation=DOWNLOAD.name)
