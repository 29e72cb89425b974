"""Many independent requests of one model, sent together.

One after the other, each request costs a round trip to be promised and one to be fetched. Together they cost one to be
promised, however many there are, and what they bring is fetched side by side. Their order is that of the list, and their
results come one by one: an item that fails does not take the others along.
"""

from collections.abc import Sequence

from tinkex_actors.actors.ledger import Call, Entry
from tinkex_actors.actors.operation import Operation
from tinkex_actors.actors.pending import Audience, Pending, Slot
from tinkex_actors.clients.checks import check_optim_params
from tinkex_actors.clients.training import TrainingClient
from tinkex_actors.compute.combining import combine_outputs
from tinkex_actors.transport.endpoints import FORWARD_BACKWARD, OPTIM_STEP
from tinkex_actors.types import ForwardBackwardInput, ForwardBackwardOutput, OptimParams, OptimStepResponse
from tinkex_actors.wire.requests import OptimStepRequest

MOST_ITEMS = 64
"""Items of one batch: a promise is held for each until all are given."""


def forward_backward_batch(
    trainer: TrainingClient, items: Sequence[ForwardBackwardInput]
) -> list[Pending[ForwardBackwardOutput]]:
    """Submit several forward-backward passes at once; their gradients add up in the order of *items*.

    Returns:
        One handle an item, in order. Each fails for itself.

    Raises:
        ValueError: No item, more than `MOST_ITEMS`, or an item that makes no sense (it is named); nothing was sent.
        TinkerError: The client takes in nothing more.
    """
    _check_number(len(items))
    slices = list[list[Entry]]()
    for place, item in enumerate(items):
        try:
            slices.append(trainer.slice(FORWARD_BACKWARD, item.data, item.loss_fn, item.loss_fn_config))
        except (ValueError, TypeError) as error:
            raise ValueError(f"items[{place}]: {error}") from error
    trainer.enlist(Call([entry for entries in slices for entry in entries], is_divisible=True))
    return [Pending([entry.slot for entry in entries], combine_outputs, withdraw=_stays) for entries in slices]


def optim_step_batch(trainer: TrainingClient, params: Sequence[OptimParams]) -> list[Pending[OptimStepResponse]]:
    """Submit several optimizer steps at once; all but the first find no gradient, unless something gathers it between.

    Returns:
        One handle a step, in order. Each fails for itself.

    Raises:
        ValueError: No item, or more than `MOST_ITEMS`; nothing was sent.
        TinkerError: The client takes in nothing more.
    """
    _check_number(len(params))
    entries = [_step(trainer, one) for one in params]
    trainer.enlist(Call(entries, is_divisible=True))
    return [Pending([entry.slot], _only, withdraw=_stays) for entry in entries]


def _step(trainer: TrainingClient, params: OptimParams) -> Entry:
    check_optim_params(params)
    operation = Operation(
        row=OPTIM_STEP, request=lambda number: OptimStepRequest.for_params(trainer.model_id, number, params)
    )
    return Entry(operation, Slot[OptimStepResponse](Audience(OPTIM_STEP.name)))


def _only(values: Sequence[OptimStepResponse]) -> OptimStepResponse:
    (value,) = values
    return value


def _stays() -> bool:
    """An item cannot be withdrawn: the others' numbers stand around its own."""
    return False


def _check_number(count: int) -> None:
    if not 1 <= count <= MOST_ITEMS:
        raise ValueError(f"a batch must have 1 to {MOST_ITEMS} items, got {count}; split it")
