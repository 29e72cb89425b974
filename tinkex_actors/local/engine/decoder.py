"""The decoder blocks, forward with a tape and backward over it; attention is a parameter.

Training attends within the packed batch (:class:`PackedAttention`); sampling attends to a key-value cache. Both run the
very same blocks, so a sampler's log-probabilities are the trainer's. Base weights get no gradient.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from attrs import frozen

from tinkex_actors.local.engine.arrays import FloatArray, FloatDType, IntArray
from tinkex_actors.local.engine.base_model import BaseModel, Layer
from tinkex_actors.local.engine.config import ModelConfig
from tinkex_actors.local.engine.layers import (
    AttentionBlock,
    attend,
    attend_backward,
    positions_of,
    rms_norm,
    rms_norm_backward,
    rotary_tables,
    rotate,
    runs_of,
    swiglu,
    swiglu_backward,
)
from tinkex_actors.local.engine.lora import Adapter, multiply_whole, project, project_backward


class Attention(Protocol):
    """How the tokens of a batch see each other, and where each of them stands."""

    positions: IntArray
    """``(tokens,)``: each packed token's position in its own sequence."""

    def multiply(self, x: FloatArray, weight: FloatArray) -> FloatArray:
        """Return ``x weightᵀ`` for ``x`` ``(tokens, in)``; tokens that must not share arithmetic are multiplied apart."""
        ...

    def attend(self, layer: int, q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
        """Return ``(tokens, heads, head_dim)`` for rotated ``q`` ``(tokens, heads, head_dim)`` and ``k, v`` likewise."""
        ...


@frozen(eq=False)
class HeadsTape:
    """What the backward pass needs of the query, key and value heads of one block."""

    raw: FloatArray
    """Heads before normalisation, ``(tokens, heads + 2 kv_heads, head_dim)``."""
    q: FloatArray
    k: FloatArray
    v: FloatArray
    q_inverse: FloatArray | None
    k_inverse: FloatArray | None


@frozen(eq=False)
class BlockTape:
    """What the backward pass needs of one decoder block."""

    x: FloatArray
    attention_inverse: FloatArray
    attention_input: FloatArray
    qkv_low: FloatArray | None
    heads: HeadsTape
    attended: FloatArray
    output_low: FloatArray | None
    middle: FloatArray
    mlp_inverse: FloatArray
    mlp_input: FloatArray
    gate_up_low: FloatArray | None
    gate_up: FloatArray
    sigmoid: FloatArray
    activated: FloatArray
    down_low: FloatArray | None


@frozen(eq=False)
class Tape:
    """What :func:`backward` needs of one :func:`forward`."""

    blocks: tuple[BlockTape, ...]
    rotary: "Rotary"
    last: FloatArray
    final_inverse: FloatArray


class PackedAttention:
    """Causal attention within each sequence of a packed batch; remembers what its own backward pass needs."""

    def __init__(self, lengths: Sequence[int], layers: int) -> None:
        self.positions = positions_of(np.asarray(lengths, dtype=np.int64))
        self._runs = runs_of(lengths)
        self._blocks: list[list[list[AttentionBlock]]] = [[] for _ in range(layers)]

    def multiply(self, x: FloatArray, weight: FloatArray) -> FloatArray:
        """Multiply the whole batch at once."""
        return multiply_whole(x, weight)

    def attend(self, layer: int, q: FloatArray, k: FloatArray, v: FloatArray) -> FloatArray:
        """Attend run by run."""
        out = np.empty_like(q)
        for run in self._runs:
            view, blocks = attend(run.of(q), run.of(k), run.of(v))
            run.of(out)[...] = view
            self._blocks[layer].append(blocks)
        return out

    def backward(
        self, layer: int, dy: FloatArray, out: FloatArray, heads: HeadsTape
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the gradients of the rotated ``q``, ``k`` and of ``v``."""
        gradients = np.empty_like(heads.q), np.empty_like(heads.k), np.empty_like(heads.v)
        for run, blocks in zip(self._runs, self._blocks[layer], strict=True):
            q, k, v = run.of(heads.q), run.of(heads.k), run.of(heads.v)
            parts = attend_backward(run.of(dy), run.of(out), q, k, v, blocks)
            for whole, part in zip(gradients, parts, strict=True):
                run.of(whole)[...] = part
        return gradients


@frozen(eq=False)
class Rotary:
    """Cosine and sine of every token's position, ``(tokens, 1, head_dim / 2)``."""

    cos: FloatArray
    sin: FloatArray

    @classmethod
    def of(cls, config: ModelConfig, positions: IntArray, dtype: FloatDType) -> "Rotary":
        """Compute the angles of this model at *positions*."""
        return cls(*rotary_tables(config, positions, dtype))


def forward(
    base: BaseModel, adapter: Adapter | None, tokens: IntArray, attention: Attention
) -> tuple[FloatArray, Tape]:
    """Run the blocks and the final norm, keeping what the backward pass needs.

    Args:
        base: The frozen weights.
        adapter: Added beside them.
        tokens: ``(tokens,)`` packed ids, all within the vocabulary.
        attention: Where the tokens stand and whom they see.

    Returns:
        The normalised last hidden state ``(tokens, hidden_size)``, and the tape.
    """
    rotary = Rotary.of(base.config, attention.positions, base.dtype)
    x = base.embedding[tokens]
    blocks: list[BlockTape] = []
    for index in range(len(base.layers)):
        x, block = _block_forward(base, index, adapter, x, rotary=rotary, attention=attention)
        blocks.append(block)
    hidden, inverse = rms_norm(x, base.final_norm, base.config.rms_norm_eps)
    return hidden, Tape(tuple(blocks), rotary, x, inverse)


def infer(base: BaseModel, adapter: Adapter | None, tokens: IntArray, attention: Attention) -> FloatArray:
    """Do what :func:`forward` does, and keep nothing."""
    rotary = Rotary.of(base.config, attention.positions, base.dtype)
    x = base.embedding[tokens]
    for index in range(len(base.layers)):
        x, _ = _block_forward(base, index, adapter, x, rotary=rotary, attention=attention)
    return rms_norm(x, base.final_norm, base.config.rms_norm_eps)[0]


def _block_forward(
    base: BaseModel, index: int, adapter: Adapter | None, x: FloatArray, *, rotary: Rotary, attention: Attention
) -> tuple[FloatArray, BlockTape]:
    layer, config = base.layers[index], base.config
    attention_input, attention_inverse = rms_norm(x, layer.attention_norm, config.rms_norm_eps)
    qkv, qkv_low = project(attention_input, layer.qkv, adapter, attention.multiply)
    heads = _split_heads(qkv, layer, config, rotary)
    attended = attention.attend(index, heads.q, heads.k, heads.v).reshape(len(x), -1)
    middle, output_low = project(attended, layer.output, adapter, attention.multiply)
    middle += x
    mlp_input, mlp_inverse = rms_norm(middle, layer.mlp_norm, config.rms_norm_eps)
    gate_up, gate_up_low = project(mlp_input, layer.gate_up, adapter, attention.multiply)
    activated, sigmoid = swiglu(gate_up)
    y, down_low = project(activated, layer.down, adapter, attention.multiply)
    y += middle
    return y, BlockTape(
        x=x,
        attention_inverse=attention_inverse,
        attention_input=attention_input,
        qkv_low=qkv_low,
        heads=heads,
        attended=attended,
        output_low=output_low,
        middle=middle,
        mlp_inverse=mlp_inverse,
        mlp_input=mlp_input,
        gate_up_low=gate_up_low,
        gate_up=gate_up,
        sigmoid=sigmoid,
        activated=activated,
        down_low=down_low,
    )


def _split_heads(qkv: FloatArray, layer: Layer, config: ModelConfig, rotary: Rotary) -> HeadsTape:
    raw = qkv.reshape(len(qkv), -1, config.head_dim)
    queries, keys = config.num_heads, config.num_heads + config.num_kv_heads
    q, k, v = raw[:, :queries], raw[:, queries:keys], raw[:, keys:]
    q_inverse = k_inverse = None
    if layer.q_norm is not None and layer.k_norm is not None:
        q, q_inverse = rms_norm(q, layer.q_norm, config.rms_norm_eps)
        k, k_inverse = rms_norm(k, layer.k_norm, config.rms_norm_eps)
    return HeadsTape(raw, rotate(q, rotary.cos, rotary.sin), rotate(k, rotary.cos, rotary.sin), v, q_inverse, k_inverse)


def backward(
    base: BaseModel,
    adapter: Adapter,
    tape: Tape,
    attention: PackedAttention,
    dhidden: FloatArray,
    *,
    gradients: dict[str, FloatArray],
) -> None:
    """Add to *gradients* what ``dL/d hidden`` ``(tokens, hidden_size)`` means for every array of the adapter."""
    dx = rms_norm_backward(dhidden, tape.last, base.final_norm, tape.final_inverse)
    for index in reversed(range(len(base.layers))):
        block, layer = tape.blocks[index], base.layers[index]
        dx = _mlp_backward(layer, adapter, block, dx, gradients)
        dattended = project_backward(dx, block.attended, block.output_low, layer.output, adapter, gradients=gradients)
        dheads = attention.backward(
            index, dattended.reshape(block.heads.q.shape), block.attended.reshape(block.heads.q.shape), block.heads
        )
        dqkv = _heads_backward(dheads, block.heads, layer, base.config, tape.rotary)
        dinput = project_backward(dqkv, block.attention_input, block.qkv_low, layer.qkv, adapter, gradients=gradients)
        dx += rms_norm_backward(dinput, block.x, layer.attention_norm, block.attention_inverse)


def _mlp_backward(
    layer: Layer, adapter: Adapter, block: BlockTape, dy: FloatArray, gradients: dict[str, FloatArray]
) -> FloatArray:
    dactivated = project_backward(dy, block.activated, block.down_low, layer.down, adapter, gradients=gradients)
    dgate_up = swiglu_backward(dactivated, block.gate_up, block.sigmoid)
    dinput = project_backward(dgate_up, block.mlp_input, block.gate_up_low, layer.gate_up, adapter, gradients=gradients)
    dx = rms_norm_backward(dinput, block.middle, layer.mlp_norm, block.mlp_inverse)
    dx += dy
    return dx


def _heads_backward(
    dheads: tuple[FloatArray, FloatArray, FloatArray],
    heads: HeadsTape,
    layer: Layer,
    config: ModelConfig,
    rotary: Rotary,
) -> FloatArray:
    dq, dk, dv = dheads
    queries, keys = config.num_heads, config.num_heads + config.num_kv_heads
    dq, dk = rotate(dq, rotary.cos, -rotary.sin), rotate(dk, rotary.cos, -rotary.sin)
    if layer.q_norm is not None and layer.k_norm is not None:
        assert heads.q_inverse is not None and heads.k_inverse is not None  # noqa: S101, PT018 - set together above
        dq = rms_norm_backward(dq, heads.raw[:, :queries], layer.q_norm, heads.q_inverse)
        dk = rms_norm_backward(dk, heads.raw[:, queries:keys], layer.k_norm, heads.k_inverse)
    return np.concatenate([dq, dk, dv], axis=1).reshape(len(dq), -1)
