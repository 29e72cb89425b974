"""The ``tinkex`` command in this process, and a server with something on it to look at."""

import json
import os
from collections.abc import Generator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import structlog
import trio
from attrs import frozen
from click.testing import CliRunner

from tests.tinkex_actors.cli.process import read_line, running
from tinkex_actors.cli import main
from tinkex_actors.clients import open_tinker
from tinkex_actors.settings import Settings
from tinkex_actors.types import AdamParams, Datum, ModelInput

KEY = "tml-local"


@frozen
class Told:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its answer in JSON."""
        return json.loads(self.out)


@frozen
class Stage:
    """A server with one training run and three checkpoints of it, and a home without credentials."""

    url: str
    home: Path
    run_id: str
    state: str
    """A training checkpoint."""
    sampler: str
    """A sampler checkpoint."""

    def furnish(self) -> "Stage":
        """Put another run on the same server, for a test that changes it."""
        run_id, state, sampler = trio.run(_furnish, self.url)
        return Stage(self.url, self.home, run_id, state, sampler)

    def tinkex(self, *arguments: object, given: str = "", environ: Mapping[str, str | None] | None = None) -> Told:
        """Run the command against the server, with *given* on its stdin."""
        return tinkex(
            *arguments,
            given=given,
            environ={"TINKER_BASE_URL": self.url, "TINKER_API_KEY": KEY, "HOME": str(self.home), **(environ or {})},
        )


def tinkex(*arguments: object, given: str = "", environ: Mapping[str, str | None] | None = None) -> Told:
    """Run the command in this process."""
    status = 0
    with CliRunner().isolation(given, env={"COLUMNS": "200", **(environ or {})}) as (out, err, _):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else 1
        finally:
            structlog.reset_defaults()  # a command owns its process; here it has borrowed the tests'
        return Told(status, out.getvalue().decode(), err.getvalue().decode())


def tinkex_in(folder: Path, *arguments: object, **variables: str) -> Told:
    """Run the command in this process in *folder*, configured by *variables* alone: all but its start and its end."""
    ours = {name: None for name in os.environ if name.startswith("TINKER_")}
    with chdir(folder):
        return tinkex(*arguments, environ={**ours, **variables})


@contextmanager
def open_stage(folder: Path) -> Generator[Stage]:
    """Start a server, and put something on it."""
    home = folder / "home"
    home.mkdir()
    with running(["serve", "--data", folder / "data"], folder) as process:
        url = read_line(process).strip()
        run_id, state, sampler = trio.run(_furnish, url)
        yield Stage(url, home, run_id, state, sampler)


async def _furnish(url: str) -> tuple[str, str, str]:
    async with open_tinker(Settings.local(url)) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=4, user_metadata={"team": "blue"})
        datum = Datum(ModelInput.from_ints([1, 2, 3]), {"target_tokens": [2, 3, 4], "weights": [1.0, 1.0, 1.0]})
        trainer.forward_backward([datum], "cross_entropy")
        trainer.optim_step(AdamParams(learning_rate=1e-3))
        first, second = trainer.save_state("first"), trainer.save_state("second")
        sampler = trainer.save_weights_for_sampler("draw")
        state = (await first).path
        await second
        return trainer.model_id, state, (await sampler).path or ""
