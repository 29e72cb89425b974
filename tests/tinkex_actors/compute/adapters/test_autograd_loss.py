"""Losses of autograd: one evaluation brings value, exact gradients and metrics."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tinkex_actors.compute.adapters import autograd_loss
from tinkex_actors.compute.composition import RegularizerSpec, compose
from tinkex_actors.compute.evaluation import evaluate_loss
from tinkex_actors.compute.gradient_check import check_gradient
from tinkex_actors.compute.loss_errors import LossInvalid
from tinkex_actors.types import Datum, ModelInput

anp: Any = import_module("autograd.numpy")  # Any: it ships no types

DATA = [Datum(ModelInput.from_ints([1] * size), {"target_tokens": [2] * size}) for size in (2, 3)]
AT = [np.array([-0.5, -1.0]), np.array([-2.0, -0.25, -1.5])]


# Autograd's arrays have no type.
def preference(_: Sequence[Datum], logprobs: Any) -> Any:
    margin = anp.sum(logprobs[0]) - anp.sum(logprobs[1])
    return anp.log(1.0 + anp.exp(-0.3 * margin)), {"margin": margin}


def test_value_gradients_and_metrics_come_from_one_evaluation() -> None:
    """Metrics are numbers, not what autograd traces."""
    found = evaluate_loss(preference, DATA, AT)
    slope = -0.3 / (1.0 + np.exp(0.3 * 2.25))
    assert found.value == pytest.approx(float(np.log1p(np.exp(-0.3 * 2.25))))
    assert found.gradients is not None
    np.testing.assert_allclose(found.gradients[0], [slope] * 2)
    np.testing.assert_allclose(found.gradients[1], [-slope] * 3)
    assert found.metrics == {"margin": pytest.approx(2.25)}
    assert type(found.metrics["margin"]) is float


def test_a_loss_of_autograd_checks_and_composes_like_any_other() -> None:
    composed = compose(preference, RegularizerSpec(loss=autograd_loss(_squares), weight=0.1, name="squares"))
    assert check_gradient(preference, DATA, AT).elements == 5
    assert check_gradient(composed, DATA, AT).elements == 5


def _squares(_: Sequence[Datum], logprobs: Any) -> Any:
    return anp.sum(logprobs[1] ** 2)


def test_a_datum_that_the_loss_does_not_look_at_has_gradient_zero() -> None:
    found = evaluate_loss(_squares, DATA, AT)
    assert found.gradients is not None
    assert found.gradients[0].tolist() == [0.0, 0.0]


def test_a_loss_that_depends_on_nothing_is_refused() -> None:
    """It would train nothing; most likely the log-probabilities were turned into plain numbers on the way."""
    with pytest.raises(LossInvalid, match="expected a loss of autograd that depends on the logprobs"):
        evaluate_loss(autograd_loss(lambda _, __: 1.0), DATA, AT)


def test_a_loss_that_returns_its_own_gradients_is_told_what_to_do() -> None:
    with pytest.raises(LossInvalid, match=r"return loss or \(loss, metrics\), got a tuple of 2.*numpy_loss"):
        evaluate_loss(autograd_loss(lambda _, at: (1.0, [2 * x for x in at])), DATA, AT)
