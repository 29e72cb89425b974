"""What the journal costs a step: ``python -m benchmarks.daemon.overhead --steps 300``.

A loop of steps that take 200 ms each (they sleep; the model is not what is measured) runs beside a journal that is told
what the daemon tells it: an intent before, acceptance and result behind. Told are the CPU time of the whole process a
step, with the journal and without it, and how long a step had to wait for its intent to be written.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import trio

from supervisors import Ref, open_supervisor
from tinkex_actors.daemon.entries import LifeBegan, StepAccepted, StepDone, StepIntended
from tinkex_actors.daemon.journal import Journal, Notebook, journal_name
from tinkex_actors.daemon.journal_store import JournalStore

STEP_SECONDS = 0.2


async def run_steps(
    journal: Ref[Journal] | None, notebook: Notebook, steps: int, payload: bytes | None
) -> tuple[float, list[float]]:
    """Do *steps* steps; returns CPU seconds of the process, and the seconds that each waited for its intent."""
    waits, began = list[float](), time.process_time()
    for step in range(steps):
        before = time.perf_counter()
        if journal is not None:
            intended = StepIntended(
                step=step, life=1, first_number=2 * step + 1, members=tuple(range(64)), payload=payload
            )
            await journal.call(Journal.write, intended, is_durable=payload is not None)
        waits.append(time.perf_counter() - before)
        await trio.sleep(STEP_SECONDS)
        if journal is not None:
            accepted = StepAccepted(step=step, life=1, request_ids=("a" * 36, "b" * 36), next_number=2 * step + 3)
            row = {"step": step, "epoch": 0, "learning_rate": 1e-4, "train_mean_nll": 1.234567890123 + step}
            done = StepDone(step=step, life=1, metrics=row, tokens=4096, spans={"step": STEP_SECONDS})
            notebook.note(accepted)
            notebook.note(done)
    return time.process_time() - began, waits


async def main(steps: int, folder: Path) -> None:
    """Measure, and print a table."""
    bare, _ = await run_steps(None, Notebook(), steps, None)
    print("| batch | CPU a step | waiting a step, median | 95 % | of 200 ms |")
    print("|---|---:|---:|---:|---:|")
    for name, payload in (("told by its places", None), ("kept, 100 kB", bytes(100_000))):
        store = partial(JournalStore.open, folder / str(payload is None))
        (folder / str(payload is None)).mkdir()
        async with open_supervisor("bench") as root:
            notebook = Notebook()
            journal = await root.start_child(partial(Journal, store, notebook), name=journal_name("bench"))
            await journal.call(Journal.begin_run, "bench", {})
            life = LifeBegan(life=1, session_id="s", model_id="m", base_step=0)
            await journal.call(Journal.write, life, is_durable=True)
            cpu, waits = await run_steps(journal, notebook, steps, payload)
        typical, late = median(waits), quantiles(waits, n=20)[-1]
        print(
            f"| {name} | {1e3 * (cpu - bare) / steps:.2f} ms | {1e3 * typical:.2f} ms | {1e3 * late:.2f} ms "
            f"| {100 * typical / STEP_SECONDS:.2f} % |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    with tempfile.TemporaryDirectory() as scratch:
        trio.run(main, parser.parse_args().steps, Path(scratch))
