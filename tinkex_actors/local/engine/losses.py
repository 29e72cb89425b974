"""The losses of the protocol: value and derivative with respect to the log-probabilities, per token.

``p`` is the learner's log-probability of the target, ``q`` the sampler's (input ``logprobs``), ``A`` the advantage,
``r = exp(p - q)``. Every loss is a sum over tokens, never a mean:

=======================  ==========================================================  ==========================
loss                     token loss                                                  derivative
=======================  ==========================================================  ==========================
``cross_entropy``        ``-w p`` (several targets a token: each with its weight)    ``-w``
``importance_sampling``  ``-r A``                                                    ``-r A``
``ppo``                  ``-min(r A, clip(r, lo, hi) A)``                            ``-r A``, or 0 if clipped
``cispo``                ``-clip(r, lo, hi) p A``, the clipped ratio held constant   ``-clip(r, lo, hi) A``
``dro``                  ``-(p A - beta/2 (p - q)^2)``                               ``-(A - beta (p - q))``
``gspo``                 as ppo with the sequence's ratio ``s`` in place of ``r``    ``-s A``, or 0 if clipped
=======================  ==========================================================  ==========================

In gspo ``s = exp(mean(p - q))`` over the tokens whose ``sequence_ratio_mask`` is not 0 (1 if there is none); it is held
constant and stands before ``exp(p - constant p)``, so each token still has a gradient.

Defaults: ppo 0.8 / 1.2 and cispo 0 / 4 are the service's. The service does not publish those of dro and gspo; ours are
``beta`` 0.05 (its example) and ``1 - 3e-4`` / ``1 + 4e-4`` (the paper's). Missing cross-entropy ``weights`` are ones.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from tinkex_actors.local.engine.errors import EngineInputError

Values: TypeAlias = npt.NDArray[np.float64]
Inputs: TypeAlias = Mapping[str, Values]
Config: TypeAlias = Mapping[str, float]


@frozen(eq=False)
class TokenLoss:
    """Value and derivative of each token's contribution to the loss, of the shape of the log-probabilities."""

    value: Values
    gradient: Values


@frozen(eq=False)
class Loss:
    """One loss: what it reads, what may be configured, and its formula."""

    formula: Callable[[Values, Inputs, Config], TokenLoss]
    inputs: tuple[str, ...]
    """Names of the arrays it needs beside ``target_tokens``."""
    defaults: Config = field(factory=dict[str, float])
    takes_many_targets: bool = False
    """Whether ``target_tokens`` may be ``(N, K)``."""


def cross_entropy(logprobs: Values, inputs: Inputs, config: Config) -> TokenLoss:
    """Weigh each target's negative log-probability."""
    del config
    weights = inputs["weights"]
    return TokenLoss(-_product(weights, logprobs), -weights)


def importance_sampling(logprobs: Values, inputs: Inputs, config: Config) -> TokenLoss:
    """Policy gradient corrected for the distance between sampler and learner."""
    del config
    value = -_product(inputs["advantages"], _ratio(logprobs, inputs))
    return TokenLoss(value, value)


def ppo(logprobs: Values, inputs: Inputs, config: Config) -> TokenLoss:
    """Importance sampling without reward for leaving the trust region."""
    return _clipped(_ratio(logprobs, inputs), inputs["advantages"], config)


def cispo(logprobs: Values, inputs: Inputs, config: Config) -> TokenLoss:
    """Policy gradient weighed by the clipped ratio, which is held constant."""
    ratio = np.clip(_ratio(logprobs, inputs), config["clip_low_threshold"], config["clip_high_threshold"])
    weight = _product(inputs["advantages"], ratio)
    return TokenLoss(-_product(weight, logprobs), -weight)


def dro(logprobs: Values, inputs: Inputs, config: Config) -> TokenLoss:
    """Policy gradient with a quadratic leash to the sampler."""
    distance = logprobs - inputs["logprobs"]
    advantages, beta = inputs["advantages"], config["beta"]
    value = 0.5 * beta * distance * distance - _product(advantages, logprobs)
    return TokenLoss(value, beta * distance - advantages)


def gspo(logprobs: Values, inputs: Inputs, config: Config) -> TokenLoss:
    """PPO with one ratio for the whole sequence, the geometric mean of the masked tokens' ratios."""
    counted = inputs["sequence_ratio_mask"] != 0
    distance = (logprobs - inputs["logprobs"])[counted]
    ratio = np.exp(distance.mean()) if distance.size else np.float64(1.0)
    return _clipped(np.full(logprobs.shape, ratio), inputs["advantages"], config)


def _ratio(logprobs: Values, inputs: Inputs) -> Values:
    return np.exp(logprobs - inputs["logprobs"])


def _clipped(ratio: Values, advantages: Values, config: Config) -> TokenLoss:
    free = _product(advantages, ratio)
    held = _product(advantages, np.clip(ratio, config["clip_low_threshold"], config["clip_high_threshold"]))
    # Inside the bounds both are equal and the gradient is that of the free one.
    return TokenLoss(-np.minimum(free, held), np.where(free <= held, -free, 0.0))


def _product(weight: Values, value: Values) -> Values:
    """Multiply, but a weight of zero silences even an infinite value."""
    return np.where(weight != 0, weight, 0.0) * np.where(weight != 0, value, 0.0)


_POLICY_INPUTS = ("logprobs", "advantages")

LOSSES: Mapping[str, Loss] = {
    "cross_entropy": Loss(cross_entropy, ("weights",), takes_many_targets=True),
    "importance_sampling": Loss(importance_sampling, _POLICY_INPUTS),
    "ppo": Loss(ppo, _POLICY_INPUTS, {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}),
    "cispo": Loss(cispo, _POLICY_INPUTS, {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0}),
    "dro": Loss(dro, _POLICY_INPUTS, {"beta": 0.05}),
    "gspo": Loss(
        gspo,
        (*_POLICY_INPUTS, "sequence_ratio_mask"),
        {"clip_low_threshold": 1 - 3e-4, "clip_high_threshold": 1 + 4e-4},
    ),
}


def loss_named(name: str) -> Loss:
    """Look a loss up.

    Raises:
        EngineInputError: There is no such loss.
    """
    loss = LOSSES.get(name)
    if loss is None:
        raise EngineInputError(f"expected a loss among {', '.join(LOSSES)}, got {name!r}")
    return loss


def complete_config(name: str, config: Mapping[str, float | str]) -> Config:
    """Fill a request's loss configuration up with the defaults.

    Raises:
        EngineInputError: A key is unknown to this loss, or its value is not a finite number.
    """
    defaults = loss_named(name).defaults
    for key, value in config.items():
        if key not in defaults:
            known = ", ".join(defaults) or "none"
            raise EngineInputError(f"expected configuration keys of {name} among: {known}; got {key!r}")
        if isinstance(value, str) or not np.isfinite(value):
            raise EngineInputError(f"expected {key!r} of {name} to be a finite number, got {value!r}")
    return {**defaults, **{key: float(value) for key, value in config.items()}}
