"""What a user holds of one model in training.

Every method that changes the model, or asks it something, takes its place in line the moment it is called and returns a
:class:`~tinkex_actors.actors.pending.Pending`: call order is execution order, whatever is awaited when.
"""

from collections.abc import Sequence

from tinkex_actors.actors.ledger import Call, Entry
from tinkex_actors.actors.operation import Operation
from tinkex_actors.actors.pending import Audience, Pending, Slot
from tinkex_actors.actors.preparation import refuse_a_ring
from tinkex_actors.clients.checks import check_data, check_optim_params
from tinkex_actors.clients.custom_loss import CustomLoss, enlist_custom_loss
from tinkex_actors.clients.loss_evaluation import DEFAULT_OPTIONS, CustomLossOptions
from tinkex_actors.clients.model_weights import ModelWeights
from tinkex_actors.compute.batching import SliceLimits, slice_data
from tinkex_actors.compute.combining import combine_outputs
from tinkex_actors.compute.loss import Loss
from tinkex_actors.compute.loss_outputs import CustomForwardBackwardOutput
from tinkex_actors.compute.loss_sum import with_loss_sum
from tinkex_actors.transport.endpoints import FORWARD, FORWARD_BACKWARD, OPTIM_STEP, OperationRow
from tinkex_actors.types import (
    AdamParams,
    Datum,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    LossFnConfig,
    ModelId,
    OptimParams,
    OptimStepResponse,
    parse_loss_fn,
    parse_loss_fn_config,
)
from tinkex_actors.wire.requests import OptimStepRequest


class TrainingClient(ModelWeights):
    """Trains one model."""

    def forward(
        self, data: Sequence[Datum], loss_fn: str, loss_fn_config: LossFnConfig | None = None
    ) -> Pending[ForwardBackwardOutput]:
        """Compute a loss and what it is made of, and leave the gradients alone. Arguments as `forward_backward`."""
        return self._pass(FORWARD, data, loss_fn, loss_fn_config)

    def forward_backward(
        self, data: Sequence[Datum], loss_fn: str, loss_fn_config: LossFnConfig | None = None
    ) -> Pending[ForwardBackwardOutput]:
        """Compute a loss and add its gradient to what has gathered since the last optimizer step.

        Args:
            data: At least one example.
            loss_fn: One of :class:`~tinkex_actors.types.LossFnType`. Losses are sums over tokens and examples.
            loss_fn_config: The loss's own parameters.

        Raises:
            ValueError: No data, an unknown loss, or a parameter of the wrong type; nothing was sent.
            TinkerError: The client takes in nothing more.
        """
        return self._pass(FORWARD_BACKWARD, data, loss_fn, loss_fn_config)

    def forward_backward_custom(
        self,
        data: Sequence[Datum],
        loss_fn: Loss,
        *,
        seed: int | None = None,
        options: CustomLossOptions = DEFAULT_OPTIONS,
    ) -> Pending[CustomForwardBackwardOutput]:
        """Add the gradient of any loss: one that is evaluated here, on the server's log-probabilities.

        A forward pass brings the log-probabilities, *loss_fn* is evaluated once, in a thread, and its gradient goes to
        the server as the weights of a second pass, which is exact at the current weights. Whatever is submitted later
        comes after both passes. A loss that raises fails this operation alone.

        Args:
            data: At least one example, each with ``target_tokens``; everything else is for the loss.
            loss_fn: A function of the data and one array of log-probabilities a datum, in the shape of its targets, which
                returns value and gradients; a function of torch, jax or autograd, which is differentiated; a composition
                made by ``compose``; or an ``async def`` of these.
            seed: For losses that draw at random; a new one each step.
            options: Time limits, clipping, events.

        Returns:
            The server's answer with the metrics ``loss:sum`` (the loss), ``surrogate_loss:sum`` (what the server made of
            the weights, which means nothing by itself) and the loss's own; ``custom_loss`` has the parts.

        Raises:
            ValueError: No data, or a datum without targets; nothing was sent.
            TinkerError: The client takes in nothing more.
        """
        check_data(data)
        asked = CustomLoss(data=tuple(data), loss=loss_fn, options=options, seed=seed)
        refuse_a_ring(self._ledger)
        return enlist_custom_loss(self._tree, self._ledger, self.model_id, asked)

    def optim_step(self, params: OptimParams | None = None) -> Pending[OptimStepResponse]:
        """Apply the gathered gradient, and begin to gather anew.

        Args:
            params: AdamW's parameters by default; they may change every step. Of the family that the model was made with.

        Raises:
            TinkerError: The client takes in nothing more. Awaiting raises `NotSupportedByServer` for another family than
                AdamW, where the server knows no other.
        """
        check_optim_params(params)
        chosen = params if params is not None else AdamParams()
        is_adam = isinstance(chosen, AdamParams)
        operation = Operation(
            row=OPTIM_STEP,
            request=lambda number: OptimStepRequest.for_params(self.model_id, number, chosen),
            capability="" if is_adam else "other_optimizers",
            feature="" if is_adam else "optimizers other than AdamW",
            misses="adam_params",
        )
        return self._carry_out(operation)

    def _pass(
        self,
        row: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput],
        data: Sequence[Datum],
        loss_fn: str,
        loss_fn_config: LossFnConfig | None,
    ) -> Pending[ForwardBackwardOutput]:
        return self._enlist(Call(self.slice(row, data, loss_fn, loss_fn_config)), combine_outputs)

    def slice(
        self,
        row: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput],
        data: Sequence[Datum],
        loss_fn: str,
        loss_fn_config: LossFnConfig | None,
    ) -> list[Entry]:
        """Cut a pass into requests. For :mod:`tinkex_actors.clients.batches`."""
        check_data(data)
        loss, config = parse_loss_fn(loss_fn), parse_loss_fn_config(loss_fn_config)
        audience, told = Audience(row.name), self._tree.record.config
        limits = SliceLimits(told.fwdbwd_max_chunk_len, told.fwdbwd_max_chunk_bytes_count)
        return [
            Entry(
                _slice_operation(row, self.model_id, ForwardBackwardInput(part.data, loss, config), part.size_bytes),
                Slot[ForwardBackwardOutput](audience),
            )
            for part in slice_data(data, limits)
        ]


def _slice_operation(
    row: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput],
    model_id: ModelId,
    given: ForwardBackwardInput,
    size_bytes: int,
) -> Operation[ForwardBackwardOutput]:
    return Operation(
        row=row,
        request=lambda number: ForwardBackwardRequest(given, model_id, number, forward_only=row is FORWARD),
        weight_bytes=size_bytes,
        finish=lambda output: with_loss_sum(output, given),
    )
