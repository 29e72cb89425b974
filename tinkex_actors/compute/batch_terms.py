"""Make a loss over a batch of a term of one array: by datum, or over all data as one array; or of some of the data.

Either way each datum keeps its own references. They come from its loss inputs, or from *inputs*: by name, one array a
datum or a function of the datum. What is given there goes before what the datum has.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from attrs import evolve, field, frozen

from tinkex_actors.compute.evaluation import evaluate_loss
from tinkex_actors.compute.loss import Loss, LossEvaluation
from tinkex_actors.compute.regularizers.term import Context, Evaluation, Term, Values, one_of
from tinkex_actors.types import Datum
from tinkex_actors.types.tensors import Array

Input: TypeAlias = Sequence[Array] | Callable[[Datum], Array]
"""One array a datum, or how to make it."""

Combine: TypeAlias = Literal["sum", "mean"]


def per_datum(term: Term, *, combine: Combine = "sum", inputs: Mapping[str, Input] | None = None) -> "PerDatum":
    """Evaluate *term* for every datum on its own, and add the values up or average them.

    Metrics are averaged over the data; draws differ between data.
    """
    return PerDatum(term, combine, inputs or {})


def concatenated(term: Term, *, inputs: Mapping[str, Input] | None = None) -> "Concatenated":
    """Evaluate *term* once, over the positions of all data one after the other.

    The arrays and their references are joined along the first axis, so the others have to agree.
    """
    return Concatenated(term, inputs or {})


def only(loss: Loss, select: Callable[[Datum], bool]) -> "Only":
    """Evaluate *loss* on the data that *select* chooses; the others have gradient 0.

    For batches of several kinds, such as a text to learn and one whose distributions are to stay.
    """
    return Only(loss, select)


@frozen
class PerDatum:
    """A term of every datum; made by `per_datum`."""

    term: Term
    combine: Combine = field(validator=one_of("sum", "mean"))
    inputs: Mapping[str, Input] = field(hash=False)

    def evaluate_loss(
        self, data: Sequence[Datum], logprobs: Sequence[Values], *, seed: int | None = None
    ) -> LossEvaluation:
        """Evaluate the term once a datum.

        Raises:
            ValueError: The term refuses a datum, which the message names, or there are no data.
        """
        found = [
            self._evaluate(_Place(index, datum, len(data)), array, seed)
            for index, (datum, array) in enumerate(zip(data, logprobs, strict=True))
        ]
        if not found:
            raise ValueError("expected at least one datum, got none")
        scale = 1.0 / len(found) if self.combine == "mean" else 1.0
        return LossEvaluation(
            scale * sum(one.value for one in found),
            tuple(one.gradient if scale == 1.0 else scale * one.gradient for one in found),
            {name: float(np.mean([one.metrics[name] for one in found])) for name in found[0].metrics},
            found[0].labels,
        )

    def _evaluate(self, place: "_Place", array: Values, seed: int | None) -> Evaluation:
        # Each datum draws its own numbers, which do not depend on the other data.
        seeds = None if seed is None else (seed, place.index)
        try:
            fields = {name: _input(name, self.inputs, place) for name in self.term.fields}
            return self.term.evaluate(array, Context(fields, seeds))
        except ValueError as error:
            raise ValueError(f"data[{place.index}]: {error}") from error


@frozen
class Concatenated:
    """A term of all data as one array; made by `concatenated`."""

    term: Term
    inputs: Mapping[str, Input] = field(hash=False)

    def evaluate_loss(
        self, data: Sequence[Datum], logprobs: Sequence[Values], *, seed: int | None = None
    ) -> LossEvaluation:
        """Evaluate the term once.

        Raises:
            ValueError: Arrays do not join, the term refuses what they make, or there are no data.
        """
        places = [_Place(index, datum, len(data)) for index, datum in enumerate(data)]
        fields = {
            name: _join(name, [_input(name, self.inputs, place) for place in places]) for name in self.term.fields
        }
        found = self.term.evaluate(_join("logprobs", logprobs), Context(fields, None if seed is None else (seed,)))
        ends = np.cumsum([len(array) for array in logprobs])[:-1]
        return LossEvaluation(found.value, tuple(np.split(found.gradient, ends)), found.metrics, found.labels)


@frozen
class Only:
    """A loss of some of the data; made by `only`."""

    loss: Loss
    select: Callable[[Datum], bool]

    def evaluate_loss(
        self, data: Sequence[Datum], logprobs: Sequence[Values], *, seed: int | None = None
    ) -> LossEvaluation:
        """Evaluate the loss once, on the chosen data.

        Raises:
            ValueError: None is chosen.
            LossInvalid: The loss returned something that cannot train.
        """
        chosen = [index for index, datum in enumerate(data) if self.select(datum)]
        if not chosen:
            raise ValueError(f"expected at least one of {len(data)} data to be chosen, got none")
        found = evaluate_loss(self.loss, [data[i] for i in chosen], [logprobs[i] for i in chosen], seed=seed)
        if found.gradients is None:
            return found
        gradients: list[Values] = [np.zeros_like(array) for array in logprobs]
        for index, gradient in zip(chosen, found.gradients, strict=True):
            gradients[index] = gradient
        return evolve(found, gradients=tuple(gradients))


@frozen(eq=False)
class _Place:
    """A datum, and where in the batch it is."""

    index: int
    datum: Datum
    batch: int


def _input(name: str, inputs: Mapping[str, Input], place: _Place) -> Array:
    given = inputs.get(name)
    if callable(given):
        return given(place.datum)
    if given is not None:
        if len(given) != place.batch:
            raise ValueError(f"expected {place.batch} arrays for input {name!r}, one a datum, got {len(given)}")
        return given[place.index]
    if name not in place.datum.loss_fn_inputs:
        known = ", ".join(place.datum.loss_fn_inputs) or "nothing"
        raise ValueError(f"expected {name!r} among the datum's loss inputs, got {known}; or give it in inputs={{...}}")
    return place.datum.loss_fn_inputs[name].to_numpy()


def _join(name: str, arrays: Sequence[Array]) -> Array:
    if not arrays:
        raise ValueError("expected at least one datum, got none")
    shapes = sorted({array.shape[1:] for array in arrays})
    if len(shapes) > 1 or any(array.ndim == 0 for array in arrays):
        raise ValueError(f"expected {name} of all data to agree beyond the first axis, got {shapes}; use per_datum")
    return np.concatenate(arrays)
