"""What custom losses are measured against is the same arithmetic, so that a ratio compares like with like."""

import numpy as np
import pytest

from benchmarks.losses.__main__ import TERMS, log_softmax
from benchmarks.losses.floors import EIGHT, Bare
from tinkex_actors.compute.regularizers import Context, Term


@pytest.mark.parametrize(("term", "bare"), list(zip(TERMS, EIGHT, strict=True)), ids=[term.name for term in TERMS])
def test_a_bare_formula_is_that_of_its_term(term: Term, bare: Bare) -> None:
    """Value and gradient."""
    random = np.random.default_rng(0)
    x, q = (log_softmax(random.normal(0.0, 2.0, (5, 7))) for _ in range(2))
    found, (value, gradient) = term.evaluate(x, Context({"reference_logprobs": q})), bare(x, q)
    assert found.value == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-11, atol=1e-13)
