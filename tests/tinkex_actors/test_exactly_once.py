"""The embedded server, real sockets, real arithmetic: actors die at random, and training does not notice.

Two runs of fifty steps with the same seeds, one of them in a storm of crashes. The server's audit log says what was
carried out, in order, and the digest of the adapter's weights and the optimizer's state says that every bit is the same.
"""

from collections.abc import Iterator
from random import Random

import pytest
import trio
from attrs import evolve

from supervisors import ChildCrashed, ChildNotFound, Event, Name
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.clients import TinkerClient, TrainingClient, open_tinker
from tinkex_actors.local.server import LocalServer, open_server
from tinkex_actors.settings import Figures, Settings
from tinkex_actors.types import AdamParams, Datum, ModelInput

STEPS = 50
ACTORS = ["session", "heartbeat", "poller", "trainer-0", "roster", "telemetry"]


class Crashes:
    """Counts what died."""

    def __init__(self) -> None:
        self.paths = list[str]()

    def notify(self, event: Event, /) -> None:
        if isinstance(event, ChildCrashed):
            self.paths.append(event.path.rpartition("/")[2])


def batches(rng: Random) -> Iterator[list[Datum]]:
    for _ in range(STEPS):
        tokens = [rng.randrange(256) for _ in range(13)]
        yield [Datum(ModelInput.from_ints(tokens[:-1]), {"target_tokens": tokens[1:], "weights": [1.0] * 12})]


async def train(trainer: TrainingClient) -> list[float]:
    losses = list[float]()
    for batch in batches(Random(1)):  # noqa: S311 - data, not secrets
        gradients = trainer.forward_backward(batch, "cross_entropy")
        update = trainer.optim_step(AdamParams(learning_rate=1e-3))
        losses.append((await gradients).metrics["loss:sum"])
        await update
    return losses


async def strike(tinker: TinkerClient, rng: Random) -> None:
    """Crash or kill one actor after another, at moments that have nothing to do with the run's steps."""
    while True:
        await trio.sleep(rng.uniform(0.0, 0.1))
        name = rng.choice(ACTORS)
        try:
            actor = tinker._tree.root.whereis(Name(name, Crashable))
        except ChildNotFound:
            continue
        if rng.random() < 0.5:
            actor.kill()
        else:
            actor.cast_nowait(Crashable.crash_on_purpose, "at random")


async def run(server: LocalServer, crashes: Crashes, *, seed: int | None) -> tuple[list[float], str | None]:
    figures = Figures(max_restarts=10_000, max_seconds=1.0)
    settings = evolve(Settings.local(server.url), figures=figures)
    async with open_tinker(settings, observers=[crashes]) as tinker, trio.open_nursery() as nursery:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=4, seed=7)
        if seed is not None:
            nursery.start_soon(strike, tinker, Random(seed))  # noqa: S311 - chance, not secrets
        losses = await train(trainer)
        nursery.cancel_scope.cancel()
        # The model lives as long as its session.
        return losses, server.weights_digest(trainer.model_id)


@pytest.mark.parametrize("seed", [1, 2])
async def test_fifty_steps_in_a_storm_are_fifty_steps_with_the_same_weights(seed: int) -> None:
    """Whatever dies, whenever: each step once, each loss as undisturbed, and every bit of the weights the same."""
    async with open_server() as server:
        calm, storm = Crashes(), Crashes()
        undisturbed = await run(server, calm, seed=None)
        assert server.audit.count("optim_step") == STEPS
        disturbed = await run(server, storm, seed=seed)
        assert server.audit.count("optim_step") == 2 * STEPS
        assert server.audit.count("forward_backward") == 2 * STEPS
    assert disturbed == undisturbed
    assert not calm.paths
    assert len(storm.paths) >= 10
    assert "trainer-0" in storm.paths
