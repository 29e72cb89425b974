"""An adapter's beginning, its names, and that memory is shared where it must be and nowhere else."""

import numpy as np
import pytest

from tests.tinkex_actors.local.engine.tiny_models import TINY, random_base, random_model
from tinkex_actors.local.engine.errors import EngineInputError
from tinkex_actors.local.engine.lora import Adapter, LoraSpec, project


def test_a_new_adapter_changes_nothing() -> None:
    """B is zero, so that training starts from the base model exactly."""
    base = random_base(dtype=np.float32)
    adapter = Adapter.create(base, LoraSpec(4, 1))
    x = np.random.default_rng(0).standard_normal((5, TINY.hidden_size)).astype(np.float32)
    projection = base.layers[0].qkv
    np.testing.assert_array_equal(project(x, projection, adapter)[0], project(x, projection, None)[0])


def test_a_is_uniform_within_the_root_of_its_inputs() -> None:
    adapter = Adapter.create(random_base(), LoraSpec(64, 1))
    a = adapter.weights["model.layers.0.self_attn.q_proj.lora_A.weight"]
    bound = TINY.hidden_size**-0.5
    assert a.shape == (64, TINY.hidden_size)
    assert 0.95 * bound < np.abs(a).max() <= bound
    assert abs(a.mean()) < 0.1 * bound


def test_the_seed_decides_and_the_switches_do_not() -> None:
    """The attention part of an adapter is the same whether or not the MLP is trained beside it."""
    base = random_base()
    whole = Adapter.create(base, LoraSpec(2, 9))
    part = Adapter.create(base, LoraSpec(2, 9, train_mlp=False, train_unembed=False))
    assert set(part.weights) < set(whole.weights)
    for name, array in part.weights.items():
        np.testing.assert_array_equal(array, whole.weights[name])
    other = Adapter.create(base, LoraSpec(2, 10))
    assert any((other.weights[name] != array).any() for name, array in whole.weights.items())


@pytest.mark.parametrize(
    ("switch", "kinds"),
    [
        ("train_attn", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("train_mlp", {"gate_proj", "up_proj", "down_proj"}),
        ("train_unembed", {"lm_head"}),
    ],
)
def test_each_switch_adapts_its_modules(switch: str, kinds: set[str]) -> None:
    switches = {"train_attn": False, "train_mlp": False, "train_unembed": False, switch: True}
    adapter = Adapter.create(random_base(), LoraSpec(2, 0, **switches))
    assert {name.split(".")[-3] for name in adapter.weights} == kinds


def test_an_adapter_of_nothing_is_refused() -> None:
    with pytest.raises(EngineInputError, match="expected at least one of"):
        Adapter.create(random_base(), LoraSpec(2, train_attn=False, train_mlp=False, train_unembed=False))


def test_a_projection_adds_the_scaled_product_of_its_factors() -> None:
    model = random_model()
    base, weights = model.base, model.adapter.weights
    x = np.random.default_rng(0).standard_normal((5, TINY.hidden_size))
    y, _ = project(x, base.layers[1].gate_up, model.adapter)
    for i, kind in enumerate(("gate_proj", "up_proj")):
        a, b = (weights[f"model.layers.1.mlp.{kind}.lora_{factor}.weight"] for factor in "AB")
        rows = slice(i * TINY.intermediate_size, (i + 1) * TINY.intermediate_size)
        merged = base.layers[1].gate_up.weight[rows] + 2.0 / 3 * b @ a  # alpha 2, rank 3
        np.testing.assert_allclose(y[:, rows], x @ merged.T)


def test_a_copy_stays_as_it_was() -> None:
    """A sampler holds it while training goes on, and can be trusted not to change it."""
    model = random_model()
    copy = model.adapter.copy()
    for name, array in model.adapter.weights.items():
        before = array.copy()
        np.add(array, 1.0, out=array)
        np.testing.assert_array_equal(copy.weights[name], before)
        with pytest.raises(ValueError, match="read-only"):
            copy.weights[name][...] = 0.0
