"""Custom losses over the actors: two passes in line, exact weights, and failures that cost one operation."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import FIGURES, SETTINGS, FakeTinker, Say, a_datum, make_trainer, open_fake
from tinkex_actors.actors.errors import ClientBusy, OperationWithdrawn
from tinkex_actors.clients.loss_evaluation import CustomLossOptions
from tinkex_actors.compute.composition import RegularizerSpec, compose
from tinkex_actors.compute.loss import LossResult
from tinkex_actors.compute.loss_errors import LossError, LossFailed, LossInvalid, LossTimedOut, RegularizerTimedOut
from tinkex_actors.compute.regularizers import Values
from tinkex_actors.types import BadRequestError, Datum, ForwardBackwardRequest, ResponseInvalid

QUICK = 0.001
"""Latency where a thread takes part: virtual time would run ahead of it."""


def total(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    return sum(float(x.sum()) for x in logprobs), [np.ones_like(x) for x in logprobs], {"custom": 7.0}


async def total_elsewhere(data: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    await trio.sleep(0.5)
    return total(data, logprobs)


async def broken(_: Sequence[Datum], __: Sequence[Values]) -> LossResult:
    await trio.lowlevel.checkpoint()
    raise ZeroDivisionError("oh")


def passes(fake: FakeTinker) -> list[tuple[int, bool, list[list[float]]]]:
    """Of every forward or backward request: its number, whether it was forward only, and its weights."""
    requests: list[ForwardBackwardRequest] = sorted(fake.sent("forward_backward"), key=lambda one: one.seq_id)
    return [
        (
            one.seq_id,
            one.forward_only,
            [datum.loss_fn_inputs["weights"].tolist() for datum in one.forward_backward_input.data],
        )
        for one in requests
    ]


async def test_a_custom_loss_that_was_not_sent_is_withdrawn_whole() -> None:
    """Nobody wants its log-probabilities either."""
    fake = FakeTinker(latency=QUICK)
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        before, unwanted, after = (
            trainer.optim_step(),
            trainer.forward_backward_custom([a_datum()], total),
            trainer.optim_step(),
        )
        assert unwanted.cancel()
        await before
        await after
    assert not fake.sent("forward_backward")
    assert fake.model.numbers == [1, 2]


async def test_a_custom_loss_that_finds_no_room_leaves_nothing_in_line() -> None:
    """There is room for one of its passes: neither is sent, and what is next is not held up."""
    fake = FakeTinker(latency=QUICK)
    async with open_fake(fake, evolve(SETTINGS, figures=evolve(FIGURES, train_in_flight=2))) as tinker:
        trainer = await make_trainer(tinker)
        before = trainer.optim_step()
        with pytest.raises(ClientBusy):
            trainer.forward_backward_custom([a_datum()], total)
        await before
        await trainer.optim_step()
    assert fake.model.executed == [(1, "optim_step"), (2, "optim_step")]


@pytest.mark.tinkex("T21", "T22")
async def test_a_loss_travels_as_two_passes() -> None:
    """Forward under one number, the negated gradient under the next, in the shape of each datum."""
    fake = FakeTinker(latency=QUICK)
    data = [a_datum(2), a_datum(3), a_datum(1)]
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        found = await trainer.forward_backward_custom(data, total)
        await trainer.optim_step()
    assert passes(fake) == [
        (1, True, [[1.0, 1.0], [1.0, 1.0, 1.0], [1.0]]),
        (2, False, [[-1.0, -1.0], [-1.0, -1.0, -1.0], [-1.0]]),
    ]
    assert fake.sent("forward_backward")[1].forward_backward_input.data[0].loss_fn_inputs["weights"].dtype == "float32"
    assert fake.model.executed[2] == (3, "optim_step")
    assert (found.metrics["loss:sum"], found.metrics["surrogate_loss:sum"], found.metrics["custom"]) == (-6.0, 3.0, 7.0)
    assert (found.custom_loss.loss_total, len(found.loss_fn_outputs)) == (-6.0, 3)


async def test_both_passes_are_cut_at_the_same_places(autojump_clock: MockClock) -> None:
    """The weights of a slice belong to the log-probabilities of that slice, and all numbers of a pass come together."""
    fake = FakeTinker(config={"fwdbwd_max_chunk_len": 2})
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        later = trainer.forward_backward_custom([a_datum(k) for k in (1, 2, 3)], total_elsewhere), trainer.optim_step()
        assert (await later[0]).metrics["loss:sum"] == -6.0
        await later[1]
    sizes = [(number, forward_only, [len(one) for one in weights]) for number, forward_only, weights in passes(fake)]
    assert sizes == [(1, True, [1, 2]), (2, True, [3]), (3, False, [1, 2]), (4, False, [3])]
    assert fake.model.numbers == [1, 2, 3, 4, 5]
    assert autojump_clock.current_time() < 2


async def test_what_is_submitted_later_waits_for_both_passes(autojump_clock: MockClock) -> None:
    """In the Elixir client a pipelined optimizer step overtakes the backward pass, and trains on nothing."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        steps = [
            (trainer.forward_backward_custom([a_datum()], total_elsewhere), trainer.optim_step()) for _ in range(2)
        ]
        for gradients, update in steps:
            await gradients
            await update
    kinds = [name for _, name in fake.model.executed]
    assert kinds == ["forward_backward", "forward_backward", "optim_step"] * 2
    assert [forward_only for _, forward_only, _ in passes(fake)] == [True, False] * 2
    assert autojump_clock.current_time() < 3


async def test_a_loss_that_raises_fails_alone(autojump_clock: MockClock) -> None:
    """The official client is poisoned by it for ever; here no number was taken, so nothing waits for one."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        failed, later = trainer.forward_backward_custom([a_datum()], broken), trainer.optim_step()
        with pytest.raises(LossFailed, match="the loss failed: ZeroDivisionError: oh") as failure:
            await failed
        assert isinstance(failure.value.__cause__, ZeroDivisionError)
        await later
        await trainer.forward_backward_custom([a_datum()], total_elsewhere)
    assert fake.model.numbers == [1, 2, 3, 4]
    assert autojump_clock.current_time() < 3


async def test_a_refused_forward_pass_takes_the_backward_pass_with_it(autojump_clock: MockClock) -> None:
    """Without log-probabilities there is no gradient."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("forward_backward", Say(400, b'{"detail": "no such token"}'))
        with pytest.raises(BadRequestError, match="no such token"):
            await trainer.forward_backward_custom([a_datum()], total_elsewhere)
        await trainer.optim_step()
    assert fake.model.executed == [(1, "optim_step")]
    assert autojump_clock.current_time() < 2


@pytest.mark.parametrize("moment", [0.0, 0.012, 0.3])
async def test_it_can_be_withdrawn_until_its_gradient_is_sent(moment: float, autojump_clock: MockClock) -> None:
    """Before it is sent, during the forward pass, during the loss: nothing changes the model, and nothing jams."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        unwanted, later = trainer.forward_backward_custom([a_datum()], total_elsewhere), trainer.optim_step()
        await trio.sleep(moment)
        assert unwanted.cancel()
        assert not unwanted.cancel()
        with pytest.raises(OperationWithdrawn):
            await unwanted
        await later
    assert all(forward_only for _, forward_only, _ in passes(fake))
    assert autojump_clock.current_time() < 1


async def test_what_was_sent_can_not_be_withdrawn(autojump_clock: MockClock) -> None:
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        sent = trainer.forward_backward_custom([a_datum()], total_elsewhere)
        await sent.accepted()
        assert not sent.cancel()
        await sent
    assert autojump_clock.current_time() < 2


async def test_a_loss_may_not_wait_for_its_own_client(autojump_clock: MockClock) -> None:
    """It would wait behind itself, for ever and without a word."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer, other = await make_trainer(tinker), await make_trainer(tinker)

        async def asks_itself(_: Sequence[Datum], __: Sequence[Values]) -> LossResult:
            return (await trainer.forward([a_datum()], "cross_entropy")).metrics["loss:sum"]

        async def asks_another(data: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
            await other.forward([a_datum()], "cross_entropy")
            return total(data, logprobs)

        with pytest.raises(
            LossFailed, match="asked for an operation of trainer-0, which would wait for that very loss"
        ):
            await trainer.forward_backward_custom([a_datum()], asks_itself)
        await trainer.forward_backward_custom([a_datum()], asks_another)
    assert autojump_clock.current_time() < 2


async def test_what_makes_no_sense_is_refused_before_anything_is_sent(autojump_clock: MockClock) -> None:
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        datum = a_datum()
        bare = evolve(datum, loss_fn_inputs={"weights": [1.0, 1.0, 1.0]})
        short = evolve(datum, loss_fn_inputs={**datum.loss_fn_inputs, "weights": [1.0]})
        with pytest.raises(ValueError, match=r"expected target_tokens in data\[1\], got weights"):
            trainer.forward_backward_custom([datum, bare], total)
        with pytest.raises(ValueError, match=r"expected weights of data\[0\] in the shape of its targets, \(3,\)"):
            trainer.forward_backward_custom([short], total)
        with pytest.raises(ValueError, match="at least one datum"):
            trainer.forward_backward_custom([], total)
        with pytest.raises(TypeError, match=r"loss_fn must be a function of \(data, logprobs\), got int"):
            trainer.forward_backward_custom([datum], 1)  # type: ignore[arg-type]  # the point of the test
        with pytest.raises(ValueError, match="clip_norm must be > 0 or None, got 0"):
            CustomLossOptions(clip_norm=0)
    assert not fake.model.executed
    assert autojump_clock.current_time() < 1


async def test_a_loss_that_cannot_train_is_refused_before_its_gradient_is_sent(autojump_clock: MockClock) -> None:
    async def value_only(_: Sequence[Datum], __: Sequence[Values]) -> LossResult:
        await trio.lowlevel.checkpoint()
        return 1.0

    async def huge(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
        await trio.lowlevel.checkpoint()
        return 1.0, [np.full_like(x, 1e300) for x in logprobs]

    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        with pytest.raises(LossInvalid, match="got a value without them from base; return"):
            await trainer.forward_backward_custom([a_datum()], value_only)
        with pytest.raises(LossInvalid, match=r"expected gradients\[0\] to fit float32, got 1e\+300; scale the loss"):
            await trainer.forward_backward_custom([a_datum()], huge)
    assert all(forward_only for _, forward_only, _ in passes(fake))
    assert autojump_clock.current_time() < 1


async def test_a_limit_on_the_norm_scales_all_gradients_together(autojump_clock: MockClock) -> None:
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        clip = CustomLossOptions(clip_norm=1.0)
        found = await trainer.forward_backward_custom([a_datum(3), a_datum(1)], total_elsewhere, options=clip)
    assert passes(fake)[1][2] == [[-0.5, -0.5, -0.5], [-0.5]]
    assert (found.metrics["grad_norm:mean"], found.metrics["grad_clip_factor:mean"]) == (2.0, 0.5)
    assert autojump_clock.current_time() < 2


async def test_answers_that_fit_no_target_are_the_servers_fault(autojump_clock: MockClock) -> None:
    """A server that drops or reorders outputs would train the model on someone else's gradient."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        # The scripted server answers one number for each position of the input.
        odd = evolve(a_datum(), loss_fn_inputs={"target_tokens": [1, 2]})
        with pytest.raises(ResponseInvalid, match=r"loss_fn_outputs\[0\].logprobs: expected shape \(2,\).*got \(3,\)"):
            await trainer.forward_backward_custom([odd], total_elsewhere)
    assert autojump_clock.current_time() < 1


async def test_a_loss_that_takes_too_long_is_left_behind() -> None:
    """A thread cannot be stopped; the operation fails, the thread is counted, and there may not be too many of them."""
    fake, gate = FakeTinker(latency=QUICK), threading.Event()

    def stuck(_: Sequence[Datum], __: Sequence[Values]) -> LossResult:
        gate.wait()
        return 0.0

    limits = CustomLossOptions(base_timeout=0.02, term_timeout=0.02)
    settings = evolve(SETTINGS, figures=evolve(SETTINGS.figures, loss_threads=1))
    slow_term = compose(total_elsewhere, RegularizerSpec(loss=stuck, weight=1.0, name="slow"))
    async with open_fake(fake, settings) as tinker:
        trainer = await make_trainer(tinker)
        try:
            with pytest.raises(LossTimedOut, match=r"the loss took more than 0.02 s; raise base_timeout if it may"):
                await trainer.forward_backward_custom([a_datum()], stuck, options=limits)
            with pytest.raises(RegularizerTimedOut, match=r"the regularizer 'slow' took more than 0.02 s") as timed_out:
                await trainer.forward_backward_custom([a_datum()], slow_term, options=evolve(limits, base_timeout=None))
            assert timed_out.value.name == "slow"
            with pytest.raises(LossError, match="expected at most 2 threads at work on losses"):
                await trainer.forward_backward_custom([a_datum()], total)
        finally:
            gate.set()
        await trainer.optim_step()
