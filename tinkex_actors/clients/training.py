"""What a user holds of one model in training.

Every method that changes the model, or asks it something, takes its place in line the moment it is called and returns a
:class:`~tinkex_actors.actors.pending.Pending`: call order is execution order, whatever is awaited when.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from tinkex_actors.actors.errors import ClientClosed
from tinkex_actors.actors.ledger import Call, Entry, Ledger
from tinkex_actors.actors.operation import Operation
from tinkex_actors.actors.pending import Audience, Pending, Slot
from tinkex_actors.actors.preparation import refuse_a_ring
from tinkex_actors.actors.queue_state import QueueObserver
from tinkex_actors.actors.tree import TinkerTree
from tinkex_actors.clients.checks import check_data, check_optim_params
from tinkex_actors.clients.custom_loss import CustomLoss, enlist_custom_loss
from tinkex_actors.clients.loss_evaluation import DEFAULT_OPTIONS, CustomLossOptions
from tinkex_actors.clients.sampling import SamplingClient, create_sampling_session, open_sampling_client
from tinkex_actors.clients.tokenizer import Tokenizer, find_tokenizer, tokenizer_name
from tinkex_actors.clients.weights_words import check_name, check_path, missing, require_path
from tinkex_actors.compute.batching import SliceLimits, slice_data
from tinkex_actors.compute.combining import combine_outputs
from tinkex_actors.compute.loss import Loss
from tinkex_actors.compute.loss_outputs import CustomForwardBackwardOutput
from tinkex_actors.compute.loss_sum import with_loss_sum
from tinkex_actors.transport.endpoints import (
    FORWARD,
    FORWARD_BACKWARD,
    LOAD_WEIGHTS,
    OPTIM_STEP,
    SAVE_WEIGHTS,
    SAVE_WEIGHTS_EXTERNAL,
    SAVE_WEIGHTS_FOR_SAMPLER,
    UNLOAD_MODEL,
    OperationRow,
)
from tinkex_actors.types import (
    AdamParams,
    Datum,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    ForwardBackwardRequest,
    GetInfoResponse,
    LoadWeightsResponse,
    LossFnConfig,
    ModelId,
    OptimParams,
    OptimStepResponse,
    SamplingClientKind,
    SaveWeightsExternalResponse,
    SaveWeightsForSamplerResponse,
    SaveWeightsResponse,
    TinkerPath,
    parse_loss_fn,
    parse_loss_fn_config,
)
from tinkex_actors.wire.requests import (
    LoadWeightsRequest,
    OptimStepRequest,
    SaveWeightsExternalRequest,
    SaveWeightsForSamplerRequest,
    SaveWeightsRequest,
    UnloadModelRequest,
)

Q = TypeVar("Q")
R = TypeVar("R")

_MOST_RECIPIENTS = 10


class TrainingClient:
    """Trains one model."""

    def __init__(self, tree: TinkerTree, ledger: Ledger, info: GetInfoResponse) -> None:
        self._tree = tree
        self._ledger = ledger
        self._info = info

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

    # ------------------------------------------------------------------ training

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

    # ------------------------------------------------------------------ weights

    def save_state(
        self,
        name: str,
        *,
        ttl_seconds: int | None = None,
        overwrite: bool = False,
        user_metadata: Mapping[str, str] | None = None,
    ) -> Pending[SaveWeightsResponse]:
        """Save weights and optimizer, to train on from there.

        Args:
            name: The checkpoint's name within this model; not empty, without a slash.
            ttl_seconds: When the server may delete it, at least an hour; ``None`` is never.
            overwrite: Whether a checkpoint of that name is replaced.
            user_metadata: Kept with it.

        Raises:
            ValueError: The name or the time makes no sense; nothing was sent.
            TinkerError: The client takes in nothing more. Awaiting raises what the server says to a name that is taken: a
                `RequestFailedError` or a `ConflictError`. A save that was sent twice because its answer was lost is a
                success, on every kind of server.
        """
        check_name(name, ttl_seconds)
        metadata = None if user_metadata is None else dict(user_metadata)
        path = TinkerPath(f"tinker://{self.model_id}/weights/{name}")
        operation = Operation(
            row=SAVE_WEIGHTS,
            request=lambda number: SaveWeightsRequest(self.model_id, name, number, overwrite, ttl_seconds, metadata),
            claim=path,
            done_before=lambda: SaveWeightsResponse(path),
        )
        return self._carry_out(operation)

    def load_state(self, path: str) -> Pending[LoadWeightsResponse]:
        """Load a checkpoint's weights, and leave the optimizer as it is. Some servers allow it only as the first request."""
        return self._load(path, optimizer=False)

    def load_state_with_optimizer(self, path: str) -> Pending[LoadWeightsResponse]:
        """Load a checkpoint's weights and its optimizer. Some servers allow it only as the first request."""
        return self._load(path, optimizer=True)

    def save_weights_for_sampler(
        self, name: str, *, ttl_seconds: int | None = None, user_metadata: Mapping[str, str] | None = None
    ) -> Pending[SaveWeightsForSamplerResponse]:
        """Save weights to sample from, under a name. Arguments as `save_state`."""
        check_name(name, ttl_seconds)
        metadata = None if user_metadata is None else dict(user_metadata)
        return self._submit(
            SAVE_WEIGHTS_FOR_SAMPLER,
            lambda number: SaveWeightsForSamplerRequest(
                self.model_id, path=name, seq_id=number, ttl_seconds=ttl_seconds, user_metadata=metadata
            ),
        )

    async def save_weights_and_get_sampling_client(
        self,
        name: str | None = None,
        *,
        kind: SamplingClientKind | str = SamplingClientKind.SNAPSHOT,
        record_stability_info: bool = False,
    ) -> SamplingClient:
        """Save the weights as they will be when this call's turn comes, and sample from them.

        Args:
            name: Keep the weights under this name. Without one they live as long as the session.
            kind: Without a name: whether the sampler keeps these weights, or follows later saves of this kind.
            record_stability_info: Have the server keep what losses such as ``stable_reinforce`` need of each sample.
        """
        if name is not None:
            saved = await self.save_weights_for_sampler(name)
            path = require_path(saved)
            return await self.create_sampling_client(path, record_stability_info=record_stability_info)
        sampler_number = self._tree.record.take_sampler_number()
        chosen = SamplingClientKind(kind)
        ephemeral = await self._submit(
            SAVE_WEIGHTS_FOR_SAMPLER,
            lambda number: SaveWeightsForSamplerRequest(
                self.model_id, sampling_session_seq_id=sampler_number, kind=chosen, seq_id=number
            ),
        )
        if ephemeral.sampling_session_id is None:
            raise missing("sampling_session_id")
        return open_sampling_client(
            self._tree, ephemeral.sampling_session_id, self._base_model, records_stability=record_stability_info
        )

    def save_weights_external(
        self, name: str, *, ttl_seconds: int | None = None, age_encryption_recipients: Sequence[str] | None = None
    ) -> Pending[SaveWeightsExternalResponse]:
        """Export the adapter as PEFT files, to be fetched with `tinkex_actors.clients.download`.

        Args:
            name: As for `save_state`.
            ttl_seconds: As for `save_state`.
            age_encryption_recipients: Encrypt the files for these age or SSH public keys, at most ten.

        Raises:
            ValueError: The name or a figure makes no sense; nothing was sent.
            TinkerError: The client takes in nothing more. Awaiting raises `NotSupportedByServer` where there is no export.
        """
        check_name(name, ttl_seconds)
        recipients = None if age_encryption_recipients is None else tuple(age_encryption_recipients)
        if recipients is not None and not 0 < len(recipients) <= _MOST_RECIPIENTS:
            raise ValueError(f"age_encryption_recipients must be 1 to {_MOST_RECIPIENTS} keys, got {len(recipients)}")
        operation = Operation(
            row=SAVE_WEIGHTS_EXTERNAL,
            request=lambda number: SaveWeightsExternalRequest(self.model_id, name, number, ttl_seconds, recipients),
            capability="external_weights",
        )
        return self._carry_out(operation)

    async def unload(self) -> None:
        """Have the server drop the model, when everything submitted before is done. Nothing can follow.

        Raises:
            NotSupportedByServer: Models go with their session there; the client goes on.
        """
        request = UnloadModelRequest(self.model_id)
        await self._carry_out(Operation(row=UNLOAD_MODEL, request=lambda _: request, capability="unload_model"))
        self._tree.remove(self.name, ClientClosed(f"{self.name}: the model was unloaded"))

    async def create_sampling_client(self, model_path: str, *, record_stability_info: bool = False) -> SamplingClient:
        """Sample from saved weights: a ``tinker://…/sampler_weights/…`` path."""
        session_id = await create_sampling_session(self._tree, base_model=None, model_path=TinkerPath(model_path))
        return open_sampling_client(self._tree, session_id, self._base_model, records_stability=record_stability_info)

    # ------------------------------------------------------------------ about

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

    # ------------------------------------------------------------------ how

    @property
    def _base_model(self) -> str:
        return self._info.model_data.model_name or self._info.model_name or ""

    def on_queue_state_change(self, observer: QueueObserver) -> Callable[[], None]:
        """Tell *observer* whenever the server's queue for this client changes; call what is returned to end that.

        It is called in the program's loop and must not block; what it raises is logged and disturbs nobody.
        """
        return self._ledger.queue.observe(observer)

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

    def _load(self, path: str, *, optimizer: bool) -> Pending[LoadWeightsResponse]:
        checked = check_path(path)
        return self._submit(
            LOAD_WEIGHTS,
            lambda number: LoadWeightsRequest(checked, optimizer, model_id=self.model_id, seq_id=number),
        )

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


# The slots of a call know their types; a call of one request has one.
def _only(values: Sequence[Any]) -> Any:
    (value,) = values
    return value
