"""One training run: the plain data behind a model, which outlives the crash of the actor that works on it.

`Run.perform` does one operation and blocks: it is called in a worker thread, one call at a time. It changes the engine's
model and the checkpoint store and nothing else; promises, order and the audit log are its caller's.
"""

from collections import deque
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeAlias, assert_never
from uuid import uuid4

import numpy as np
from attrs import define, field, frozen

from tinkex_actors.local.checkpoints import StoredCheckpoint, Tensors
from tinkex_actors.local.engine import Adapter, BaseModel, TrainableModel
from tinkex_actors.local.operations import Create, CreateFrom, Expose, Load, Operation, Pass, Save, Step
from tinkex_actors.local.paths import CheckpointPath, Kind
from tinkex_actors.local.records import RunRecord
from tinkex_actors.local.refusals import BadRequest
from tinkex_actors.local.sequencer import Sequencer
from tinkex_actors.local.translation import (
    OPTIMIZERS,
    data_to_examples,
    params_to_rule,
    recipe_to_spec,
    result_to_output,
)
from tinkex_actors.local.weights import Shelves
from tinkex_actors.types.ids import ModelId, RequestId, TinkerPath
from tinkex_actors.types.sampling import SamplingClientKind
from tinkex_actors.types.service import CreateModelResponse
from tinkex_actors.types.training import ForwardBackwardOutput, OptimStepResponse
from tinkex_actors.types.weights import (
    LoadWeightsResponse,
    SaveWeightsExternalResponse,
    SaveWeightsForSamplerResponse,
    SaveWeightsResponse,
)

LOSSES_KEPT = 300


@frozen(eq=False)
class Exposed:
    """Weights to sample from that have no name yet."""

    adapter: Adapter
    file: str
    """The snapshot's file."""
    client_kind: SamplingClientKind
    number: int
    """The ``sampling_session_seq_id`` that the client chose."""


@frozen(eq=False)
class Numbered:
    """One operation with its place in the sequence and its promise."""

    number: int
    request_id: RequestId
    operation: Operation


Saved: TypeAlias = SaveWeightsResponse | SaveWeightsForSamplerResponse | SaveWeightsExternalResponse

Result: TypeAlias = (
    CreateModelResponse | LoadWeightsResponse | ForwardBackwardOutput | OptimStepResponse | Saved | Exposed
)


@define(eq=False)
class Run:
    """A model in training: its record, its weights, and what was asked of it."""

    record: RunRecord
    base: BaseModel
    shelves: Shelves
    sequencer: Sequencer = field(factory=Sequencer)
    request_types: dict[int, str] = field(factory=dict[int, str])
    """What was asked under each number."""
    waiting: dict[RequestId, Numbered] = field(factory=dict[RequestId, Numbered])
    """Accepted and not begun."""
    current: Numbered | None = None
    """Begun and not ended: in doubt if its actor crashes."""
    model: TrainableModel | None = None
    steps: int = 0
    """Optimizer steps taken."""
    losses: deque[float] = field(factory=lambda: deque[float](maxlen=LOSSES_KEPT))
    """The loss per target of each forward-backward pass, newest last: for people who watch."""

    @property
    def model_id(self) -> ModelId:
        """Its name, which is also the run's."""
        return self.record.model_id

    def perform(self, operation: Operation, *, now: datetime) -> Result:
        """Do *operation* and return what it came to.

        Raises:
            EngineInputError: The engine refuses it; nothing changed.
            Refusal: The checkpoint store refuses it; nothing changed.
        """
        match operation:
            case Create():
                result: Result = self._create(operation)
            case CreateFrom():
                result = self._create_from(operation)
            case Pass():
                result = self._pass(operation)
            case Step():
                result = self._step(operation)
            case Save():
                result = self._save(operation, now)
            case Expose():
                result = self._expose(operation)
            case Load():
                result = self._load(operation)
            case _:
                assert_never(operation)
        return result

    def digest(self) -> str | None:
        """Name the weights by their bits; None before there are any."""
        return None if self.model is None else self.model.weights_digest()

    def _build(self, seed: int) -> TrainableModel:
        recipe = self.record.recipe
        adapter = Adapter.create(self.base, recipe_to_spec(recipe, seed))
        return TrainableModel(self.base, adapter, optimizer=OPTIMIZERS[recipe.optimizer])

    def _model(self) -> TrainableModel:
        if self.model is None:
            raise BadRequest(f"model {self.model_id} was never created; its creation failed")
        return self.model

    def _expose(self, operation: Expose) -> Exposed:
        adapter = self._model().snapshot()
        # Weights that follow the training have one file a model, replaced each time.
        is_inflight = operation.client_kind is SamplingClientKind.INFLIGHT
        file = f"{sha256(self.model_id.encode()).hexdigest()}.inflight" if is_inflight else f"{uuid4().hex}.snapshot"
        self.shelves.snapshots.write(file, adapter)
        return Exposed(adapter, file, operation.client_kind, operation.sampling_session_seq_id)

    def _create(self, operation: Create) -> CreateModelResponse:
        self.model = self._build(operation.seed)
        return CreateModelResponse(self.model_id)

    def _create_from(self, operation: CreateFrom) -> LoadWeightsResponse:
        model = self._build(0)
        model.load_state(self.shelves.checkpoints.read(operation.checkpoint), optimizer=operation.with_optimizer)
        self.model = model
        return LoadWeightsResponse(TinkerPath(str(operation.checkpoint.path)), self.model_id)

    def _load(self, operation: Load) -> LoadWeightsResponse:
        self._model().load_state(
            self.shelves.checkpoints.read(operation.checkpoint), optimizer=operation.with_optimizer
        )
        return LoadWeightsResponse(TinkerPath(str(operation.checkpoint.path)), self.model_id)

    def _step(self, operation: Step) -> OptimStepResponse:
        metrics = self._model().optim_step(params_to_rule(operation.params, self.record.optimizer))
        self.steps += 1
        # The official client's JSON parser knows no NaN.
        return OptimStepResponse({name: value for name, value in metrics.items() if np.isfinite(value)})

    def _pass(self, operation: Pass) -> ForwardBackwardOutput:
        asked = operation.input
        examples = data_to_examples(asked.data)
        config = dict(asked.loss_fn_config or {})
        result = self._model().forward_backward(examples, asked.loss_fn, config, backward=not operation.forward_only)
        if not operation.forward_only:
            targets = sum(one.logprobs.size for one in result.outputs)
            self.losses.append(result.metrics["loss:sum"] / max(targets, 1))
        return result_to_output(result, asked.loss_fn)

    def _save(self, operation: Save, now: datetime) -> Saved:
        path = CheckpointPath(self.model_id, operation.checkpoint_kind, operation.name)
        if not operation.overwrite and self.shelves.checkpoints.find(path, now=now) is not None:
            raise BadRequest(f"{path} is already there; choose another name")
        ttl = operation.ttl_seconds
        checkpoint = StoredCheckpoint(
            path,
            self.record.owner,
            file="",
            size_bytes=0,
            created_at=now,
            recipe=self.record.recipe,
            expires_at=None if ttl is None else now + timedelta(seconds=ttl),
            user_metadata=operation.user_metadata,
        )
        state, written = self._model().state(), TinkerPath(str(path))
        if operation.checkpoint_kind is Kind.TRAINING:
            self.shelves.checkpoints.write(checkpoint, state)
            return SaveWeightsResponse(written)
        stored = self.shelves.checkpoints.write(checkpoint, _adapter_only(state))
        if operation.checkpoint_kind is Kind.SAMPLER:
            return SaveWeightsForSamplerResponse(path=written)
        return SaveWeightsExternalResponse(written, stored.size_bytes)


def _adapter_only(state: Tensors) -> Tensors:
    return {name: tensor for name, tensor in state.items() if name.startswith("adapter.")}
