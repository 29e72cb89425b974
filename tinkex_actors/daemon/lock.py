"""One process a folder: a lock that the kernel takes back when its holder dies, however it dies.

The file says who holds it. It stays when the holder is gone, and means nothing then.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tinkex_actors.daemon.errors import FolderLocked, RunFolderError

LOCK = "lock"


@contextmanager
def hold_lock(folder: Path) -> Generator[None, None, None]:
    """Make *folder*, and keep other processes out of it until the block is left.

    Raises:
        FolderLocked: Another process holds it; the error has its pid.
        RunFolderError: The folder cannot be made or written.
    """
    descriptor = _open(folder)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderLocked(folder, _read_pid(descriptor)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    except OSError as error:
        raise RunFolderError(f"cannot lock {folder}: {error.strerror or error}") from error
    finally:
        os.close(descriptor)


def find_holder(folder: Path) -> int | None:
    """Say which process holds *folder*; None if the last that did is gone.

    Asks for the process, not for the lock: to try that, even for a moment, could refuse a daemon that begins.
    """
    try:
        pid = int((folder / LOCK).read_text())
    except (OSError, ValueError):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # somebody else's, but alive
    return pid


def _open(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from error


def _read_pid(descriptor: int) -> int | None:
    said = os.pread(descriptor, 20, 0).strip()
    return int(said) if said.isdigit() else None
