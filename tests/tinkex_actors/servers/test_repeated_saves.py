"""A server that knows no repeats refuses the second sending of a save; that is no conflict with anybody else."""

import pytest
import trio
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import LoseAnswer, LoseRequest, Say, Stall, a_datum, make_trainer, open_fake
from tests.tinkex_actors.servers.mixture import MixtureTinker
from tinkex_actors.types import ConflictError


async def test_a_save_whose_answer_was_lost_is_a_success(autojump_clock: MockClock) -> None:
    """It was done, so it is there; what comes behind it goes on."""
    fake = MixtureTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("save_weights", LoseAnswer())
        saved = await trainer.save_state("one")
        await trainer.forward_backward([a_datum()], "cross_entropy")
        await trainer.optim_step()
    assert saved.path in fake.saved
    assert fake.model.count("save_weights") == 1
    assert len(fake.times["save_weights"]) == 2
    assert autojump_clock.current_time() < 120


async def test_a_save_that_a_crash_sends_again_is_a_success(autojump_clock: MockClock) -> None:
    """The life that sent it first is gone, and with it the count of its attempts."""
    fake = MixtureTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("save_weights", Stall(10.0))
        pending = trainer.save_state("one")
        await trio.sleep(5)
        trainer.crash("a test")
        assert (await pending).path in fake.saved
    assert fake.model.count("save_weights") == 1
    assert autojump_clock.current_time() < 120


async def test_a_name_that_is_taken_is_a_conflict_however_often_it_is_sent(autojump_clock: MockClock) -> None:
    """The weights under it are older ones: to call that a success would lose the new ones."""
    fake = MixtureTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.save_state("one")
        await trainer.optim_step()
        fake.fail("save_weights", LoseRequest(), Say(503))
        for _ in range(2):
            with pytest.raises(ConflictError, match="the checkpoint exists; what it would make is there already"):
                await trainer.save_state("one")
        await trainer.save_state("two")
    assert autojump_clock.current_time() < 120


async def test_a_conflict_at_the_first_sending_is_one(autojump_clock: MockClock) -> None:
    """Nobody but another can have made what is there."""
    fake = MixtureTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        (model_id,) = fake.models
        fake.saved[f"tinker://{model_id}/weights/theirs"] = "of somebody else"
        with pytest.raises(ConflictError):
            await trainer.save_state("theirs")
    assert autojump_clock.current_time() < 120
