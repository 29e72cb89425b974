"""One model being trained: a base, its adapter, the gradients so far and the optimizer.

A request either happens as a whole or, when it is refused, not at all: everything is checked before anything is
computed, and gradients are added to the model's only after the last example's.

The same calls on the same machine give the same bits: no randomness, no order that depends on timing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from tinkex_actors.local.engine.adam import Adam
from tinkex_actors.local.engine.arrays import FloatArray
from tinkex_actors.local.engine.base_model import BaseModel
from tinkex_actors.local.engine.cores import map_in_order, usable_cores
from tinkex_actors.local.engine.decoder import PackedAttention, backward, forward
from tinkex_actors.local.engine.errors import EngineInputError
from tinkex_actors.local.engine.examples import CheckedExample, Example, check_example
from tinkex_actors.local.engine.head import score, score_backward
from tinkex_actors.local.engine.lora import Adapter
from tinkex_actors.local.engine.losses import Config, Loss, Values, complete_config, loss_named
from tinkex_actors.local.engine.optimizer import Optimizer, Rule, zeros_like

TOKENS_AT_ONCE = 1024
"""A batch is computed in groups of whole examples of at most about this many tokens.

It bounds the memory of the tape, keeps the intermediate arrays near the cache, and is what cores share out. Part of the
numbers: another size rounds sums differently.
"""


@frozen(eq=False)
class ExampleResult:
    """What one example came to, of the shape of its ``target_tokens``."""

    logprobs: npt.NDArray[np.float32]
    """Log-probability of each target, nats."""
    elementwise_loss: npt.NDArray[np.float32]
    """Each target's contribution to the loss."""


@frozen(eq=False)
class LossResult:
    """What a forward pass came to."""

    outputs: tuple[ExampleResult, ...]
    """One per example, in the caller's order."""
    metrics: Mapping[str, float]
    """``loss:sum``: the sum over all tokens of all examples."""


class TrainableModel:
    """A base model with an adapter that learns.

    Not safe for concurrent use: one call at a time.
    """

    def __init__(
        self,
        base: BaseModel,
        adapter: Adapter,
        *,
        optimizer: type[Rule] = Adam,
        workers: int | None = None,
    ) -> None:
        """Begin to train *adapter*, in place, with *workers* threads; None means one for each usable core."""
        self.base = base
        self.adapter = adapter
        self._workers = usable_cores() if workers is None else workers
        self._optimizer = Optimizer.over(optimizer, adapter.weights)
        self._gradients = zeros_like(adapter.weights)

    @property
    def gradients(self) -> Mapping[str, FloatArray]:
        """The sum of all gradients since the last optimizer step, by the names of the adapter's weights."""
        return self._gradients

    def forward_backward(
        self, examples: Sequence[Example], loss: str, config: Mapping[str, float | str], *, backward: bool
    ) -> LossResult:
        """Compute a loss over examples and, with *backward*, add its gradient to the gradients so far.

        Args:
            examples: At least one; see :class:`Example` for shapes.
            loss: A name of :data:`LOSSES`.
            config: Its configuration; missing keys have the defaults of :mod:`losses`.
            backward: Without it nothing of the model changes.

        Raises:
            EngineInputError: The request is wrong, or its loss or gradient is not finite; the model is unchanged.
        """
        formula, settings = loss_named(loss), complete_config(loss, config)
        if not examples:
            raise EngineInputError("expected at least one example, got none")
        checked = [check_example(i, example, formula, self.base.config) for i, example in enumerate(examples)]
        groups = _groups([len(example.tokens) for example in checked])

        def compute(group: Sequence[int]) -> tuple[list[_Evaluated], dict[str, FloatArray]]:
            gradients = zeros_like(self.adapter.weights) if backward else {}
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found and refused
                return self._run([checked[i] for i in group], formula, settings, gradients), gradients

        total = zeros_like(self.adapter.weights) if backward else {}
        evaluated: dict[int, _Evaluated] = {}
        for group, (results, gradients) in zip(
            groups, map_in_order(compute, groups, workers=self._workers), strict=True
        ):
            evaluated.update(zip(group, results, strict=True))
            _add(gradients, total)
        self._accumulate(total)
        ordered = [evaluated[i] for i in range(len(evaluated))]
        return LossResult(tuple(one.result for one in ordered), {"loss:sum": sum(one.total for one in ordered)})

    def _run(
        self, examples: Sequence[CheckedExample], loss: Loss, config: Config, gradients: dict[str, FloatArray]
    ) -> list["_Evaluated"]:
        attention = PackedAttention([len(example.tokens) for example in examples], len(self.base.layers))
        tokens = np.concatenate([example.tokens for example in examples])
        hidden, tape = forward(self.base, self.adapter, tokens, attention)
        targets = _pad_columns([example.targets for example in examples])
        scores = score(self.base, self.adapter, hidden, targets)
        evaluated = _evaluate(examples, scores.logprobs, loss, config)
        if gradients:
            dlogprobs = _pad_columns([_columns(one.gradient) for one in evaluated])
            dhidden = score_backward(
                self.base, self.adapter, hidden, targets, scores, dlogprobs=dlogprobs, gradients=gradients
            )
            backward(self.base, self.adapter, tape, attention, dhidden, gradients=gradients)
        return evaluated

    def _accumulate(self, gradients: Mapping[str, FloatArray]) -> None:
        for name, gradient in gradients.items():
            if not np.isfinite(gradient).all():
                raise EngineInputError(f"expected a finite gradient, got one that is not for {name}; nothing was added")
        _add(gradients, self._gradients)

    def optim_step(self, rule: Rule) -> dict[str, float]:
        """Move the adapter by the gradients so far and forget them.

        Without a forward_backward since the last step the gradients are zero: moments and decay still act.

        Returns:
            ``grad_norm``, before the limit.

        Raises:
            EngineInputError: A number is not finite, or the rule is another than the model has; nothing has changed.
        """
        metrics = self._optimizer.step(self.adapter.weights, self._gradients, rule)
        self._gradients = zeros_like(self.adapter.weights)
        return metrics

    def snapshot(self) -> Adapter:
        """Return the adapter as it is now, read-only and for good: what a sampler holds while training goes on."""
        return self.adapter.copy()

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of everything a checkpoint with optimizer holds, ready for a safetensors file.

        Names are ``adapter.*``, ``optimizer.{kind}.*`` for the kinds of moments the optimizer has, and
        ``optimizer.steps`` (int64, shape ``(1,)``). Gradients not yet consumed by an optimizer step are not part of it.
        """
        named = {"adapter": self.adapter.weights}
        named |= {f"optimizer.{kind}": moments for kind, moments in self._optimizer.moments.items()}
        arrays: dict[str, npt.NDArray[Any]] = {
            f"{kind}.{name}": array.copy() for kind, values in named.items() for name, array in values.items()
        }
        arrays["optimizer.steps"] = np.array([self._optimizer.steps], np.int64)
        return arrays

    def load_state(self, state: Mapping[str, npt.NDArray[Any]], *, optimizer: bool) -> None:
        """Become what :meth:`state` described; gradients so far are forgotten.

        Args:
            state: What :meth:`state` returned, of a model of the same base and spec.
            optimizer: Also take the moments and the step count; otherwise the optimizer begins anew.

        Raises:
            EngineInputError: An array is missing, of another shape, or not finite; the model is unchanged.
        """
        weights = self._matching(state, "adapter")
        rule = self._optimizer.rule
        moved = Optimizer.over(rule, self.adapter.weights)
        if optimizer:
            moments = {kind: self._matching(state, f"optimizer.{kind}") for kind in rule.kinds}
            moved = Optimizer(rule, moments, _step_count(state))
        for name, array in self.adapter.weights.items():
            array[...] = weights[name]  # in place: the stacked groups share this memory
        self._optimizer = moved
        self._gradients = zeros_like(self.adapter.weights)

    def _matching(self, state: Mapping[str, npt.NDArray[Any]], kind: str) -> dict[str, FloatArray]:
        arrays: dict[str, FloatArray] = {}
        for name, own in self.adapter.weights.items():
            array = state.get(f"{kind}.{name}")
            if array is None or array.shape != own.shape:
                got = "none" if array is None else str(array.shape)
                raise EngineInputError(f"expected state {kind}.{name!s} of shape {own.shape}, got {got}")
            if array.dtype.kind != "f" or not np.isfinite(array).all():
                raise EngineInputError(f"expected state {kind}.{name!s} to be finite floats, got {array.dtype}")
            arrays[name] = array.astype(own.dtype)
        return arrays

    def weights_digest(self) -> str:
        """Return the SHA-256 of names, shapes and bytes of the adapter, in hex: equal when every bit is."""
        digest = hashlib.sha256()
        for name in sorted(self.adapter.weights):
            array = self.adapter.weights[name]
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@frozen(eq=False)
class _Evaluated:
    """One example's loss in float64, before it is rounded for the answer."""

    result: ExampleResult
    total: float
    gradient: Values


def _evaluate(
    examples: Sequence[CheckedExample], logprobs: npt.NDArray[np.float64], loss: Loss, config: Config
) -> list[_Evaluated]:
    evaluated: list[_Evaluated] = []
    start = 0
    for example in examples:
        rows, columns = example.targets.shape
        own = logprobs[start : start + rows, :columns].reshape(example.shape)
        start += rows
        tokens = loss.formula(own, example.inputs, config)
        if not (np.isfinite(tokens.value).all() and np.isfinite(tokens.gradient).all()):
            raise EngineInputError("expected a finite loss, got one that is not; check logprobs and advantages")
        result = ExampleResult(own.astype(np.float32), tokens.value.astype(np.float32))
        evaluated.append(_Evaluated(result, float(tokens.value.sum()), tokens.gradient))
    return evaluated


def _columns(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.reshape(len(array), -1)


def _pad_columns(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Put ``(N_i, K_i)`` arrays below each other; missing columns are zeros: token 0 with no gradient."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts])


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Split a batch into groups of about the same number of tokens, shortest examples first, equal ones together."""
    total = sum(lengths)
    size = total / -(-total // TOKENS_AT_ONCE)
    groups: list[list[int]] = [[]]
    taken = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if groups[-1] and taken + lengths[index] / 2 > len(groups) * size:
            groups.append([])
        groups[-1].append(index)
        taken += lengths[index]
    return groups


def _add(gradients: Mapping[str, FloatArray], total: Mapping[str, FloatArray]) -> None:
    for name, gradient in gradients.items():
        total[name][...] += gradient


def _step_count(state: Mapping[str, npt.NDArray[Any]]) -> int:
    steps = state.get("optimizer.steps")
    if steps is None or steps.shape != (1,) or steps.dtype.kind not in "iu" or steps[0] < 0:
        raise EngineInputError(f"expected state optimizer.steps to be one count, got {steps!r}")
    return int(steps[0])
