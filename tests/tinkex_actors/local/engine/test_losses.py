"""The losses: published spot values, exact slopes, and what becomes of defaults and nonsense."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinkex_actors.local.engine.errors import EngineInputError
from tinkex_actors.local.engine.losses import LOSSES, TokenLoss, Values, complete_config, loss_named

SHARP = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
WIDE = {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0}


def evaluate(name: str, at: Values, config: Mapping[str, float], /, **inputs: Values) -> TokenLoss:
    return LOSSES[name].formula(at, inputs, complete_config(name, config))


@pytest.mark.parametrize(
    ("name", "config", "advantage", "value", "slope"),
    [
        ("importance_sampling", {}, 2.0, -3.297443, -3.297443),
        ("ppo", SHARP, 2.0, -2.4, 0.0),
        ("ppo", SHARP, -2.0, 3.297443, 3.297443),
        ("cispo", WIDE, 2.0, 3.297443, -3.297443),
        ("cispo", SHARP, 2.0, 2.4, -2.4),
        ("dro", {"beta": 0.05}, 2.0, 2.00625, -1.975),
        ("gspo", WIDE, 2.0, -3.297443, -3.297443),
    ],
)
def test_policy_losses_have_their_published_values(
    name: str, config: Mapping[str, float], advantage: float, value: float, slope: float
) -> None:
    """The protocol document's appendix B: one token, learner -1, sampler -1.5."""
    inputs = {"logprobs": np.array([-1.5]), "advantages": np.array([advantage]), "sequence_ratio_mask": np.ones(1)}
    loss = evaluate(name, np.array([-1.0]), config, **inputs)
    assert loss.value[0] == pytest.approx(value, abs=1e-6)
    assert loss.gradient[0] == pytest.approx(slope, abs=1e-6)


def test_cross_entropy_is_a_weighted_sum_not_a_mean() -> None:
    """Two tokens of weight one and log-probabilities -1 and -3 are 4, not 2; weight two doubles value and slope."""
    assert evaluate("cross_entropy", np.array([-1.0, -3.0]), {}, weights=np.ones(2)).value.sum() == 4.0
    doubled = evaluate("cross_entropy", np.array([-1.0]), {}, weights=np.array([2.0]))
    assert (doubled.value[0], doubled.gradient[0]) == (2.0, -2.0)


def test_a_weight_of_zero_silences_an_impossible_token() -> None:
    """Zero times minus infinity must not poison a batch."""
    loss = evaluate("cross_entropy", np.array([-math.inf, -1.0]), {}, weights=np.array([0.0, 1.0]))
    assert loss.value.tolist() == [0.0, 1.0]


FLOATS = st.floats(-2.0, 2.0).filter(lambda x: abs(x) > 1e-3)


@pytest.mark.parametrize("name", sorted(LOSSES))
@given(data=st.data(), length=st.integers(1, 6))
def test_every_slope_is_the_slope_of_its_value(name: str, data: st.DataObject, length: int) -> None:
    """Central differences of the loss itself; what a loss holds constant is held constant in the difference too."""
    arrays = [np.array(data.draw(st.lists(FLOATS, min_size=length, max_size=length))) for _ in range(3)]
    logprobs, sampler, advantages = arrays
    mask = np.array(data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=length, max_size=length)))
    inputs = {"logprobs": sampler, "advantages": advantages, "weights": advantages, "sequence_ratio_mask": mask}
    assume(is_away_from_kinks(name, logprobs - sampler, mask))
    exact = evaluate(name, logprobs, {}, **inputs).gradient
    for i in range(length):
        step = np.zeros(length)
        step[i] = 1e-6
        above, below = (held_value(name, logprobs, sign * step, inputs)[i] for sign in (1, -1))
        assert exact[i] == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-6)


def is_away_from_kinks(name: str, distance: Values, mask: Values) -> bool:
    """A difference across a clip threshold is no slope."""
    bounds = [value for key, value in complete_config(name, {}).items() if key.startswith("clip") and value > 0]
    masked = distance[mask != 0]
    ratios = np.exp(np.append(distance, masked.mean() if masked.size else 0.0))
    return all(abs(ratio - bound) > 1e-4 for ratio in ratios for bound in bounds)


def held_value(name: str, at: Values, step: Values, inputs: Mapping[str, Values]) -> Values:
    """The loss at ``at + step`` with clipped and sequence ratios as they are at *at*: a second, naive implementation."""
    config, new, q, advantages = complete_config(name, {}), at + step, inputs["logprobs"], inputs["advantages"]
    ratio = np.exp(new - q)
    match name:
        case "cross_entropy":
            return -inputs["weights"] * new
        case "importance_sampling":
            return -ratio * advantages
        case "cispo":
            held = np.clip(np.exp(at - q), config["clip_low_threshold"], config["clip_high_threshold"])
            return -held * new * advantages
        case "dro":
            return -(new * advantages - 0.5 * config["beta"] * (new - q) ** 2)
        case "gspo":
            masked = [a - b for a, b, m in zip(at, q, inputs["sequence_ratio_mask"], strict=True) if m]
            ratio = math.exp(sum(masked) / len(masked) if masked else 0.0) * np.exp(new - at)
        case _:
            assert name == "ppo"
    clipped = np.clip(ratio, config["clip_low_threshold"], config["clip_high_threshold"])
    return -np.minimum(ratio * advantages, clipped * advantages)


def test_gspo_uses_one_ratio_for_the_whole_sequence() -> None:
    """Masked tokens alone make the ratio, the geometric mean; every token is weighed by it."""
    inputs = {
        "logprobs": np.array([-1.5, -1.0, -9.0]),
        "advantages": np.array([1.0, 2.0, 3.0]),
        "sequence_ratio_mask": np.array([1.0, 1.0, 0.0]),
    }
    loss = evaluate("gspo", np.array([-1.0, -1.1, -1.0]), WIDE, **inputs)
    np.testing.assert_allclose(loss.value, -math.exp(0.2) * inputs["advantages"])


def test_the_services_defaults_are_used() -> None:
    assert complete_config("ppo", {}) == SHARP
    assert complete_config("cispo", {}) == WIDE
    assert complete_config("ppo", {"clip_low_threshold": 0.5}) == {**SHARP, "clip_low_threshold": 0.5}


def test_an_unknown_loss_names_the_known_ones() -> None:
    with pytest.raises(EngineInputError, match=r"expected a loss among cross_entropy, .*got 'cross_entropi'"):
        loss_named("cross_entropi")


@pytest.mark.parametrize("config", [{"beta": 1.0}, {"clip_low_threshold": math.nan}, {"clip_low_threshold": "low"}])
def test_nonsense_configuration_is_refused(config: Mapping[str, float | str]) -> None:
    """A misspelt key that is silently ignored costs a training run."""
    with pytest.raises(EngineInputError, match="expected"):
        complete_config("ppo", config)
