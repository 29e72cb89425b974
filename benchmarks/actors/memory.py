"""Resident memory of idle actors, beside that of parked tasks: a fresh process for each figure.

``python -m benchmarks.actors.memory KIND COUNT`` prints the bytes per actor that *count* of them add.
"""

import subprocess
import sys
from pathlib import Path

import trio
import trio.testing

from benchmarks.actors.ours import Counter
from supervisors import open_supervisor


def resident_bytes() -> int:
    """What this process has in memory now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


async def _tasks(count: int) -> float:
    async with trio.open_nursery() as nursery:
        before = resident_bytes()
        for _ in range(count):
            nursery.start_soon(trio.sleep_forever)
        await trio.testing.wait_all_tasks_blocked()
        grown = resident_bytes() - before
        nursery.cancel_scope.cancel()
    return grown / count


async def _actors(count: int) -> float:
    async with open_supervisor("root") as root:
        crowd = await root.start_supervisor("crowd", dynamic=True)
        before = resident_bytes()
        for _ in range(count):
            await crowd.start_child(Counter)
        return (resident_bytes() - before) / count


def measure(kind: str, count: int) -> float:
    """Bytes for each, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.actors.memory", kind, str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def table(count: int) -> str:
    """Draw the Markdown table."""
    floor = measure("tasks", count)
    again, ours = measure("tasks", count), measure("actors", count)
    rows = [
        ("a parked task", floor, ""),
        ("same again (A/A)", again, ""),
        ("an actor under a supervisor", ours, "<= 2"),
    ]
    lines = [f"### Memory, {count:,} idle", "", "| | bytes each | x floor | reach |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {size:.0f} | {size / floor:.2f} | {reach} |" for name, size, reach in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    print(trio.run({"tasks": _tasks, "actors": _actors}[sys.argv[1]], int(sys.argv[2])))
