"""`tinkex_actors.types.training`: adapters and optimizers with the protocol's defaults, and their limits."""

from typing import Any

import attrs
import pytest
from tinker import types as sdk

from tinkex_actors.types import (
    AdamParams,
    DimuonParams,
    ForwardBackwardInput,
    ForwardBackwardRequest,
    LoraConfig,
    ModelId,
    OtherOptimParams,
)


@pytest.mark.tinkex("T127")
def test_adams_defaults_are_the_protocols() -> None:
    """beta2 and eps differ from torch's."""
    assert attrs.astuple(AdamParams()) == (1e-4, 0.9, 0.95, 1e-12, 0.0, 0.0)
    assert attrs.asdict(AdamParams()) == sdk.AdamParams().model_dump()


@pytest.mark.tinkex("T127")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"learning_rate": -1e-4}, ValueError, "learning_rate must be >= 0, got -0.0001"),
        ({"beta1": 1.0}, ValueError, "beta1 must be < 1, got 1.0"),
        ({"beta2": -0.1}, ValueError, "beta2 must be >= 0"),
        ({"eps": -1.0}, ValueError, "eps must be >= 0"),
        ({"weight_decay": float("nan")}, ValueError, "weight_decay must be finite, got nan"),
        ({"grad_clip_norm": float("inf")}, ValueError, "grad_clip_norm must be finite"),
        ({"learning_rate": "1e-4"}, TypeError, "learning_rate must be a number, got str"),
        ({"learning_rate": True}, TypeError, "learning_rate must be a number, got bool"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    """A NaN learning rate would destroy a model that took days."""
    with pytest.raises(error, match=message):
        AdamParams(**change)


def test_dimuon_is_checked_too() -> None:
    """Its learning rate has no default."""
    assert attrs.asdict(DimuonParams(0.1)) == sdk.DimuonParams(learning_rate=0.1).model_dump()
    with pytest.raises(ValueError, match="beta1 must be < 1"):
        DimuonParams(0.1, beta1=1.0)
    with pytest.raises(ValueError, match="type must not be empty"):
        OtherOptimParams("")


def test_an_adapter_that_trains_nothing_is_refused() -> None:
    """In every form of creation, since all of them make this value; and no request is sent."""
    with pytest.raises(
        ValueError, match="at least one of train_unembed, train_mlp and train_attn must be True, got none"
    ):
        LoraConfig(train_unembed=False, train_mlp=False, train_attn=False)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rank": 0}, ValueError, "rank must be >= 1, got 0"),
        ({"rank": 2**31}, ValueError, "rank must be <= 2147483647"),
        ({"rank": "8"}, TypeError, "rank must be an int, got str"),
        ({"rank": True}, TypeError, "rank must be an int, got bool"),
        ({"seed": 1.5}, TypeError, "seed must be an int, got float"),
        ({"train_mlp": 1}, TypeError, "train_mlp must be True or False, got 1"),
    ],
)
def test_an_adapter_that_makes_no_sense_is_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Before a session is spent on it."""
    with pytest.raises(error, match=message):
        LoraConfig(**change)


def test_a_request_has_a_number_that_the_message_can_hold() -> None:
    """The field is a 32-bit integer."""
    with pytest.raises(ValueError, match="seq_id must be <= 2147483647"):
        ForwardBackwardRequest(ForwardBackwardInput((), "ppo"), ModelId("m"), 2**31)
    with pytest.raises(ValueError, match="loss_fn must not be empty"):
        ForwardBackwardInput((), "")
    wrong: Any = 7
    with pytest.raises(TypeError, match="loss_fn must be a string, got int"):
        ForwardBackwardInput((), wrong)
