"""What can end a run, and what a person can do about it.

::

    RunError             one clear sentence for a person: file, place, expected, got
    ├── DataError        the training data cannot be used
    ├── PlanError        the plan cannot be carried out; every fault with file, line and key
    ├── RunFolderError   the run folder cannot be written
    │   ├── JournalError the journal cannot be read or written, or is not ours
    │   └── FolderLocked another process works in the folder
    ├── RunGaveUp        the run failed more often than its plan allows; __cause__ is the last failure
    ├── LifeLost         a model cannot be gone on with; the run goes on from its last checkpoint
    ├── LoopMisused      a loop of one's own does not submit each step once
    └── BudgetSpent      the run's tokens are spent; it stands on a valid checkpoint
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeGuard

import attrs


class RunError(Exception):
    """A run cannot begin or go on because of something its user can put right."""


class DataError(RunError):
    """The training data cannot be used; the message names the file, and the line where there is one."""


class RunFolderError(RunError):
    """The run folder cannot be created or written; the message names the path and the system's reason."""


class JournalError(RunFolderError):
    """The journal cannot be read or written, or belongs to something else; nothing in it was changed."""


class FolderLocked(RunFolderError):
    """Another process works in the run folder."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        super().__init__(f"{folder} is in use by process {pid or 'unknown'}; stop it, or name another folder")
        self.folder = folder
        self.pid = pid
        """The other process, if it has said so."""


class RunGaveUp(RunError):
    """The run failed more often than its plan allows. ``__cause__`` is the last failure."""


class LifeLost(RunError):
    """A model on the server cannot be gone on with: it is corrupted, or no longer matches the journal."""


class LoopMisused(RunError):
    """A training loop of one's own does not keep to the rules; the message says which."""


class BudgetSpent(RunError):
    """The run may train no more tokens; it stands on a valid checkpoint and goes on with a higher budget."""


@attrs.frozen
class Fault:
    """One thing that is wrong with a plan."""

    key: str
    """Dotted, as in ``runs.sft.steps``; empty for the file as a whole."""
    message: str
    """Expected, got, and the next step."""
    line: int | None = None
    """From 1; None where there is none."""


class PlanError(RunError):
    """A plan cannot be carried out. The message has one line for each fault, all of them at once."""

    def __init__(self, path: Path, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(_describe(path, fault) for fault in faults))
        self.path = path
        self.faults = tuple(faults)
        """In the order of the file."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Tell the exceptions in a group, however deep; one that is none is its own only leaf."""
    if _is_group(error):
        for member in error.exceptions:
            yield from leaves(member)
    else:
        yield error


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)


def _describe(path: Path, fault: Fault) -> str:
    place = str(path) if fault.line is None else f"{path}, line {fault.line}"
    return f"{place}: {fault.key}: {fault.message}" if fault.key else f"{place}: {fault.message}"
