"""Bringing the files of a checkpoint into a folder: side by side, with a bar each, continued where they were left.

Everything is gathered in a folder beside the target, which gets the target's name when all of it is there. That folder
stays after a failure, so that the same command goes on instead of beginning anew.
"""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from attrs import define
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._extract import extract
from tinkex_actors.cli._output import Output, drawing_bytes
from tinkex_actors.clients import RestClient
from tinkex_actors.clients.download import CheckpointFiles, download_file
from tinkex_actors.types import APIStatusError

_AT_ONCE = 4
_REFUSED_LINK = frozenset({401, 403, 410})


@define(eq=False)
class Fetch:
    """One checkpoint on its way into *target*."""

    rest: RestClient
    output: Output
    target: Path
    find: Callable[[], Awaitable[CheckpointFiles]]
    """Asks for the links, again when they have run out."""

    @property
    def gathering(self) -> Path:
        """Where the files are until all are there."""
        return self.target.with_name(f".{self.target.name}.download")

    async def run(self) -> tuple[int, list[str]]:
        """Fetch everything; return how many bytes, and the files' names.

        Raises:
            TinkerError: The server refuses, does not answer, or sends something else.
            CommandFailed: An archive is refused, or a file cannot be written.
        """
        try:
            self.gathering.mkdir(parents=True, exist_ok=True)
            files = await self.find()
            sizes = await self._fetch_all(files)
            await trio.to_thread.run_sync(self._unpack, list(files.urls))
            names = await trio.to_thread.run_sync(self._finish)
        except OSError as fault:
            raise CommandFailed(f"cannot write {fault.filename or self.target}: {fault.strerror or fault}") from fault
        return sum(sizes), names

    async def _fetch_all(self, files: CheckpointFiles) -> list[int]:
        sizes, limiter = list[int](), trio.CapacityLimiter(_AT_ONCE)
        with self.output.progress("{task.description}", DownloadColumn(), TransferSpeedColumn()) as progress:

            async def fetch(name: str) -> None:
                async with limiter:
                    sizes.append(await self._fetch(name, files.urls[name], progress))

            async with trio.open_nursery() as nursery:
                for name in files.urls:
                    nursery.start_soon(fetch, name)
        return sizes

    async def _fetch(self, name: str, url: str, progress: Progress) -> int:
        target = self.gathering / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            return target.stat().st_size  # whole since an earlier attempt
        show = drawing_bytes(progress, progress.add_task(name, total=None))
        try:
            return await download_file(self.rest, url, target, progress=show)
        except APIStatusError as refusal:
            if refusal.status_code not in _REFUSED_LINK:
                raise
            fresh = (await self.find()).urls  # the link has run out meanwhile
            return await download_file(self.rest, fresh[name], target, progress=show)

    def _unpack(self, names: list[str]) -> None:
        for name in names:
            if name.endswith((".tar", ".tar.gz", ".tgz")):
                try:
                    extract(self.gathering / name, self.gathering)
                except CommandFailed:
                    shutil.rmtree(self.gathering)  # nothing of a refused archive is kept
                    raise
                (self.gathering / name).unlink()

    def _finish(self) -> list[str]:
        """Give the folder its name; what had it before goes only then."""
        names = sorted(str(file.relative_to(self.gathering)) for file in self.gathering.rglob("*") if file.is_file())
        if self.target.exists():
            old = self.target.with_name(f".{self.target.name}.old")
            self.target.replace(old)
            self.gathering.replace(self.target)
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        else:
            self.gathering.replace(self.target)
        return names
