"""The client beside the official SDK, end to end: ``python -m benchmarks.client``, ``make bench-client``.

A scripted server runs in a process of its own; every subject runs in a fresh process each time, in turns, in reversed order
every other round. The SDK appears twice, the second time as *A/A*. A ratio is the median of the rounds' ratios to the SDK's
first run of the same round; CPU seconds of all threads of the client's process come first. *The two exchanges alone* are a
sample's requests as ready bytes over our pool, nothing read: what is above them is the client, what is in them is HTTP.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import trustme
from attrs import frozen

Taken = Mapping[str, float]


@frozen(kw_only=True)
class Task:
    """One row group: what everybody does."""

    title: str
    work: str
    count: int
    """Operations of ours."""
    sdk_count: int
    """Operations of the SDK, which is slower; costs are for one."""
    concurrency: int = 1
    ours: str = "ours"
    is_encrypted: bool = False
    reach: float


TASKS = (
    Task(title="sample, 100 at once", work="sample", count=4000, sdk_count=1000, concurrency=100, reach=0.10),
    Task(title="sample, 1,000 at once", work="sample", count=4000, sdk_count=2000, concurrency=1000, reach=0.10),
    Task(
        title="sample, 100 at once, over a user's httpx.AsyncClient on the pool",
        work="sample",
        count=2000,
        sdk_count=1000,
        concurrency=100,
        ours="ours-httpx",
        reach=0.35,
    ),
    Task(
        title="sample, 100 at once, over TLS",
        work="sample",
        count=4000,
        sdk_count=1000,
        concurrency=100,
        is_encrypted=True,
        reach=0.10,
    ),
    Task(title="training step, 4.2 MB up and 1 MB down", work="train", count=60, sdk_count=30, reach=0.25),
)


@contextmanager
def running_server(*options: str) -> Generator[int, None, None]:
    """Run the scripted server, and give its port."""
    command = [sys.executable, "-m", "benchmarks.client.server", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def certificates(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for this machine, and the authority to trust."""
    authority = trustme.CA()
    server, trusted = folder / "server.pem", folder / "authority.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(server))
    authority.cert_pem.write_to_path(str(trusted))
    return server, trusted


def run(who: str, task: Task, port: int, trusted: Path) -> Taken:
    """Run one subject once."""
    url = f"https://localhost:{port}" if task.is_encrypted else f"http://127.0.0.1:{port}"
    count = task.sdk_count if who == "sdk" else task.count
    options = ["--url", url, "--count", str(count), "--concurrency", str(task.concurrency)]
    command = [sys.executable, "-m", "benchmarks.client.subject", who, task.work, *options]
    environ = {**os.environ, "SSL_CERT_FILE": str(trusted), "PYTHONWARNINGS": "ignore", "TINKER_TELEMETRY": "1"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(f"{who}, {task.title}: {done.stderr[-2000:]}")
    taken: Taken = json.loads(done.stdout.splitlines()[-1])
    return taken


def measure(task: Task, port: int, trusted: Path, rounds: int) -> list[str]:
    """Run a task's subjects in turns, and draw its rows."""
    subjects = [("SDK", "sdk"), ("SDK again (A/A)", "sdk"), ("ours", task.ours)]
    if task.work == "sample" and task.ours == "ours":
        subjects.append(("the two exchanges alone", "pool"))
    taken: list[list[Taken]] = [[] for _ in subjects]
    for number in range(rounds):
        order = range(len(subjects))
        for place in reversed(order) if number % 2 else order:
            taken[place].append(run(subjects[place][1], task, port, trusted))
    return [row(task, name, mine, taken[0]) for (name, _), mine in zip(subjects, taken, strict=True)]


def row(task: Task, name: str, mine: list[Taken], floor: list[Taken]) -> str:
    """Draw one row."""

    def ratios(figure: str) -> list[float]:
        return [one[figure] / other[figure] for one, other in zip(mine, floor, strict=True)]

    cpu = ratios("cpu_ms")
    reach = f"<= {task.reach:g}" if name == "ours" else ""
    stall = ""
    if "stall_ms" in mine[0]:
        stall = (
            f" {median(one['stall_ms'] for one in mine):.1f} ms; CPU {max(one['stall_cpu_ms'] for one in mine):.1f} ms"
        )
    return (
        f"| {task.title} | {name} | {median(one['cpu_ms'] for one in mine):.2f} | **{median(cpu):.2f}** "
        f"| {min(cpu):.2f} to {max(cpu):.2f} | {reach} | {median(ratios('wall_ms')):.2f} "
        f"| {median(ratios('peak_mb')):.2f} ({median(one['peak_mb'] for one in mine):.0f} MB) |{stall} |"
    )


def main() -> None:
    """Run the tasks and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="tasks whose title contains this")
    options = parser.parse_args()
    print("| | | CPU ms | x SDK | all rounds | reach | wall x SDK | peak RSS x SDK | longest stall |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        server, trusted = certificates(Path(folder))
        with running_server() as plain, running_server("--tls", str(server)) as encrypted:
            for task in TASKS:
                if options.only.lower() in task.title.lower():
                    port = encrypted if task.is_encrypted else plain
                    print(*measure(task, port, trusted, options.rounds), sep="\n", flush=True)


if __name__ == "__main__":
    main()
