"""A number is the next request's only if it is certain that nobody has used it; what is uncertain is said to be."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import (
    FIGURES,
    SETTINGS,
    FakeTinker,
    Fault,
    Garble,
    LoseAnswer,
    LoseRequest,
    Say,
    a_datum,
    make_trainer,
    open_fake,
)
from tinkex_actors.actors.errors import ClientFenced
from tinkex_actors.transport.stack import Line
from tinkex_actors.types import APIStatusError, BadRequestError, CircuitOpen, ResponseInvalid


async def test_a_batch_of_which_a_part_may_be_taken_fences_the_client(autojump_clock: MockClock) -> None:
    """One slice is refused, of another nobody knows: to give its number to the next request would bring the old result."""
    fake = FakeTinker(config={"fwdbwd_max_chunk_len": 1})
    settings = evolve(SETTINGS, figures=evolve(FIGURES, max_retries=1, retry_patience=0.0))
    async with open_fake(fake, settings) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.forward_backward([a_datum()], "cross_entropy")
        fake.fail("forward_backward", Say(422), LoseAnswer(), LoseAnswer())
        batch = trainer.forward_backward([a_datum()] * 3, "cross_entropy")
        later = trainer.optim_step()
        for pending in (batch, later):
            with pytest.raises(ClientFenced):
                await pending
    assert fake.model.numbers == [1]
    assert autojump_clock.current_time() < 5


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_a_refusal_at_the_door_does_not_undo_what_may_have_been_taken(
    status: int, autojump_clock: MockClock
) -> None:
    """The first sending was carried out and its answer lost; the second was stopped before anybody looked at its number."""
    fake = FakeTinker()
    settings = evolve(SETTINGS, figures=evolve(FIGURES, max_retries=1, retry_patience=0.0))
    async with open_fake(fake, settings) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", LoseAnswer(), Say(status))
        with pytest.raises(ClientFenced) as fenced:
            await trainer.optim_step()
        assert isinstance(fenced.value.__cause__, APIStatusError)
        with pytest.raises(ClientFenced):
            trainer.save_state("a")
    assert fake.model.executed == [(1, "optim_step")]
    assert autojump_clock.current_time() < 5


@pytest.mark.parametrize("faults", [[Say(429), Say(429)], [Say(401)], [LoseRequest(), Say(400)]])
async def test_a_refusal_that_is_certain_leaves_no_hole(faults: list[Fault], autojump_clock: MockClock) -> None:
    """Nothing was lost on the way, or the server has looked at the request: its number is the next one's."""
    fake = FakeTinker()
    settings = evolve(SETTINGS, figures=evolve(FIGURES, max_retries=1, retry_patience=0.0))
    async with open_fake(fake, settings) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", *faults)
        with pytest.raises(APIStatusError):
            await trainer.optim_step()
        await trainer.optim_step()
    assert fake.model.numbers == [1]
    assert autojump_clock.current_time() < 5


async def test_a_request_that_was_never_sent_leaves_no_hole(autojump_clock: MockClock) -> None:
    """The breaker held it back to the end: nothing needs to be guessed, and the model trains on."""
    fake = FakeTinker()
    settings = evolve(SETTINGS, figures=evolve(FIGURES, max_retries=2, retry_patience=0.0, breaker_failures=1))
    async with open_fake(fake, settings) as tinker:
        trainer = await make_trainer(tinker)
        line = tinker._tree.transport
        assert isinstance(line, Line)
        line.breaker.fail(trio.current_time() + 100, is_probe=True)
        with pytest.raises(CircuitOpen, match="was not sent"):
            await trainer.optim_step()
        line.breaker.succeed()
        await trainer.optim_step()
    assert fake.model.numbers == [1]
    assert autojump_clock.current_time() < 60


async def test_another_request_under_a_number_has_another_key(autojump_clock: MockClock) -> None:
    """A server that keeps its answers by key must not answer the second with the refusal of the first."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", Say(400), LoseAnswer())
        with pytest.raises(BadRequestError):
            await trainer.optim_step()
        await trainer.optim_step()
        await trainer.optim_step()
    refused, lost, again, last = (
        headers["x-idempotency-key"] for name, headers in fake.headers if name == "optim_step"
    )
    assert lost == again
    assert len({refused, lost, last}) == 3
    assert fake.model.numbers == [1, 2]
    assert autojump_clock.current_time() < 5


async def test_an_answer_that_cannot_be_read_is_asked_for_again_three_times(autojump_clock: MockClock) -> None:
    """A server that goes on talking nonsense may have carried the request out, and is not asked for ever."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", *[Garble()] * 10)
        with pytest.raises(ClientFenced) as fenced:
            await trainer.optim_step()
    assert isinstance(fenced.value.__cause__, ResponseInvalid)
    assert len(fake.times["optim_step"]) == FIGURES.garbled_promises == 3
    assert fake.model.numbers == [1]
    assert autojump_clock.current_time() < 5
