"""A program whose every name is what somebody else says: a JSON list a line on its stdin, of names that mean harm.

Each name becomes an actor that has crashed with it, a waiting operation, an operation of requests, and words in a run's files.
"""

import json
import sys
from functools import partial
from pathlib import Path

import trio

from supervisors import Actor, Supervisor, open_supervisor
from tinkex_actors.metrics import Metrics
from tinkex_actors.observer import ObserverSettings, Watch, open_observer


class Victim(Actor):
    """Crashes with the words it is given."""

    async def crash(self, words: str) -> None:
        """Fail with them."""
        raise RuntimeError(words)


async def main(runs: Path) -> None:
    """Serve a page, and have each list of names shown on it."""
    watch, metrics, waits = Watch(), Metrics(), list[str]()
    async with open_supervisor("root", max_restarts=10_000, observers=[watch]) as root:
        watch.add(root, metrics=metrics, waits=lambda: waits)
        async with open_observer(watch, ObserverSettings(runs=(runs,))) as page:
            print(page.url, flush=True)
            number = 0
            while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
                names = json.loads(line)
                place = await root.start_supervisor(f"list-{number}", dynamic=True, max_restarts=1000)
                for name in names:
                    await _show(place, name)
                    metrics.record_histogram("tinkex_request_duration_seconds", 0.1, operation=name)
                waits[:] = names
                _write_run(runs / "run", names)
                number += 1
                print("shown", flush=True)


async def _show(place: Supervisor, name: str) -> None:
    victim = await place.start_child(Victim, name=name)
    victim.cast_nowait(Victim.crash, name)
    await victim.ended(life=1)


def _write_run(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_name": names[0], "steps": names[-1]}))
    saved = [{"name": name, "batch": name, "state_path": name} for name in names]
    (folder / "checkpoints.jsonl").write_text("".join(json.dumps(one) + "\n" for one in saved))
    (folder / "metrics.jsonl").write_text('{"step": 0, "loss": 2}\n{"step": 1, "loss": 1}\n')


if __name__ == "__main__":
    trio.run(partial(main, Path(sys.argv[1])))
