"""One operation that the server does later: what to submit under which number, and what will come back."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import field, frozen

from tinkex_actors.transport.endpoints import OperationRow
from tinkex_actors.transport.standing import Standing
from tinkex_actors.types.futures import Promise

R = TypeVar("R")


@frozen
class Value(Generic[R]):
    """A result, told apart from every failure."""

    value: R


@frozen(eq=False, kw_only=True)
class Operation(Generic[R]):
    """What to send and what it will bring: plain data, sent again as it is after a crash."""

    # The request's type is known to the row and to whoever made both, and to nobody in between.
    row: OperationRow[Any, R]
    request: Callable[[int], Any]
    """Makes the row's request for a number. Always an equal one for the same number."""
    weight_bytes: int = 0
    """The estimate that budgets count."""
    finish: Callable[[R], R] | None = None
    """Makes what the server brought what the protocol says it is."""
    capability: str = ""
    """The field of `Capabilities` that says whether a server does this; empty where every kind of server does."""
    feature: str = ""
    """What a server lacks that refuses this because it misses the field `misses`, in words for people."""
    misses: str = ""
    """The field that servers without the feature need instead."""
    claim: str = ""
    """What can be made only once, such as a checkpoint of a name; empty where a repeat is never refused for that."""
    done_before: Callable[[], R] | None = None
    """What the server would bring if it did not refuse a repeat because the claim is made already."""
    standing: Standing = field(factory=Standing)
    """What holds it up, for whoever asks."""

    @property
    def name(self) -> str:
        """The protocol's name."""
        return self.row.name


@frozen(eq=False)
class Retrieval(Generic[R]):
    """A promise, and what is known of the operation it was given for: all that polling needs."""

    operation: Operation[R]
    promise: Promise
    payload_bytes: int | None = None
    """How large the result is, if that is known before it is asked for."""
