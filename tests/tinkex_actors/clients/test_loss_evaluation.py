"""Parts of a composition run side by side or one by one, in threads or awaited, with the same result."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
import structlog
import trio
import trio.lowlevel
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from tinkex_actors.actors.loss_threads import LossThreads
from tinkex_actors.clients.loss_evaluation import CustomLossOptions, Evaluator
from tinkex_actors.clients.loss_events import LossEvent, log_loss_event
from tinkex_actors.compute.batch_terms import concatenated, per_datum
from tinkex_actors.compute.composition import ComposedEvaluation, RegularizerSpec, compose
from tinkex_actors.compute.loss import Loss, LossResult
from tinkex_actors.compute.loss_errors import LossFailed, RegularizerFailed, RegularizerTimedOut
from tinkex_actors.compute.regularizers import L1Sparsity, L2WeightDecay, OutputMagnitude, Values
from tinkex_actors.types import Datum, ModelInput

DATA = [Datum(ModelInput.from_ints([1] * size), {"target_tokens": [2] * size}) for size in (2, 3)]
AT = [np.array([-0.5, -1.0]), np.array([-2.0, -0.25, -1.5])]
ONE_BY_ONE = CustomLossOptions(is_parallel=False)
SIDE_BY_SIDE = CustomLossOptions()


def total(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    return sum(float(x.sum()) for x in logprobs), [np.ones_like(x) for x in logprobs]


async def answer(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    await trio.lowlevel.checkpoint()
    return 42.0, [np.zeros_like(x) for x in logprobs]


def broken(_: Sequence[Datum], __: Sequence[Values]) -> LossResult:
    raise ZeroDivisionError("oh")


def spec(loss: Loss, weight: float = 1.0, name: str = "term") -> RegularizerSpec:
    return RegularizerSpec(loss=loss, weight=weight, name=name)


def evaluator(options: CustomLossOptions, threads: LossThreads | None = None) -> Evaluator:
    return Evaluator(DATA, AT, 1, options, threads or LossThreads(4), "trainer-0")


EIGHT = compose(
    per_datum(L2WeightDecay()),
    spec(concatenated(L1Sparsity()), 0.1, "l1"),
    spec(total, 0.2, "total"),
    spec(answer, 0.3, "answer"),
    spec(
        compose(total, spec(per_datum(OutputMagnitude()), 0.5, "magnitude"), spec(answer, 1.0, "deep")), 0.4, "nested"
    ),
    track_norms=True,
)


@pytest.mark.tinkex("T122")
@pytest.mark.parametrize("at_once", [1, 4])
async def test_both_orders_of_evaluation_have_the_same_result(at_once: int) -> None:
    """Bit for bit, whoever ends first, and the same as without threads."""
    found = [await evaluator(how, LossThreads(at_once)).evaluate(EIGHT) for how in (ONE_BY_ONE, SIDE_BY_SIDE)]
    plain = await EIGHT.evaluate_async(DATA, AT, seed=1)
    assert found[0].output == found[1].output == plain.output
    assert all(
        np.array_equal(one, other) and np.array_equal(one, third)
        for one, other, third in zip(*(each.gradients or () for each in (*found, plain)), strict=True)
    )


async def test_parts_really_run_side_by_side() -> None:
    """Each waits for the other, in threads of their own."""
    barrier = threading.Barrier(2, timeout=5)

    def meet(data: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
        barrier.wait()
        return total(data, logprobs)

    found = await evaluator(SIDE_BY_SIDE).evaluate(compose(meet, spec(meet)))
    assert found.value == -10.5


async def sleeps(_: Sequence[Datum], __: Sequence[Values]) -> LossResult:
    await trio.sleep_forever()


@pytest.mark.tinkex("T123")
@pytest.mark.parametrize("how", [ONE_BY_ONE, SIDE_BY_SIDE])
async def test_a_term_that_takes_too_long_is_named(how: CustomLossOptions, mock_clock: MockClock) -> None:
    """In either mode and of either kind; the Elixir client has no limit in the one and no name in the other."""
    gate = threading.Event()

    def stuck(data: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
        gate.wait()
        return total(data, logprobs)

    async def expect(loss: Loss) -> None:
        with pytest.raises(RegularizerTimedOut, match="the regularizer 'slow' took more than 30 s") as slow:
            await evaluator(how).evaluate(compose(answer, spec(loss, name="slow")))
        assert slow.value.name == "slow"

    try:
        for loss in (stuck, sleeps):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect, loss)
                await wait_all_tasks_blocked()
                mock_clock.jump(31)
    finally:
        gate.set()


@pytest.mark.tinkex("T123")
@pytest.mark.parametrize("how", [ONE_BY_ONE, SIDE_BY_SIDE])
async def test_a_term_that_raises_is_named_and_one_that_answers_later_is_waited_for(how: CustomLossOptions) -> None:
    with pytest.raises(RegularizerFailed, match="the regularizer 'bad' failed: ZeroDivisionError: oh"):
        await evaluator(how).evaluate(compose(total, spec(answer), spec(broken, name="bad")))
    assert (await evaluator(how).evaluate(compose(total, spec(answer)))).output.regularizers["term"].value == 42.0


async def test_the_first_failure_ends_the_others() -> None:
    """Nobody waits for terms whose step is lost."""
    with trio.fail_after(5), pytest.raises(LossFailed, match="the loss failed: ZeroDivisionError"):
        await evaluator(SIDE_BY_SIDE).evaluate(compose(broken, spec(sleeps)))


async def test_log_probabilities_cannot_be_written_into() -> None:
    """All parts look at the same arrays; one that changed them would change the others' results."""

    def careless(data: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
        logprobs[0][0] = 0.0
        return total(data, logprobs)

    with pytest.raises(RegularizerFailed, match="read-only"):
        await evaluator(SIDE_BY_SIDE).evaluate(compose(total, spec(careless)))


async def test_every_part_is_told_of() -> None:
    """Start and stop with figures, or exception with its class; the whole brackets its parts."""
    told = list[LossEvent]()
    await evaluator(evolve(ONE_BY_ONE, on_event=told.append)).evaluate(
        compose(total, spec(per_datum(L2WeightDecay()), 0.5, "l2"), track_norms=True)
    )
    assert [(event.part, event.phase, event.name) for event in told] == [
        ("base", "start", "trainer-0"),
        ("base", "stop", "trainer-0"),
        ("regularizer", "start", "l2"),
        ("regularizer", "stop", "l2"),
    ]
    assert (told[3].value, told[3].contribution) == (7.5625, 3.78125)
    assert told[1].grad_norm == pytest.approx(5**0.5)
    assert told[3].duration is not None
    assert told[3].duration > 0
    with pytest.raises(RegularizerFailed):
        await evaluator(evolve(ONE_BY_ONE, on_event=told.append)).evaluate(compose(total, spec(broken)))
    assert (told[-1].phase, told[-1].error, told[-1].grad_norm) == ("exception", "ZeroDivisionError", None)


async def test_events_can_go_to_the_log() -> None:
    with structlog.testing.capture_logs() as lines:
        how = evolve(ONE_BY_ONE, on_event=log_loss_event)
        with pytest.raises(RegularizerFailed):
            await evaluator(how).evaluate(compose(total, spec(broken)))
    assert [(line["event"], line["log_level"]) for line in lines][-2:] == [
        ("regularizer start", "debug"),
        ("regularizer exception", "warning"),
    ]


async def test_an_observer_that_raises_fails_the_operation_and_nothing_else() -> None:
    def refuse(_: LossEvent) -> None:
        raise KeyError("oops")

    with pytest.raises(LossFailed, match="KeyError"):
        await evaluator(evolve(ONE_BY_ONE, on_event=refuse)).evaluate(total)


async def test_each_part_is_evaluated_once() -> None:
    """Value, gradient and norm belong to one point; the Elixir client evaluates three times."""
    counts = list[str]()

    def counting(name: str) -> Loss:
        def loss(data: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
            counts.append(name)
            return total(data, logprobs)

        return loss

    told = list[LossEvent]()
    composed = compose(counting("base"), spec(counting("a"), name="a"), spec(counting("b"), name="b"), track_norms=True)
    await evaluator(evolve(SIDE_BY_SIDE, on_event=told.append)).evaluate(composed)
    assert sorted(counts) == ["a", "b", "base"]


def flat(found: ComposedEvaluation) -> dict[str, float]:
    return found.output.to_metrics()


async def test_a_report_has_flat_names_for_a_steps_metrics() -> None:
    """Absent norms are absent names, not zeros."""
    term = spec(per_datum(L2WeightDecay()), 0.5, "l2")
    without, tracked = [
        await evaluator(ONE_BY_ONE).evaluate(compose(total, term, track_norms=on)) for on in (False, True)
    ]
    assert flat(without) == {
        "base_loss:sum": -5.25,
        "regularizer_total:sum": 3.78125,
        "regularizer/l2:sum": 3.78125,
        "regularizer/l2/value:sum": 7.5625,
        "regularizer/l2/l2_raw": 3.78125,
        "regularizer/l2/l2_mean": pytest.approx(1.3645833),
    }
    assert flat(tracked).keys() - flat(without).keys() == {
        "grad_norm:mean",
        "base_loss/grad_norm:mean",
        "regularizer/l2/grad_norm:mean",
    }
