"""The programs that are killed: a server and a daemon, each in a process of its own.

They are forked from a process that has imported everything, since two hundred starts of Python would be most of the time.

The daemon tells its progress in JSON lines. The environment may make it die by itself, where no outsider could aim:
``DIE_AT_COMMIT=n`` in the middle of its n-th commit, ``DIE_AFTER_SAVE=seconds`` after a checkpoint was asked for.
``STRIKE=seed`` makes its actors crash by chance.
"""

import json
import os
import random
import signal
import sqlite3
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import trio

from supervisors import ActorNotAlive, ChildNotFound
from tinkex_actors.cli._logging import log_to_stderr
from tinkex_actors.daemon.daemon import Daemon, open_daemon
from tinkex_actors.daemon.plan_file import read_plan
from tinkex_actors.daemon.site import RunSite
from tinkex_actors.local import ServerOptions, serve

ACTORS = ["session", "heartbeat", "poller", "trainer-0", "roster", "telemetry"]


def die(*_: object) -> None:
    """No clean-up, no last word."""
    os.kill(os.getpid(), signal.SIGKILL)


def install_deaths() -> None:
    """Watch what every SQLite connection does, and die where the environment says."""
    commits, delay = int(os.environ.get("DIE_AT_COMMIT", "0")), float(os.environ.get("DIE_AFTER_SAVE", "-1"))
    connect, seen = sqlite3.connect, [0]

    def watch(statement: str) -> None:
        if statement == "COMMIT":
            seen[0] += 1
            if seen[0] == commits:
                die()
        if delay >= 0 and "INSERT INTO checkpoints" in statement:
            # SIGALRM is not caught: it ends the process where it stands.
            signal.setitimer(signal.ITIMER_REAL, max(delay, 1e-6))

    def connect_watched(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(watch)
        return connection

    setattr(sqlite3, "connect", connect_watched)  # noqa: B010 - this process is its own


def tell(site: RunSite) -> None:
    progress = site.progress
    print(
        json.dumps(
            {
                "state": progress.state,
                "step": progress.steps_done,
                "life": progress.life,
                "replayed": progress.replayed,
                "failure": progress.last_failure,
            }
        ),
        flush=True,
    )


async def strike(daemon: Daemon, rng: random.Random) -> None:
    """Crash one actor after another: those of the client, and the journal."""
    strikes = 0
    while True:
        await trio.sleep(rng.uniform(0.0, 0.3))
        for site in daemon.runs.values():
            try:
                if rng.random() < 0.1:
                    site.journal.kill()
                elif site.crash_door is not None:
                    site.crash_door(rng.choice(ACTORS), "by chance")
            except (ChildNotFound, ActorNotAlive):
                continue
            strikes += 1
            print(json.dumps({"strikes": strikes}), flush=True)


async def run_daemon(path: str) -> None:
    plan = read_plan(Path(path), os.environ)
    async with open_daemon(plan, tell=tell) as daemon, trio.open_nursery() as nursery:
        if seed := os.environ.get("STRIKE"):
            nursery.start_soon(strike, daemon, random.Random(seed))  # noqa: S311 - chance, not secrets
        endings = await daemon.wait()
        nursery.cancel_scope.cancel()
    print(json.dumps({"endings": {name: str(ending.state) for name, ending in endings.items()}}), flush=True)


async def run_server(data: str, port: str) -> None:
    options = ServerOptions(data=Path(data), port=int(port), notes_weights=True)
    await serve(options, lambda url: print(json.dumps({"url": url}), flush=True))


def live(kind: str, arguments: list[str], output: Connection, log: str, variables: dict[str, str]) -> None:
    """Be a server or a daemon, in a process that was forked for it, until the end."""
    os.environ.update(variables)
    os.dup2(output.fileno(), 1)
    with Path(log).open("ab") as errors:
        os.dup2(errors.fileno(), 2)
    sys.stdout = os.fdopen(1, "w")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    install_deaths()
    log_to_stderr()
    if kind == "server":
        trio.run(run_server, arguments[0], arguments[1])
    else:
        trio.run(run_daemon, arguments[0])
