"""Actors crash at every step of a custom loss; its gradient reaches the model once, and nobody notices."""

from collections.abc import Callable, Sequence

import pytest
import trio
from trio.testing import MockClock

from tests.tinkex_actors.clients.test_crashes import ACTORS, crash, kill
from tests.tinkex_actors.clients.test_custom_loss import passes, total
from tests.tinkex_actors.fake_tinker import FakeTinker, a_datum, make_trainer, open_fake
from tinkex_actors.clients import TinkerClient
from tinkex_actors.compute.loss import LossResult
from tinkex_actors.compute.regularizers import Values
from tinkex_actors.types import Datum

EXECUTED = [(1, "forward_backward"), (2, "forward_backward"), (3, "optim_step")]
MOMENTS = ["forward_backward", "retrieve_future", "optim_step"]


class Slow:
    """A loss that takes a while, tells when it is half-way, and counts."""

    def __init__(self) -> None:
        self.begun = 0
        self.half_way = trio.Event()

    async def __call__(self, data: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
        self.begun += 1
        await trio.sleep(0.1)
        self.half_way.set()
        await trio.sleep(0.1)
        return total(data, logprobs)


@pytest.mark.parametrize("way", [crash, kill])
@pytest.mark.parametrize("name", ACTORS)
async def test_a_crash_while_the_loss_is_evaluated_is_not_noticed(
    name: str, way: Callable[[TinkerClient, str], None], autojump_clock: MockClock
) -> None:
    """The next life evaluates it again, at the same log-probabilities; only the roster takes no trainer along."""
    fake, loss = FakeTinker(), Slow()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        gradients, update = trainer.forward_backward_custom([a_datum()] * 2, loss), trainer.optim_step()
        await loss.half_way.wait()
        way(tinker, name)
        assert (await gradients).metrics["loss:sum"] == -6.0
        await update
    assert fake.model.executed == EXECUTED
    assert loss.begun == (1 if name == "roster" else 2)
    assert autojump_clock.current_time() < 5


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", ["trainer-0", "poller", "session"])
async def test_a_crash_in_the_middle_of_either_pass_is_not_noticed(
    name: str, moment: str, side: str, autojump_clock: MockClock
) -> None:
    """Each request of each pass: sent again under its number with the same weights, carried out once."""
    for nth in (1, 2, 3):
        fake, tinkers = FakeTinker(), list[TinkerClient]()

        def strike(route: str, fake: FakeTinker = fake, tinkers: list[TinkerClient] = tinkers, nth: int = nth) -> None:
            if route == moment and tinkers and len(fake.times[route]) == nth:
                crash(tinkers[0], name)

        setattr(fake, side, strike)
        async with open_fake(fake) as tinker:
            trainer = await make_trainer(tinker)
            fake.times.clear()
            tinkers.append(tinker)
            gradients, update = trainer.forward_backward_custom([a_datum()], Slow()), trainer.optim_step()
            assert (await gradients).metrics["surrogate_loss:sum"] == 1.0
            await update
        assert fake.model.executed == EXECUTED
        assert passes(fake)[-1][2] == [[-1.0, -1.0, -1.0]]
    assert autojump_clock.current_time() < 20
