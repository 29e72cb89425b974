"""Several terms as one: order, weights, switches, and a gradient for each input."""

import numpy as np
import pytest

from tests.tinkex_actors.compute.regularizers.points import NEXT_TO_Q, P, Q
from tinkex_actors.compute.regularizers import (
    Entry,
    KlDivergence,
    L1Sparsity,
    L2WeightDecay,
    MultiInputPipeline,
    PenaltyPipeline,
)

L1 = Entry(name="l1", term=L1Sparsity(), weight=2.0)
L2 = Entry(name="l2", term=L2WeightDecay(), weight=0.5)
BOTH = PenaltyPipeline([L1, L2])


def test_a_pipeline_reports_total_raw_and_weighted() -> None:
    found = BOTH.evaluate(P)
    raw, squares = L1Sparsity().evaluate(P), L2WeightDecay().evaluate(P)
    assert found.value == pytest.approx(2.0 * raw.value + 0.5 * squares.value)
    np.testing.assert_allclose(found.gradient, 2.0 * raw.gradient + 0.5 * squares.gradient)
    assert list(found.metrics) == ["total", "l1:raw", "l1:weighted", "l2:raw", "l2:weighted"]


def test_entries_are_reweighted_switched_and_removed_by_name() -> None:
    """Each change is another pipeline; a schedule keeps the one it began with."""
    only_l1 = BOTH.enable("l2", is_enabled=False)
    assert only_l1.evaluate(P).value == pytest.approx(2.0 * L1Sparsity().evaluate(P).value)
    assert BOTH.remove("l2") == PenaltyPipeline([L1])
    assert BOTH.reweight("l1", 0.0).evaluate(P).value == pytest.approx(0.5 * L2WeightDecay().evaluate(P).value)
    assert only_l1.enable("l2") == BOTH


def test_an_entry_that_is_not_differentiable_is_reported_and_moves_nothing() -> None:
    told = BOTH.remove("l2").add(Entry(name="l2", term=L2WeightDecay(), is_differentiable=False)).evaluate(P)
    assert told.metrics["l2:raw"] > 0
    np.testing.assert_allclose(told.gradient, 2.0 * L1Sparsity().evaluate(P).gradient)


def test_names_of_entries_are_unique_and_known() -> None:
    with pytest.raises(ValueError, match="names of entries must be unique, got l1 more than once"):
        BOTH.add(L1)
    with pytest.raises(ValueError, match="expected the name of an entry, one of l1, l2, got 'l3'"):
        BOTH.remove("l3")


def test_a_pipeline_reads_what_its_enabled_terms_read() -> None:
    kl = Entry(name="kl", term=KlDivergence())
    assert BOTH.add(kl).fields == ("reference_logprobs",)
    assert BOTH.add(kl).enable("kl", is_enabled=False).fields == ()


def test_each_input_has_its_own_gradient() -> None:
    """The policy is penalized against the reference, which it reads; the reference is penalized on its own."""
    pipeline = MultiInputPipeline({"policy": (Entry(name="kl", term=KlDivergence()),), "reference_logprobs": (L1,)})
    found = pipeline.evaluate({"policy": P, "reference_logprobs": Q, "unused": np.ones(2)})
    np.testing.assert_allclose(found.gradients["policy"], KlDivergence().evaluate(P, NEXT_TO_Q).gradient)
    np.testing.assert_allclose(found.gradients["reference_logprobs"], np.full((2, 3), -2.0))
    assert found.gradients["unused"].tolist() == [0.0, 0.0]
    assert (
        found.value == found.metrics["total"] == pytest.approx(found.metrics["kl:raw"] + found.metrics["l1:weighted"])
    )


def test_several_inputs_refuse_missing_arrays_and_repeated_names() -> None:
    with pytest.raises(ValueError, match="expected inputs policy, got none for policy"):
        MultiInputPipeline({"policy": (L1,)}).evaluate({"value": P})
    with pytest.raises(ValueError, match="names of entries must be unique, got l1"):
        MultiInputPipeline({"policy": (L1,), "value": (L1,)})
