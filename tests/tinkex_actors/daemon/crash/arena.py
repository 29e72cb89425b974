"""One server, one run at a time, and blows: which process dies, when, is a seed's choice."""

import json
import os
import socket
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

import trio
from attrs import define, field, frozen

from tests.tinkex_actors.daemon.crash import victim
from tests.tinkex_actors.daemon.crash.judge import Deed, history_of_checkpoint, read_audit

PATIENCE = 900.0
"""Seconds until a process that hangs fails its test; a busy machine starts one in minutes."""
KINDS = ("daemon", "server", "both", "actors", "saving", "journal", "recovery")
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload([victim.__name__])

PLAN = """\
folder = "runs"

[server]
url = "{url}"

[server.figures]
retry_delay_base = 0.05
retry_delay_max = 0.2
poll_delay_base = 0.05
poll_delay_max = 0.2
poll_backoff_max = 0.2
poll_interval_min = 0.01
max_restarts = 100000
breaker_open_base = 0.05
breaker_open_max = 0.2

[runs.run]
base_model = "tinkex/tiny"
data = "data.jsonl"
steps = {steps}
batch_size = 2
learning_rate = 0.003
pipeline = {pipeline}

[runs.run.lora]
rank = 2

[runs.run.evaluation]
data = "data.jsonl"
every_steps = 5
max_examples = 2

[runs.run.checkpoints]
every_steps = 3

[runs.run.recovery]
max_attempts = 1000
backoff_seconds = 0.02
backoff_max_seconds = 0.1
"""


@frozen(kw_only=True)
class Result:
    """What a run left: all that must be the same whatever happened."""

    metrics: bytes
    deeds: list[Deed]


@define
class Tally:
    """What was done to the runs."""

    kills: Counter[str] = field(factory=Counter[str])
    strikes: int = 0
    """Actors that were crashed."""
    replayed: int = 0
    """Steps that were done again."""
    attached: int = 0
    """Lives that were gone on with after their process was killed."""
    runs: int = 0
    """Runs that were finished and compared."""
    differences: int = 0
    """Runs whose metrics or history were others than undisturbed."""

    def table(self) -> str:
        """Draw it in Markdown."""
        rows = [*sorted(self.kills.items()), ("**all kills**", sum(self.kills.values()))]
        rows += [("actors crashed besides", self.strikes), ("models gone on with", self.attached)]
        rows += [
            ("steps done again", self.replayed),
            ("runs compared", self.runs),
            ("**differences**", self.differences),
        ]
        return "\n".join(["| what | times |", "|---|---:|", *(f"| {name} | {times} |" for name, times in rows)])


@define(eq=False)
class Arena:
    """A server in a process of its own, and the folder of the runs."""

    folder: Path
    port: int
    rng: Random
    server: "Victim | None" = None
    tally: Tally = field(factory=Tally)
    _runs: int = 0
    _replayed: int = 0
    """What the daemon that runs has told last."""

    # ------------------------------------------------------------------ processes

    async def start_server(self) -> None:
        """Start it, and wait until it answers."""
        self.server = await self._open("server", str(self.folder / "server"), str(self.port))
        await anext(self.server.lines)

    async def kill_server(self) -> None:
        """Kill it, and start it again where it was."""
        await self.stop_server()
        await self.start_server()

    async def stop_server(self) -> None:
        """Kill it."""
        assert self.server is not None
        await self.server.kill()

    async def _open(self, kind: str, *arguments: str, **variables: str) -> "Victim":
        self._replayed = 0
        environment = {"TINKER_API_KEY": "tml-local", "TINKER_TELEMETRY": "0", **variables}
        return await Victim.start(kind, list(arguments), self.folder / f"{kind}.log", environment)

    # ------------------------------------------------------------------ runs

    def new_run(self, *, steps: int, pipeline: int) -> Path:
        """Make a folder with a plan that no run has begun with."""
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        folder.mkdir()
        rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}, of course."} for n in range(9)]
        (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        url = f"http://127.0.0.1:{self.port}"
        (folder / "plan.toml").write_text(PLAN.format(url=url, steps=steps, pipeline=pipeline))
        return folder

    async def finish(self, folder: Path) -> Result:
        """Let a run go on to its end, undisturbed."""
        process = await self._open("daemon", str(folder / "plan.toml"))
        last: dict[str, object] = {}
        with trio.fail_after(PATIENCE):
            async for last in process.lines:
                self._note(last)
            assert await process.bury() == 0
        assert last == {"endings": {"run": "done"}}, last
        return self._result(folder)

    async def strike(self, folder: Path, kind: str) -> bool:
        """Begin or resume a run, and let one blow fall; False if it was done before that."""
        self.tally.kills[kind] += 1
        variables = {
            "actors": {"STRIKE": str(self.rng.random())},
            "saving": {"DIE_AFTER_SAVE": str(self.rng.uniform(0.0, 0.1))},
            "journal": {"DIE_AT_COMMIT": str(self.rng.randint(1, 15))},
        }.get(kind, {})
        process = await self._open("daemon", str(folder / "plan.toml"), **variables)
        with trio.fail_after(PATIENCE):
            await self._let_fall(process, kind)
            return await process.bury() != 0

    async def _let_fall(self, process: "Victim", kind: str) -> None:
        lines = process.lines
        if kind == "recovery":
            await trio.sleep(self.rng.uniform(0.0, 0.7))
        elif kind in {"daemon", "server", "both", "actors"}:
            await self._watch(lines, self.rng.randint(1, 5 if kind != "actors" else 12))
            await trio.sleep(self.rng.uniform(0.0, 0.1))
        else:
            await self._watch(lines, 10_000)
        if kind in {"server", "both"}:
            if kind == "both":
                process.strike()
            await self.kill_server()
            await self._watch(lines, self.rng.randint(1, 3))
        process.strike()

    async def _watch(self, lines: "Lines", steps: int) -> None:
        """Read what the daemon tells until it has done so many steps more, or is dead."""
        async for line in lines:
            self._note(line)
            steps -= line.get("state") == "training" and line.get("step") != 0
            if steps <= 0:
                return

    def _note(self, line: dict[str, object]) -> None:
        self.tally.strikes += "strikes" in line
        replayed = line.get("replayed")
        if isinstance(replayed, int):
            self.tally.replayed += max(0, replayed - self._replayed)
            self._replayed = replayed
        self.tally.attached = (self.folder / "daemon.log").read_text().count("went on with the model")

    def _result(self, folder: Path) -> Result:
        run = folder / "runs" / "run"
        last = json.loads((run / "checkpoints.jsonl").read_text().splitlines()[-1])
        assert last["final"]
        log = read_audit(self.folder / "server" / "audit.jsonl")
        return Result(
            metrics=(run / "metrics.jsonl").read_bytes(), deeds=history_of_checkpoint(log, last["state_path"])
        )


class Lines:
    """The JSON lines of a process, until it closes its output; a line that a death has cut off is none."""

    def __init__(self, output: trio.lowlevel.FdStream) -> None:
        self.output = output
        self._lines = deque[bytes]()
        self._rest = b""

    def __aiter__(self) -> "Lines":
        return self

    async def __anext__(self) -> dict[str, object]:
        while not self._lines:
            part = await self.output.receive_some(65536)
            if not part:
                raise StopAsyncIteration
            *whole, self._rest = (self._rest + part).split(b"\n")
            self._lines += whole
        line: dict[str, object] = json.loads(self._lines.popleft())
        return line


@frozen(eq=False)
class Victim:
    """A process that lives until it is struck."""

    process: ForkServerProcess
    lines: Lines

    @classmethod
    async def start(cls, kind: str, arguments: list[str], log: Path, variables: dict[str, str]) -> "Victim":
        """Fork it."""
        ours, theirs = _FORKS.Pipe(duplex=False)
        process = _FORKS.Process(target=victim.live, args=(kind, arguments, theirs, str(log), variables))
        await trio.to_thread.run_sync(process.start)
        theirs.close()
        lines = Lines(trio.lowlevel.FdStream(os.dup(ours.fileno())))
        ours.close()
        return cls(process, lines)

    def strike(self) -> None:
        """``kill -9``; nothing if it is dead."""
        self.process.kill()

    async def kill(self) -> None:
        """Strike, and wait until it is dead."""
        self.strike()
        await self.bury()

    async def bury(self) -> int:
        """Wait for the end, and close what connects us; returns the exit code."""
        await trio.to_thread.run_sync(self.process.join)
        await self.lines.output.aclose()
        return self.process.exitcode or 0


@asynccontextmanager
async def open_arena(folder: Path, seed: int) -> AsyncGenerator[Arena]:
    """Start the server; everything is dead when the block is left."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arena = Arena(folder, port, Random(seed))  # noqa: S311 - chance, not secrets
    await arena.start_server()
    try:
        yield arena
    finally:
        with trio.CancelScope(shield=True):
            await arena.stop_server()
