"""Each layer alone: its derivative against central differences, and its formula against a naive one."""

from collections.abc import Callable

import numpy as np
import pytest
from attrs import evolve

from tests.tinkex_actors.local.engine.tiny_models import LLAMA, TINY
from tinkex_actors.local.engine import layers
from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.config import Llama3Scaling

F64 = np.dtype(np.float64)
RNG = np.random.default_rng(0)


def slope(function: Callable[[FloatArray], FloatArray], at: FloatArray, dy: FloatArray) -> FloatArray:
    """Gradient of ``sum(dy * function(x))`` by central differences, element by element."""
    gradient = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        above, below = at.copy(), at.copy()
        above[index] += 1e-6
        below[index] -= 1e-6
        gradient[index] = np.sum(dy * (function(above) - function(below))) / 2e-6
    return gradient


def test_norm() -> None:
    x, weight, dy = RNG.standard_normal((3, 4)), RNG.standard_normal(4), RNG.standard_normal((3, 4))
    y, inverse = layers.rms_norm(x, weight, 1e-3)
    np.testing.assert_allclose(y, x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-3) * weight)
    expected = slope(lambda z: layers.rms_norm(z, weight, 1e-3)[0], x, dy)
    np.testing.assert_allclose(layers.rms_norm_backward(dy, x, weight, inverse), expected, atol=1e-8)


def test_gate() -> None:
    x, dy = RNG.standard_normal((3, 8)), RNG.standard_normal((3, 4))
    y, sigmoid = layers.swiglu(x)
    np.testing.assert_allclose(y, x[:, :4] / (1 + np.exp(-x[:, :4])) * x[:, 4:])
    expected = slope(lambda z: layers.swiglu(z)[0], x, dy)
    np.testing.assert_allclose(layers.swiglu_backward(dy, x, sigmoid), expected, atol=1e-8)


def test_an_extreme_gate_is_quiet_and_finite() -> None:
    """Exp overflows below -88 in float32; the product there is zero."""
    y, _ = layers.swiglu(np.array([[-1000.0, 1000.0, 1.0, 1.0]], np.float32))
    assert y.tolist() == [[0.0, 1000.0]]


def test_rotation_is_undone_by_the_opposite_angle() -> None:
    """And is the rotation of pairs half a head apart."""
    x = RNG.standard_normal((5, 2, 4))
    cos, sin = layers.rotary_tables(TINY, np.arange(5), np.dtype(np.float64))
    y = layers.rotate(x, cos, sin)
    angles = np.arange(5)[:, None, None] * TINY.rope_theta ** -np.array([0.0, 0.5])
    turned = (x[..., :2] + 1j * x[..., 2:]) * np.exp(1j * angles)
    np.testing.assert_allclose(y, np.concatenate([turned.real, turned.imag], axis=-1))
    np.testing.assert_allclose(layers.rotate(y, cos, -sin), x)


def test_llama3_stretches_slow_frequencies_only() -> None:
    """Fast ones stay, slow ones are divided by the factor, those between are blended."""
    scaling = Llama3Scaling(8.0, 1.0, 4.0, 64)
    config = evolve(LLAMA, head_dim=16, rope_theta=10000.0, rope_scaling=scaling)
    plain = np.arctan2(*reversed(layers.rotary_tables(evolve(config, rope_scaling=None), np.array([1]), F64)))[0, 0]
    stretched = np.arctan2(*reversed(layers.rotary_tables(config, np.array([1]), F64)))[0, 0]
    turns = 64 * plain / (2 * np.pi)
    np.testing.assert_allclose(stretched[turns > 4], plain[turns > 4])
    np.testing.assert_allclose(stretched[turns < 1], plain[turns < 1] / 8)
    between = (turns >= 1) & (turns <= 4)
    assert between.any()
    assert ((stretched[between] < plain[between]) & (stretched[between] > plain[between] / 8)).all()


def naive_attention(q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
    """One query at a time."""
    out = np.zeros_like(q)
    group = q.shape[2] // k.shape[2]
    for b, i, h in np.ndindex(q.shape[:3]):
        scores = k[b, : i + 1, h // group] @ q[b, i, h] / np.sqrt(q.shape[-1])
        weights = np.exp(scores - scores.max())
        out[b, i, h] = weights / weights.sum() @ v[b, : i + 1, h // group]
    return out


@pytest.mark.parametrize("block", [2, 3, 256])
def test_attention(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """In one block and in several, the last one shorter."""
    monkeypatch.setattr(layers, "ATTENTION_BLOCK", block)
    q, k, v = (RNG.standard_normal((2, 5, heads, 3)) for heads in (4, 2, 2))
    dy = RNG.standard_normal(q.shape)
    out, blocks = layers.attend(q, k, v)
    np.testing.assert_allclose(out, naive_attention(q, k, v))
    dq, dk, dv = layers.attend_backward(dy, out, q, k, v, blocks)
    np.testing.assert_allclose(dq, slope(lambda z: layers.attend(z, k, v)[0], q, dy), atol=1e-8)
    np.testing.assert_allclose(dk, slope(lambda z: layers.attend(q, z, v)[0], k, dy), atol=1e-8)
    np.testing.assert_allclose(dv, slope(lambda z: layers.attend(q, k, z)[0], v, dy), atol=1e-8)


def test_positions_restart_with_every_sequence() -> None:
    assert layers.positions_of(np.array([3, 1, 2])).tolist() == [0, 1, 2, 0, 0, 1]
