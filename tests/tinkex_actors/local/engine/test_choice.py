"""Choosing a token: the filters against a naive implementation, the draw against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.local.engine.choice import Policy, TopLogprobs, choose

LOGITS = st.lists(st.floats(-5, 5), min_size=2, max_size=8)


def naive(logits: list[float], uniform: float, policy: Policy) -> int:
    """One row, in plain Python: sort, cut by count, cut by share, walk until the draw is covered."""
    weights = np.exp((np.array(logits) - max(logits)) / policy.temperature)
    order = sorted(range(len(logits)), key=lambda i: (-weights[i], i))
    kept = order[: policy.top_k] if policy.top_k > 0 else order
    share, total = 0.0, sum(weights[i] for i in kept)
    nucleus: list[int] = []
    for i in kept:
        if nucleus and share >= policy.top_p * total:
            break
        nucleus.append(i)
        share += weights[i]
    covered, target = 0.0, uniform * sum(weights[i] for i in nucleus)
    for i in sorted(nucleus):
        covered += weights[i]
        if covered > target:
            return i
    return max(nucleus)


@given(
    logits=LOGITS,
    uniform=st.floats(0, 1, exclude_max=True),
    temperature=st.floats(0.2, 3),
    top_k=st.integers(-1, 9),
    top_p=st.floats(0.05, 1),
)
def test_a_choice_is_what_the_definition_says(
    logits: list[float], uniform: float, temperature: float, top_k: int, top_p: float
) -> None:
    """Ties go to the lower id; sums within a rounding error of the draw may go either way."""
    policy = Policy(temperature, top_k, top_p)
    chosen = int(choose(np.array([logits]), np.array([uniform]), policy)[0])
    nearby = {naive(logits, u, Policy(temperature, top_k, p)) for u in near(uniform) for p in near(top_p)}
    assert chosen in nearby


def near(number: float) -> tuple[float, float, float]:
    return max(number - 1e-9, 0.0), number, min(number + 1e-9, 1.0)


def test_no_temperature_takes_the_likeliest_and_the_lowest_of_equals() -> None:
    logits = np.array([[0.0, 3.0, 3.0], [5.0, 1.0, 2.0]])
    assert choose(logits, np.array([0.99, 0.99]), Policy(temperature=0)).tolist() == [1, 0]


@pytest.mark.parametrize("policy", [Policy(top_k=1), Policy(top_p=1e-9)])
def test_the_likeliest_token_always_stays(policy: Policy) -> None:
    logits = np.array([[1.0, 2.0, 0.0]])
    assert {int(choose(logits, np.array([u]), policy)[0]) for u in (0.0, 0.5, 0.999999)} == {1}


def test_of_equal_tokens_the_lowest_stay() -> None:
    """Two stay of one heavy and three equal ones, whatever the draw."""
    logits = np.array([[1.0, 2.0, 1.0, 1.0]])
    assert {int(choose(logits, np.array([u]), Policy(top_k=2))[0]) for u in np.linspace(0, 0.999, 50)} == {0, 1}


def test_each_row_has_its_own_draw() -> None:
    logits = np.zeros((3, 4))
    assert choose(logits, np.array([0.0, 0.3, 0.99]), Policy()).tolist() == [0, 1, 3]


def test_frequencies_are_the_models_probabilities() -> None:
    probabilities = np.array([0.5, 0.3, 0.2])
    uniforms = (np.arange(1000) + 0.5) / 1000
    drawn = choose(np.tile(np.log(probabilities), (1000, 1)), uniforms, Policy())
    np.testing.assert_allclose(np.bincount(drawn) / 1000, probabilities)


def test_a_token_without_probability_is_never_drawn() -> None:
    """Even when the last token has none and the draw is as close to one as it gets."""
    logits = np.array([[0.0, 1.0, -np.inf]])
    assert choose(logits, np.array([np.nextafter(1.0, 0.0)]), Policy())[0] == 1


def test_top_tokens_come_likeliest_first_with_empty_cells_behind() -> None:
    """A vocabulary smaller than k leaves cells without a token."""
    top = TopLogprobs.empty(2, 4)
    top.fill(slice(1, 2), np.array([[-1.0, -0.5, -1.0]]))
    assert top.token_ids.tolist() == [[0, 0, 0, 0], [1, 0, 2, 0]]
    assert top.logprobs.tolist() == [[-99999.0] * 4, [-0.5, -1.0, -1.0, -99999.0]]
