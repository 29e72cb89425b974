"""Points to evaluate terms at: the golden arrays, random ones, and slopes measured from outside."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinkex_actors.compute.regularizers import Context, Term, Values

P: Values = np.log([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
Q: Values = np.log([[0.25, 0.25, 0.5], [0.3, 0.3, 0.4]])
NEXT_TO_Q = Context({"reference_logprobs": Q, "original_logprobs": Q})


def log_softmax(x: Values) -> Values:
    normalized: Values = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return normalized


def measure_slope(term: Term, x: Values, context: Context, step: float = 1e-6) -> Values:
    """Central differences, one element at a time: slow, and ignorant of every formula."""
    slope = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        slope[place] = (term.evaluate(up, context).value - term.evaluate(down, context).value) / (2 * step)
    return slope


def assert_slope(term: Term, x: Values, context: Context) -> None:
    """The gradient is the measured slope, to 1e-5 of its largest element."""
    found = term.evaluate(x, context)
    expected = measure_slope(term, x, context)
    assert found.gradient.shape == x.shape
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-5, atol=1e-5 * max(1e-2, np.abs(expected).max()))


@st.composite
def distributions(draw: Any, min_vocabulary: int = 2) -> tuple[Values, Context]:
    """Log-probabilities of 2 or 3 axes, and another such array as reference and pair."""
    shape = (*draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)), draw(st.integers(min_vocabulary, 5)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    one, other = (log_softmax(random.normal(0.0, 2.0, shape)) for _ in range(2))
    return one, Context({"reference_logprobs": other, "original_logprobs": other}, (draw(st.integers(0, 99)),))
