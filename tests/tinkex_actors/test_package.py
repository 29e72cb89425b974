"""The twenty lines at the top of the package run as they are printed."""

import subprocess
import sys
import textwrap

import tinkex_actors


def test_the_example_of_the_package_runs_as_printed() -> None:
    """In a process of its own, as a reader would try it: ten losses that fall, a sample, and a tree with one restart."""
    _, _, printed = (tinkex_actors.__doc__ or "").partition("::\n\n")
    program = textwrap.dedent(printed)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    losses = [float(line.split()[1]) for line in lines[:10]]
    assert losses == sorted(losses, reverse=True)
    assert "trainer-0 Trainer (running, 1 restart)" in done.stdout
