"""Several terms of one array as one term: ordered, named, weighted, each of them on or off.

A `PenaltyPipeline` is a value: what changes it returns another one. It is a term itself, so it nests, checks and
composes like one. An entry that is *not differentiable* is reported and moves nothing: its gradient is left out.
"""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from attrs import evolve, field, frozen

from tinkex_actors.compute.regularizers.term import NO_CONTEXT, Context, Evaluation, Term, read_logprobs
from tinkex_actors.types._checks import flag, number, text, unique_names
from tinkex_actors.types.tensors import Array


@frozen(kw_only=True)
class Entry:
    """One term of a pipeline."""

    name: str = field(validator=text(empty=False))
    term: Term
    weight: float = field(default=1.0, validator=number(minimum=0.0))
    is_enabled: bool = field(default=True, validator=flag())
    """Whether it is evaluated at all."""
    is_differentiable: bool = field(default=True, validator=flag())
    """Whether its gradient counts."""


def _to_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(entries)


@frozen
class PenaltyPipeline:
    """The weighted sum of terms of one array."""

    name: ClassVar[str] = "pipeline"

    entries: tuple[Entry, ...] = field(default=(), converter=_to_entries, validator=unique_names("entries"))
    """In the order of evaluation."""

    @property
    def fields(self) -> tuple[str, ...]:
        """What the enabled terms read, each once."""
        return tuple(dict.fromkeys(name for entry in self.entries if entry.is_enabled for name in entry.term.fields))

    def add(self, entry: Entry) -> "PenaltyPipeline":
        """Return a pipeline with *entry* at the end.

        Raises:
            ValueError: The name is taken.
        """
        return PenaltyPipeline((*self.entries, entry))

    def remove(self, name: str) -> "PenaltyPipeline":
        """Return a pipeline without the entry *name*.

        Raises:
            ValueError: There is no such entry.
        """
        gone = self._entry(name)
        return PenaltyPipeline(entry for entry in self.entries if entry is not gone)

    def reweight(self, name: str, weight: float) -> "PenaltyPipeline":
        """Return a pipeline in which the entry *name* has another weight.

        Raises:
            ValueError: There is no such entry, or the weight is negative.
        """
        return self._replace(name, evolve(self._entry(name), weight=weight))

    def enable(self, name: str, *, is_enabled: bool = True) -> "PenaltyPipeline":
        """Return a pipeline in which the entry *name* is on, or off.

        Raises:
            ValueError: There is no such entry.
        """
        return self._replace(name, evolve(self._entry(name), is_enabled=is_enabled))

    def evaluate(self, logprobs: Array, context: Context = NO_CONTEXT) -> Evaluation:
        """Evaluate every enabled term once; metrics ``total`` and, by entry, ``name:raw`` and ``name:weighted``."""
        x = read_logprobs(logprobs)
        total, gradient, metrics = 0.0, np.zeros_like(x), dict[str, float]()
        for entry in self.entries:
            if not entry.is_enabled:
                continue
            found = entry.term.evaluate(x, context)
            total += entry.weight * found.value
            if entry.is_differentiable:
                gradient += entry.weight * found.gradient
            metrics |= {f"{entry.name}:raw": found.value, f"{entry.name}:weighted": entry.weight * found.value}
        return Evaluation(total, gradient, {"total": total, **metrics})

    def _entry(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.entries) or "none"
        raise ValueError(f"expected the name of an entry, one of {known}, got {name!r}")

    def _replace(self, name: str, new: Entry) -> "PenaltyPipeline":
        return PenaltyPipeline(new if entry.name == name else entry for entry in self.entries)
