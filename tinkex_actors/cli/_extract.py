"""Unpacking an archive that somebody else has packed: plain files below one folder, and nothing else.

Refused, before a byte of it is written: paths that lead out of the folder, links, devices, names that come twice, more
files or more bytes than a checkpoint has. What is written is only ever a regular file that was not there before, with
ordinary permissions; owners, modes and times of the archive are nobody's business here.
"""

import tarfile
from pathlib import Path, PurePosixPath

from tinkex_actors.cli._errors import CommandFailed

_PIECE = 1 << 20
_MOST_FILES = 10_000
_MOST_GROWTH = 20
"""How many times its own size an archive may unpack to: weights hardly compress."""
_FREE_GROWTH = 64 << 20
"""Bytes that any archive may unpack to."""


def extract(archive: Path, folder: Path) -> list[Path]:
    """Unpack *archive* into *folder*, which must exist, and return the files. Blocks.

    Raises:
        CommandFailed: It is no archive, or one that is refused; what was unpacked before is left to the caller to remove.
        OSError: A file cannot be written.
    """
    allowed = max(_FREE_GROWTH, _MOST_GROWTH * archive.stat().st_size)
    found = list[Path]()
    try:
        with tarfile.open(archive) as packed:
            for member in packed:
                target = _check(member, folder, archive)
                if target is None:
                    continue
                allowed -= member.size
                if len(found) >= _MOST_FILES or allowed < 0:
                    raise CommandFailed(f"{archive.name} unpacks to more than a checkpoint has; nothing of it is kept")
                _write(packed, member, target)
                found.append(target)
    except (tarfile.TarError, EOFError, FileExistsError) as fault:
        raise CommandFailed(f"{archive.name} is broken or no archive: {fault}") from fault
    return found


def _check(member: tarfile.TarInfo, folder: Path, archive: Path) -> Path | None:
    """Say where a member belongs; nowhere if it is a folder.

    Raises:
        CommandFailed: It is refused.
    """
    parts = PurePosixPath(member.name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\0" in member.name:
        raise CommandFailed(f"{archive.name} has a file outside of its folder: {member.name!r}; nothing of it is kept")
    if member.isdir():
        return None
    if not member.isreg() or member.issparse():
        raise CommandFailed(f"{archive.name} has a link or a device: {member.name!r}; nothing of it is kept")
    return folder.joinpath(*parts)


def _write(packed: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = packed.extractfile(member)
    if source is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    with source, target.open("xb") as file:
        while piece := source.read(min(_PIECE, left) or 1):
            file.write(piece)
            left -= len(piece)
    if left:
        raise tarfile.ReadError(f"{member.name} ends too early")
