"""One `forward_backward_custom`: two calls in line, and between them a loss that is evaluated here.

The forward pass and the backward pass wait in the ledger one behind the other, so whatever is submitted later comes after
both. The backward pass has a preparation (`CustomLossStep.prepare`): it needs the log-probabilities of the first, and the
gradient. Numbers are taken when a call is sent, so a loss that raises costs no number, and what waits behind it moves up.

If the trainer's actor crashes in between, its next life prepares again from the same log-probabilities: the loss may be
evaluated twice, its gradient is sent once.
"""

from collections.abc import Callable, Sequence
from functools import partial

from attrs import define, frozen

from tinkex_actors.actors.ledger import Call, Entry, Ledger
from tinkex_actors.actors.loss_threads import LossThreads
from tinkex_actors.actors.operation import Operation
from tinkex_actors.actors.pending import Audience, Pending, Slot
from tinkex_actors.actors.tree import TinkerTree
from tinkex_actors.clients.loss_evaluation import CustomLossOptions, Evaluator
from tinkex_actors.clients.loss_events import Watch
from tinkex_actors.compute.batching import DataSlice, SliceLimits, slice_data
from tinkex_actors.compute.combining import combine_outputs
from tinkex_actors.compute.composition import ComposedEvaluation, check_loss, naming_failures
from tinkex_actors.compute.evaluation import to_read_only
from tinkex_actors.compute.loss import Loss
from tinkex_actors.compute.loss_errors import LossInvalid
from tinkex_actors.compute.loss_outputs import CustomForwardBackwardOutput, CustomLossOutput
from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.compute.surrogate import clip_gradients, read_logprobs, to_forward_data, to_surrogate_data
from tinkex_actors.tracing import as_attributes
from tinkex_actors.transport.endpoints import FORWARD, FORWARD_BACKWARD, OperationRow
from tinkex_actors.types import Datum, ForwardBackwardInput, ForwardBackwardOutput, ForwardBackwardRequest, ModelId
from tinkex_actors.types.errors import TinkerError

_LOSS = "cross_entropy"
_VALUE = "loss:sum"
_SURROGATE = "surrogate_loss:sum"


@frozen(eq=False, kw_only=True)
class CustomLoss:
    """What a call of `forward_backward_custom` asks for."""

    data: tuple[Datum, ...]
    loss: Loss
    options: CustomLossOptions
    seed: int | None


@define(eq=False)
class CustomLossStep:
    """How far it has come: plain data that outlives every life of the trainer."""

    asked: CustomLoss
    model_id: ModelId
    threads: LossThreads
    client: str
    forward_data: tuple[Datum, ...]
    _found: "_Found | None" = None

    @property
    def found(self) -> "_Found":
        """What the loss said; nothing that needs it runs before `prepare` is done."""
        if self._found is None:
            raise RuntimeError(f"a custom loss of {self.client} is used before it was evaluated")
        return self._found

    async def prepare(self, forward: Sequence[Slot[ForwardBackwardOutput]]) -> None:
        """Wait for the log-probabilities, evaluate the loss, and make the data of the backward pass.

        Raises:
            LossError: The loss raised, took too long, or returned what cannot train.
            TinkerError: The forward pass failed.
        """
        output = combine_outputs([await slot.wait() for slot in forward])
        logprobs = to_read_only(self.asked.data, read_logprobs(self.asked.data, output))
        # Whatever a user's observer raises is this operation's failure.
        with naming_failures(None), Watch(self.asked.options.on_event, "custom_loss", self.client) as watch:
            found = await self._evaluate(logprobs)
            watch.note(found.value, found.value, found.output.total_grad_norm)
        gradients, clipped = self._clip(_require_gradients(found))
        self._found = _Found(to_surrogate_data(self.forward_data, gradients), found.output, clipped)

    async def _evaluate(self, logprobs: Sequence[Values]) -> ComposedEvaluation:
        asked = self.asked
        evaluator = Evaluator(asked.data, logprobs, asked.seed, asked.options, self.threads, self.client)
        return await evaluator.evaluate(asked.loss)

    def _clip(self, gradients: tuple[Values, ...]) -> tuple[tuple[Values, ...], dict[str, float]]:
        limit = self.asked.options.clip_norm
        if limit is None:
            return gradients, {}
        clipped = clip_gradients(gradients, limit)
        return clipped.gradients, {"grad_norm:mean": clipped.norm, "grad_clip_factor:mean": clipped.factor}

    def forward_request(self, part: DataSlice, number: int) -> ForwardBackwardRequest:
        """Ask for the log-probabilities of a slice."""
        return ForwardBackwardRequest(ForwardBackwardInput(part.data, _LOSS), self.model_id, number, forward_only=True)

    def backward_request(self, part: DataSlice, number: int) -> ForwardBackwardRequest:
        """Send the gradient of the same slice."""
        data = self.found.surrogate_data[part.start : part.start + len(part.data)]
        return ForwardBackwardRequest(ForwardBackwardInput(data, _LOSS), self.model_id, number)

    def combine(self, outputs: Sequence[ForwardBackwardOutput]) -> CustomForwardBackwardOutput:
        """Make the result: the server's answer to the backward pass, and what the loss said."""
        report = self.found
        server = combine_outputs(outputs)
        metrics = {_SURROGATE if name == _VALUE else name: value for name, value in server.metrics.items()}
        metrics |= report.output.to_metrics() | report.clipped | report.output.base_loss.custom
        metrics[_VALUE] = report.output.loss_total
        return CustomForwardBackwardOutput(
            server.loss_fn_output_type, server.loss_fn_outputs, metrics, custom_loss=report.output
        )


@frozen(eq=False)
class _Found:
    """What the loss said, and what is sent of it."""

    surrogate_data: tuple[Datum, ...]
    output: CustomLossOutput
    clipped: dict[str, float]
    """What a limit did to the gradient."""


def _require_gradients(found: ComposedEvaluation) -> tuple[Values, ...]:
    if found.gradients is None:
        raise LossInvalid(
            f"expected gradients to train on, got a value without them from {' and '.join(found.without_gradients)}; "
            "return (value, gradients), or write it for torch, jax or autograd"
        )
    return found.gradients


def enlist_custom_loss(
    tree: TinkerTree, ledger: Ledger, model_id: ModelId, asked: CustomLoss
) -> Pending[CustomForwardBackwardOutput]:
    """Put both passes of a custom loss in line.

    Raises:
        ValueError: No data, or a datum without targets; nothing is in line.
        TypeError: The loss cannot be called.
    """
    check_loss(asked.loss)
    forward_data, told = to_forward_data(asked.data), tree.record.config
    slices = slice_data(forward_data, SliceLimits(told.fwdbwd_max_chunk_len, told.fwdbwd_max_chunk_bytes_count))
    step = CustomLossStep(asked, model_id, tree.loss_threads, ledger.name, forward_data)
    first = _make_call(FORWARD, slices, step.forward_request)
    second = _make_call(FORWARD_BACKWARD, slices, step.backward_request)
    second.preparation = partial(step.prepare, [entry.slot for entry in first.entries])
    if ledger.tracing is not None:
        # One call of the user's, in two of ours.
        outer = ledger.tracing.begin("tinkex.forward_backward_custom", as_attributes(ledger.owner))
        first.outer = second.outer = outer
        first.is_traced = second.is_traced = outer is not None
        first.is_last = False
    ledger.enlist(first)
    try:
        ledger.enlist(second)
    except TinkerError as full:
        # Half of an operation is none.
        ledger.withdraw(first)
        if first.outer is not None:
            first.outer.end(full)
        raise

    def withdraw() -> bool:
        if not ledger.withdraw(second):
            return False
        # A forward pass that is on its way already changes nothing, so it may go on alone.
        ledger.withdraw(first)
        return True

    return Pending([entry.slot for entry in second.entries], step.combine, withdraw=withdraw)


def _make_call(
    row: OperationRow[ForwardBackwardRequest, ForwardBackwardOutput],
    slices: Sequence[DataSlice],
    request: Callable[[DataSlice, int], ForwardBackwardRequest],
) -> Call:
    audience = Audience(row.name)
    return Call(
        [
            Entry(
                Operation(row=row, request=partial(request, part), weight_bytes=part.size_bytes),
                Slot[ForwardBackwardOutput](audience),
            )
            for part in slices
        ]
    )
