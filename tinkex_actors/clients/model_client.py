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
from tinkex_actors.actors.tree import TinkerTree
from tinkex_actors.actors.waits import draw_waits
from tinkex_actors.clients.client import Client
from tinkex_actors.html import show_facts
from tinkex_actors.transport.endpoints import OperationRow
from tinkex_actors.types import GetInfoResponse, ModelId

Q = TypeVar("Q")
R = TypeVar("R")


class ModelClient(Client[Ledger]):
    """One model's name and line."""

    def __init__(self, tree: TinkerTree, ledger: Ledger, info: GetInfoResponse) -> None:
        said = info.model_data
        super().__init__(tree, ledger, said.model_name or info.model_name or "", tokenizer_id=said.tokenizer_id)
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
