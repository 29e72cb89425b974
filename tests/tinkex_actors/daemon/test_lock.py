"""One process a folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinkex_actors.daemon.errors import FolderLocked, RunFolderError
from tinkex_actors.daemon.lock import LOCK, hold_lock

HOLD = """
import sys
from pathlib import Path
from tinkex_actors.daemon.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_the_pid_of_the_first_and_gets_in_when_it_was_killed(tmp_path: Path) -> None:
    """The kernel takes the lock back, however its holder died: nobody has to delete a stale file."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(FolderLocked) as caught, hold_lock(tmp_path):
            pass
        other.kill()
        other.wait()

    assert caught.value.pid == other.pid
    with hold_lock(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_made_is_told_as_such(tmp_path: Path) -> None:
    """A file is in the way."""
    (tmp_path / "file").write_text("")

    with pytest.raises(RunFolderError, match="Not a directory"), hold_lock(tmp_path / "file" / "run"):
        pass
