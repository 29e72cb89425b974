"""Compose a loss of a base and weighted regularizers: ``total = base + sum of weight * term``.

`compose` checks names and weights once; `ComposedLoss.evaluate` runs base and terms one after the other, once each, and
`ComposedLoss.evaluate_async` does where some have to be awaited. Whoever runs parts elsewhere, such as in threads, puts the
results together with `combine_terms`: the order of evaluation does not show in the result.

A `ComposedLoss` is itself a loss, so it checks with `check_gradient` and composes again.
"""

from collections.abc import Sequence
from typing import Any

from attrs import evolve, field, frozen

from tinkex_actors.compute.adapters import JaxLoss, TorchLoss, adapt
from tinkex_actors.compute.evaluation import await_loss, evaluate_loss, gradient_norm
from tinkex_actors.compute.loss import Loss, LossEvaluation, SeededLoss, is_async_loss
from tinkex_actors.compute.loss_errors import LossError, LossFailed, RegularizerFailed, RegularizerTimedOut
from tinkex_actors.compute.loss_outputs import BaseLossOutput, CustomLossOutput, RegularizerOutput
from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.types import Datum
from tinkex_actors.types._checks import flag, number, text, unique_names
from tinkex_actors.types.tensors import Array

_NOT_ASKED = "not asked for"
_NO_GRADIENT = "{} returned a value without gradients"


def check_loss(loss: object, name: str = "loss_fn") -> None:
    """Refuse what is no loss.

    Raises:
        TypeError: It cannot be called.
    """
    if not callable(loss) and not isinstance(loss, SeededLoss):
        raise TypeError(
            f"{name} must be a function of (data, logprobs), got {type(loss).__name__}; "
            "wrap a term with per_datum(...) or concatenated(...)"
        )


def _check_loss(_: Any, attribute: Any, loss: Any) -> None:
    check_loss(loss, attribute.name)


@frozen(kw_only=True)
class RegularizerSpec:
    """One term of a composition: what, how much, and under which name."""

    loss: Loss = field(validator=_check_loss)
    """A function of ``(data, logprobs)``, `per_datum` or `concatenated` of a term, or an ``async def``."""
    weight: float = field(validator=number(minimum=0.0))
    """At weight 0 the term is evaluated and reported, and pulls nothing."""
    name: str = field(validator=text(empty=False))

    @property
    def is_async(self) -> bool:
        """Whether it has to be awaited."""
        return has_to_be_awaited(self.loss)


def has_to_be_awaited(loss: Loss) -> bool:
    """Tell whether *loss*, or a part of it, has to be awaited."""
    return bool(loss.asynchronous) if isinstance(loss, ComposedLoss) else is_async_loss(loss)


@frozen(eq=False)
class ComposedEvaluation:
    """A composed loss at one point: what trains, and what is told."""

    value: float
    gradients: tuple[Values, ...] | None
    """Of the total, one a datum; ``None`` when a part has none, and ``output`` says which."""
    output: CustomLossOutput
    without_gradients: tuple[str, ...]
    """The parts that have none although they should pull."""

    def to_loss_evaluation(self) -> LossEvaluation:
        """Return it as a loss among others: the total, its gradients, and the parts as metrics."""
        parts = {name: term.contribution for name, term in self.output.regularizers.items()}
        return LossEvaluation(self.value, self.gradients, {"base": self.output.base_loss.value, **parts})


def _check_terms(_: Any, __: Any, terms: tuple[RegularizerSpec, ...]) -> None:
    for index, term in enumerate(terms):
        # Users without a type checker reach this.
        if not isinstance(term, RegularizerSpec):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"expected a RegularizerSpec as term {index}, got {type(term).__name__}")


@frozen
class ComposedLoss:
    """A base loss and its regularizers; made by `compose`."""

    base: Loss = field(validator=_check_loss)
    terms: tuple[RegularizerSpec, ...] = field(validator=[_check_terms, unique_names("regularizers")])
    track_norms: bool = field(default=False, validator=flag(), kw_only=True)
    """Whether norms are reported. They cost a pass over gradients that are at hand anyway."""

    @property
    def asynchronous(self) -> tuple[str, ...]:
        """Names of the parts that have to be awaited; the base is ``base``."""
        base = ("base",) if has_to_be_awaited(self.base) else ()
        return (*base, *(term.name for term in self.terms if term.is_async))

    def evaluate(
        self, data: Sequence[Datum], logprobs: Sequence[Array], *, seed: int | None = None
    ) -> ComposedEvaluation:
        """Evaluate base and terms once each, in order; the first failure ends it.

        Raises:
            LossInvalid: The base returned something that cannot train.
            RegularizerFailed: A term raised or returned such a thing; the message names it.
            TypeError: A part is asynchronous.
        """
        if self.asynchronous:
            raise TypeError(
                f"expected functions, got async def for {', '.join(self.asynchronous)}; they must be awaited"
            )
        base = evaluate_loss(self.base, data, logprobs, seed=seed)
        return combine_terms(self, base, [evaluate_term(term, data, logprobs, seed=seed) for term in self.terms])

    async def evaluate_async(
        self, data: Sequence[Datum], logprobs: Sequence[Array], *, seed: int | None = None
    ) -> ComposedEvaluation:
        """Evaluate like `evaluate`, and await the parts that have to be."""
        base = await evaluate_any(self.base, data, logprobs, seed=seed)
        found = list[LossEvaluation]()
        for term in self.terms:
            with naming_failures(term.name):
                found.append(await evaluate_any(term.loss, data, logprobs, seed=seed))
        return combine_terms(self, base, found)

    def evaluate_loss(
        self, data: Sequence[Datum], logprobs: Sequence[Values], *, seed: int | None = None
    ) -> LossEvaluation:
        """Evaluate as a loss among others."""
        return self.evaluate(data, logprobs, seed=seed).to_loss_evaluation()


async def evaluate_any(
    loss: Loss, data: Sequence[Datum], logprobs: Sequence[Array], *, seed: int | None = None
) -> LossEvaluation:
    """Evaluate a loss of any kind once: in the calling task, and awaited where it has to be."""
    if isinstance(loss, ComposedLoss):
        return (await loss.evaluate_async(data, logprobs, seed=seed)).to_loss_evaluation()
    if is_async_loss(loss):
        return await await_loss(loss, data, logprobs, seed=seed)
    return evaluate_loss(loss, data, logprobs, seed=seed)


def in_double(loss: Loss) -> Loss:
    """Return *loss* with whatever chooses its precision at 64 bits: for comparisons, not for training."""
    if isinstance(loss, ComposedLoss):
        terms = tuple(evolve(term, loss=in_double(term.loss)) for term in loss.terms)
        return evolve(loss, base=in_double(loss.base), terms=terms)
    adapted = adapt(loss)
    return evolve(adapted, precision="float64") if isinstance(adapted, TorchLoss | JaxLoss) else adapted


def compose(base: Loss, *terms: RegularizerSpec, track_norms: bool = False) -> ComposedLoss:
    """Add regularizers to a loss. Nothing runs yet.

    Raises:
        TypeError: The base is no function, or a term is no `RegularizerSpec`.
        ValueError: Two terms have the same name.
    """
    return ComposedLoss(base, terms, track_norms=track_norms)


def evaluate_term(
    term: RegularizerSpec, data: Sequence[Datum], logprobs: Sequence[Array], *, seed: int | None = None
) -> LossEvaluation:
    """Evaluate one term, without its weight.

    Raises:
        RegularizerFailed: It raised, or returned something that cannot train.
    """
    with naming_failures(term.name):
        return evaluate_loss(term.loss, data, logprobs, seed=seed)


class naming_failures:  # noqa: N801 - used as a function, like contextlib.suppress
    """A block in which an error becomes `RegularizerFailed` with the term's name, or `LossFailed` without a name."""

    def __init__(self, name: str | None) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        # Cancellation and the like are no failures of the term; one that has its name already keeps it.
        if not isinstance(error, Exception) or isinstance(error, RegularizerTimedOut):
            return
        words = f"{type(error).__name__}: {error}"
        if self._name is not None:
            raise RegularizerFailed(f"the regularizer {self._name!r} failed: {words}", name=self._name) from error
        if not isinstance(error, LossError):
            raise LossFailed(f"the loss failed: {words}") from error


def combine_terms(loss: ComposedLoss, base: LossEvaluation, terms: Sequence[LossEvaluation]) -> ComposedEvaluation:
    """Add the evaluations of a composition up.

    Args:
        loss: The composition.
        base: Its base.
        terms: One for each of its terms, in their order, without weights.
    """
    pairs = list(zip(loss.terms, terms, strict=True))
    outputs = {spec.name: _describe(spec, term, is_tracked=loss.track_norms) for spec, term in pairs}
    regularizer_total = sum((output.contribution for output in outputs.values()), 0.0)
    gradients = _add_up(base, pairs)
    without = tuple(name for name, part in _pulling(base, pairs) if part.gradients is None)
    total = _norm(gradients, " and ".join(without), is_tracked=loss.track_norms)
    of_base = _norm(base.gradients, "base", is_tracked=loss.track_norms)
    output = CustomLossOutput(
        loss_total=base.value + regularizer_total,
        base_loss=BaseLossOutput(
            value=base.value,
            grad_norm=of_base.value,
            grad_norm_missing=of_base.missing,
            custom=dict(base.metrics),
            labels=dict(base.labels),
        ),
        regularizers=outputs,
        regularizer_total=regularizer_total,
        total_grad_norm=total.value,
        total_grad_norm_missing=total.missing,
    )
    return ComposedEvaluation(output.loss_total, gradients, output, without)


@frozen
class _Norm:
    """A norm, or why there is none."""

    value: float | None
    missing: str | None = None


def _norm(gradients: Sequence[Array] | None, name: str, *, is_tracked: bool) -> _Norm:
    if not is_tracked:
        return _Norm(None, _NOT_ASKED)
    return _Norm(None, _NO_GRADIENT.format(name)) if gradients is None else _Norm(gradient_norm(gradients))


def _describe(spec: RegularizerSpec, term: LossEvaluation, *, is_tracked: bool) -> RegularizerOutput:
    norm = _norm(term.gradients, spec.name, is_tracked=is_tracked)
    output = RegularizerOutput(
        name=spec.name,
        value=term.value,
        weight=spec.weight,
        contribution=spec.weight * term.value,
        grad_norm=norm.value,
        grad_norm_weighted=None,
        grad_norm_missing=norm.missing,
        custom=dict(term.metrics),
        labels=dict(term.labels),
    )
    return output if norm.value is None else evolve(output, grad_norm_weighted=spec.weight * norm.value)


def _pulling(
    base: LossEvaluation, pairs: Sequence[tuple[RegularizerSpec, LossEvaluation]]
) -> list[tuple[str, LossEvaluation]]:
    """List the parts without whose gradients there is no total."""
    return [("base", base), *((spec.name, term) for spec, term in pairs if spec.weight)]


def _add_up(base: LossEvaluation, pairs: Sequence[tuple[RegularizerSpec, LossEvaluation]]) -> tuple[Values, ...] | None:
    pulling = [(spec.weight, term.gradients) for spec, term in pairs if spec.weight]
    if base.gradients is None or any(gradients is None for _, gradients in pulling):
        return None
    total = tuple(gradient.copy() for gradient in base.gradients)
    for weight, gradients in pulling:
        for sum_, part in zip(total, gradients or (), strict=True):
            sum_ += weight * part  # noqa: PLW2901 - in place: these arrays are as large as the log-probabilities
    return total
