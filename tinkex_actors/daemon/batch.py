"""What one step trains on, and the two ways in which a journal can tell it again.

A batch whose examples lie in a file is told by their places. One that was made on the way (sampled, scored) cannot be
made again, so the journal keeps it whole, in the form in which it travels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import field, frozen

from tinkex_actors.daemon.entries import Intent, JsonScalar
from tinkex_actors.types import Datum, ForwardBackwardInput, ForwardBackwardRequest, LossFnConfig, ModelId
from tinkex_actors.wire.fwdbwd import decode_forward_backward_request, encode_forward_backward_request

_INT_BITS = 63
_BYTES_PER_TOKEN = 10
"""As the service's budgets count."""


# Any: what a loop of one's own wrote.
def _read_notes(notes: Mapping[str, Any]) -> dict[str, JsonScalar]:
    """Refuse here what the journal could not write later."""
    plain = {name: _to_plain(value) for name, value in notes.items()}
    for name, value in plain.items():
        if not isinstance(value, JsonScalar):
            raise TypeError(f"notes[{name!r}] must be a number, text, a bool or None, got {type(value).__name__}")
        if isinstance(value, int) and value.bit_length() > _INT_BITS:
            raise ValueError(f"notes[{name!r}] must fit in 64 bits, got {value}")
    return plain


# Any: the same.
def _to_plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") and np.ndim(value) == 0 else value


@frozen(kw_only=True, eq=False)
class StepBatch:
    """The data of one step, the loss on them, and what is to be said about them."""

    data: Sequence[Datum]
    loss: str = "cross_entropy"
    loss_config: LossFnConfig | None = None
    epoch: int = 0
    members: tuple[int, ...] | None = None
    """Places in the run's data; None for a batch that was made on the way."""
    notes: Mapping[str, JsonScalar] = field(factory=dict[str, JsonScalar], converter=_read_notes)
    """Goes to the step's row in ``metrics.jsonl``: a reward, an entropy. A number of numpy's becomes a plain one."""

    @property
    def num_tokens(self) -> int:
        """Tokens that the model reads."""
        return sum(datum.model_input.length for datum in self.data)

    @property
    def size_bytes(self) -> int:
        """What it counts in a budget of bytes."""
        return _BYTES_PER_TOKEN * self.num_tokens

    @property
    def num_learned(self) -> int:
        """Tokens whose loss counts."""
        return sum(_learned(datum) for datum in self.data)

    def encode(self) -> bytes:
        """Write the data and the loss."""
        whole = ForwardBackwardInput(tuple(self.data), self.loss, self.loss_config)
        return encode_forward_backward_request(ForwardBackwardRequest(whole, ModelId(""), 0))


def recall_batch(intent: Intent) -> StepBatch | None:
    """Read the batch that the journal kept of a step; None if it kept none."""
    if intent.payload is None:
        return None
    whole = decode_forward_backward_request(intent.payload).forward_backward_input
    return StepBatch(
        data=whole.data,
        loss=whole.loss_fn,
        loss_config=whole.loss_fn_config,
        epoch=intent.epoch,
        notes=intent.notes,
    )


def _learned(datum: Datum) -> int:
    for name in ("weights", "mask"):
        if name in datum.loss_fn_inputs:
            return int(np.count_nonzero(datum.loss_fn_inputs[name].to_numpy()))
    return datum.model_input.length
