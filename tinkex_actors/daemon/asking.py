"""A checkpoint on demand, asked for by another process: a file in the run's folder, which the run takes away.

A file, not a signal: it is for one run, needs no right to signal a process, and harms none that does not know of it.
"""

import os
from pathlib import Path

from tinkex_actors.daemon.errors import RunFolderError
from tinkex_actors.daemon.journal_store import JOURNAL
from tinkex_actors.daemon.lock import find_holder

ASKED = "save-checkpoint"


def ask_to_save(folder: Path) -> int:
    """Ask the process that works in a run folder to save after the step it is in.

    Returns:
        Its pid.

    Raises:
        RunFolderError: It is no run folder, nobody works in it, or it cannot be written.
    """
    if not (folder / JOURNAL).exists():
        raise RunFolderError(f"{folder} is no run folder: there is no {JOURNAL}; name one, as runs/sft")
    holder = find_holder(folder)
    if holder is None:
        raise RunFolderError(f"no process works in {folder}, so there is nothing new to save; start it with tinkex run")
    try:
        (folder / ASKED).touch()
    except OSError as error:
        raise RunFolderError(f"cannot write {folder / ASKED}: {error.strerror or error}") from error
    return holder


def take_request(folder: Path) -> bool:
    """Whether somebody has asked since the last time."""
    try:
        os.unlink(f"{folder}/{ASKED}")  # noqa: PTH108 - once a step: nothing but the system call
    except OSError:
        return False
    return True
