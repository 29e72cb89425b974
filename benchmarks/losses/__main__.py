"""Print the tables: ``python -m benchmarks.losses [--rounds N] [--count N] [--torch]``.

Eight terms on 128 x 2,048 log-probabilities, beside the sum of their bare numpy formulas; each term beside its own. With
``--torch`` the same composition in torch's autograd (one thread) takes part, and the results are compared.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import trio
from threadpoolctl import threadpool_limits

from benchmarks.losses import floors
from benchmarks.losses.torch_twin import torch_composition
from benchmarks.measure import Contender, Stopwatch, Subject, compare, table, timed
from tinkex_actors.actors.loss_threads import LossThreads
from tinkex_actors.clients.loss_evaluation import CustomLossOptions, Evaluator
from tinkex_actors.compute import ComposedLoss, RegularizerSpec, compose, per_datum
from tinkex_actors.compute.loss import LossResult
from tinkex_actors.compute.regularizers import (
    Consistency,
    Context,
    ElasticNet,
    Entropy,
    GradientPenalty,
    KlDivergence,
    L1Sparsity,
    L2WeightDecay,
    Orthogonality,
    Term,
    Values,
)
from tinkex_actors.types import Datum, ModelInput, TensorData

SHAPE = (128, 2048)
WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
TERMS: Sequence[Term] = (
    L1Sparsity(),
    L2WeightDecay(),
    ElasticNet(),
    Entropy(),
    KlDivergence(),
    Consistency(pair_field="reference_logprobs"),
    Orthogonality(),
    GradientPenalty(slope=lambda x: 2.0 * x, curvature=lambda _, v: 2.0 * v),
)


def log_softmax(x: Values) -> Values:
    """Normalize rows."""
    normalized: Values = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return normalized


def nothing(_: Sequence[Datum], logprobs: Sequence[Values]) -> LossResult:
    """A base that costs nothing but its zeros."""
    return 0.0, [np.zeros_like(x) for x in logprobs]


def make_composition() -> ComposedLoss:
    """Compose the eight."""
    return compose(
        nothing,
        *(
            RegularizerSpec(loss=per_datum(term), weight=weight, name=term.name)
            for term, weight in zip(TERMS, WEIGHTS, strict=True)
        ),
    )


def in_threads(loss: ComposedLoss, datum: Datum, x: Values, options: CustomLossOptions) -> Subject:
    """Evaluate as a training client does."""

    async def repeat(count: int) -> float:
        evaluator = Evaluator([datum], [x], 1, options, LossThreads(4), "bench")
        with Stopwatch() as watch:
            for _ in range(count):
                await evaluator.evaluate(loss)
        return watch.seconds

    return lambda count: trio.run(repeat, count)


def together(x: Values, q: Values, *, torch: bool) -> tuple[Contender, list[Contender]]:
    """All eight: bare, composed, composed in threads, and torch."""
    loss = make_composition()
    datum = Datum(ModelInput.from_ints([0] * len(x)), {"reference_logprobs": TensorData.from_numpy(q)})
    contenders = [
        Contender("composed", timed(lambda: loss.evaluate([datum], [x])), 1.3),
        Contender("in threads, one by one", in_threads(loss, datum, x, CustomLossOptions(is_parallel=False)), 1.3),
        Contender("in threads, side by side", in_threads(loss, datum, x, CustomLossOptions()), 1.3),
    ]
    if torch:
        step = torch_composition(x, datum.loss_fn_inputs["reference_logprobs"].to_numpy().astype(np.float64), WEIGHTS)
        check_alike(loss, datum, x, step)
        contenders.append(Contender("torch autograd, one thread", timed(step)))
    return Contender("eight bare formulas", timed(lambda: floors.run_all(x, q))), contenders


def check_alike(loss: ComposedLoss, datum: Datum, x: Values, step: Callable[[], tuple[float, Values]]) -> None:
    """Refuse to compare two things that are not the same."""
    value, gradient = step()
    found = loss.evaluate([datum], [x])
    assert found.gradients is not None
    np.testing.assert_allclose(found.value, value, rtol=1e-9)
    np.testing.assert_allclose(found.gradients[0], gradient, rtol=1e-7, atol=1e-9)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.losses")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--torch", action="store_true")
    chosen = parser.parse_args()
    random = np.random.default_rng(0)
    x, q = (log_softmax(random.normal(0.0, 2.0, SHAPE)) for _ in range(2))
    context = Context({"reference_logprobs": q})
    with threadpool_limits(1):
        floor, others = together(x, q, torch=chosen.torch)
        print(table("Eight terms, 128 x 2,048", compare(floor, others, count=chosen.count, rounds=chosen.rounds)))
        for term, bare in zip(TERMS, floors.EIGHT, strict=True):
            one = Contender("bare", timed(partial(bare, x, q)))
            ours = Contender(term.name, timed(partial(term.evaluate, x, context)))
            print("\n" + table(term.name, compare(one, [ours], count=chosen.count, rounds=chosen.rounds)))


if __name__ == "__main__":
    main()
