"""The ``tinkex`` command as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 120.0
"""Seconds until a process that hangs fails its test."""

COMMAND = (sys.executable, "-m", "tinkex_actors.cli")


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what would configure a client, and a wide terminal."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith("TINKER_")}, "COLUMNS": "200", **variables}


def tinkex(arguments: Sequence[object], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in *folder* to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=folder,
        env=environment(**variables),
        check=False,
    )


@contextmanager
def running(arguments: Sequence[object], folder: Path) -> Generator[subprocess.Popen[str], None, None]:
    """Start the command in *folder*; whoever leaves the block has ended it, or it is killed."""
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    """Wait for one line of output; fail with what the process complains of if there is none."""
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return line
