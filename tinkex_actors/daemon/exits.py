"""How a daemon's process ends: the exit codes, and which failure has which.

They are stable: supervisors of processes (systemd, Kubernetes, a shell script) decide by them.

====  ===========================================================================
   0  done: every run of the plan has been trained
   1  failed: a bug, or a failure that no other code names
   2  the command line is wrong
  65  the training data is wrong
  69  the service was gone for longer than the plan's budget of attempts
  73  a run folder cannot be made
  74  a run folder cannot be read or written (disk full, corrupted or foreign journal, in use by another process)
  75  stopped, and resumable: start the same command again
  77  the service refuses the key
  78  the plan is wrong, or is not the one that the run folder was begun with
 130  a second SIGINT: stopped at once, without the drain
 143  a second SIGTERM: the same
====  ===========================================================================
"""

from enum import IntEnum

from supervisors import StartError
from tinkex_actors.daemon.errors import (
    BudgetSpent,
    DataError,
    FolderLocked,
    JournalError,
    PlanError,
    RunFolderError,
    RunGaveUp,
    leaves,
)
from tinkex_actors.types import (
    APIConnectionError,
    AuthenticationError,
    InternalServerError,
    PermissionDeniedError,
)


class ExitCode(IntEnum):
    """See the module's table."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BAD_DATA = 65
    SERVICE_GONE = 69
    CANNOT_CREATE = 73
    CANNOT_WRITE = 74
    RESUMABLE = 75
    KEY_REFUSED = 77
    BAD_PLAN = 78
    KILLED_BY_SIGINT = 130
    KILLED_BY_SIGTERM = 143


_CODES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], ExitCode], ...] = (
    (PlanError, ExitCode.BAD_PLAN),
    (DataError, ExitCode.BAD_DATA),
    (BudgetSpent, ExitCode.RESUMABLE),
    ((JournalError, FolderLocked), ExitCode.CANNOT_WRITE),
    (RunFolderError, ExitCode.CANNOT_CREATE),
    ((AuthenticationError, PermissionDeniedError), ExitCode.KEY_REFUSED),
    ((APIConnectionError, InternalServerError), ExitCode.SERVICE_GONE),
)


def exit_code_of(error: BaseException) -> ExitCode:
    """Choose the exit code of a failure.

    A group has that of its first member, a run that gave up that of its last failure, a tree that could not start that
    of its cause.
    """
    first = next(leaves(error))
    if isinstance(first, RunGaveUp | StartError) and first.__cause__ is not None:
        return exit_code_of(first.__cause__)
    return next((code for kinds, code in _CODES if isinstance(first, kinds)), ExitCode.FAILED)
