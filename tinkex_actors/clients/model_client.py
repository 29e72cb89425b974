"""One model as its user holds it: who it is, and the line that its requests stand in.

What takes its place in line is in `model_weights` and `training`. Call order is execution order, whatever is awaited when.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from tinkex_actors.actors.ledger import Call, Entry, Ledger
from tinkex_actors.actors.operation import Operation
from tinkex_actors.actors.pending import Audience, Pending, Slot
from tinkex_actors.actors.preparation import refuse_a_ring
from tinkex_actors.actors.queue_state import QueueObserver
from tinkex_actors.actors.tree import TinkerTree
from tinkex_actors.actors.waits import draw_waits
from tinkex_actors.clients.tokenizer import Tokenizer, find_tokenizer, tokenizer_name
from tinkex_actors.html import show_facts
from tinkex_actors.transport.endpoints import OperationRow
from tinkex_actors.types import GetInfoResponse, ModelId

Q = TypeVar("Q")
R = TypeVar("R")


class ModelClient:
    """One model's name and line."""

    def __init__(self, tree: TinkerTree, ledger: Ledger, info: GetInfoResponse) -> None:
        self._tree = tree
        self._ledger = ledger
        self._info = info

    def __repr__(self) -> str:
        what = self._base_model or "an unknown base model"
        return f"<{type(self).__name__} {self.name}, model {self.model_id} of {what}>"

    def _repr_html_(self) -> str:
        """Show in a notebook which model it is, and what of it waits."""
        facts = {"model": self.model_id, "base model": self._base_model, "session": self._tree.record.session_id}
        drawing = draw_waits(self._tree.ledgers, self.name)
        return show_facts(f"{type(self).__name__} {self.name}", facts, drawing=drawing)

    @property
    def name(self) -> str:
        """The name of the actor that works for this client."""
        return self._ledger.name

    @property
    def model_id(self) -> ModelId:
        """What the server calls the model: also the id of its training run."""
        return self._info.model_id

    @property
    def next_number(self) -> int:
        """The sequence number of the next request, if none before it is refused: for journals."""
        return self._ledger.number_behind

    def get_info(self) -> GetInfoResponse:
        """Return what the server said about the model when it was made."""
        return self._info

    def get_tokenizer(self) -> Tokenizer:
        """Return the model's tokenizer. Blocks while it reads, or fetches, the file; once for each client."""
        return find_tokenizer(self._tree, tokenizer_name(self._base_model, self._info.model_data.tokenizer_id))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of *text*. Blocks at first, as `get_tokenizer` does."""
        return self.get_tokenizer().encode(text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of *tokens*. Blocks at first, as `get_tokenizer` does."""
        return self.get_tokenizer().decode(tokens)

    def crash(self, reason: str) -> None:
        """Crash the actor behind this client, to see what happens: nothing that its users notice."""
        self._tree.crash(self.name, reason)

    @property
    def _base_model(self) -> str:
        return self._info.model_data.model_name or self._info.model_name or ""

    def on_queue_state_change(self, observer: QueueObserver) -> Callable[[], None]:
        """Tell *observer* whenever the server's queue for this client changes; call what is returned to end that.

        It is called in the program's loop and must not block; what it raises is logged and disturbs nobody.
        """
        return self._ledger.queue.observe(observer)

    def _submit(self, row: OperationRow[Q, R], request: Callable[[int], Q]) -> Pending[R]:
        """Put one request in line; it takes its number when it is sent."""
        return self._carry_out(Operation(row=row, request=request))

    def _carry_out(self, operation: Operation[R]) -> Pending[R]:
        return self._enlist(Call([Entry(operation, Slot[R](Audience(operation.name)))]), _only)

    def enlist(self, call: Call) -> None:
        """Put a call in line. For :mod:`tinkex_actors.clients.batches`.

        Raises:
            TinkerError: The client takes in nothing more.
        """
        refuse_a_ring(self._ledger)
        self._ledger.enlist(call)

    def _enlist(self, call: Call, combine: Callable[[Sequence[Any]], R]) -> Pending[R]:
        self.enlist(call)
        slots = [entry.slot for entry in call.entries]
        return Pending(slots, combine, withdraw=partial(self._ledger.withdraw, call))


# The slots of a call know their types; a call of one request has one.
def _only(values: Sequence[Any]) -> Any:
    (value,) = values
    return value
