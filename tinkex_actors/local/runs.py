"""Training runs: how models come, are asked, and go.

A request to make one is checked and promised without waiting, so that the same request twice at the same time still
finds one promise; only then the actor that works on it is started.
"""

from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field

from tinkex_actors.local.bases import Bases
from tinkex_actors.local.checkpoints import Recipe, StoredCheckpoint
from tinkex_actors.local.keys import Owner
from tinkex_actors.local.limits import check_number
from tinkex_actors.local.lodgings import Lodgings
from tinkex_actors.local.model import Model, OpenSampler, accept
from tinkex_actors.local.operations import Create, CreateFrom, Operation
from tinkex_actors.local.paths import Kind
from tinkex_actors.local.records import RunRecord
from tinkex_actors.local.refusals import BadRequest, Gone, NotFound, TooMany
from tinkex_actors.local.registry import Registry
from tinkex_actors.local.run import Run
from tinkex_actors.local.sessions import Session
from tinkex_actors.local.translation import OPTIMIZERS, config_of, config_to_recipe
from tinkex_actors.local.workshop import Workshop
from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.futures import FutureFailure
from tinkex_actors.types.ids import ModelId, RequestId, SessionId
from tinkex_actors.types.training import AdamOptimizerConfig, LoraConfig, OptimizerConfig
from tinkex_actors.wire.requests import CreateModelRequest, LoadWeightsRequest


@define(eq=False)
class Runs:
    """All runs, in training and ended."""

    shop: Workshop
    registry: Registry
    bases: Bases
    lodgings: Lodgings[Model]
    open_sampler: OpenSampler
    seed: int
    """What a new adapter begins from, together with its number, if the client gives no seed."""
    records: dict[ModelId, RunRecord] = field(factory=dict[ModelId, RunRecord])
    living: dict[ModelId, Run] = field(factory=dict[ModelId, Run])

    async def create(self, session: Session, request: CreateModelRequest) -> tuple[ModelId, RequestId]:
        """Make a model with a new adapter.

        Raises:
            Refusal: The base model or the configuration will not do, or there are too many models.
        """
        number = check_number("model_seq_id", request.model_seq_id)
        if number in session.models:
            return session.models[number]
        lora = request.lora_config or LoraConfig()
        check_number("rank", lora.rank, minimum=1, maximum=self.shop.limits.max_rank)
        _check_optimizer(request.optimizer_config)
        recipe = config_to_recipe(request.base_model, lora, request.optimizer_config)
        seed = self.seed + number if lora.seed is None else lora.seed
        return await self._open(session, number, Create(seed), recipe, request.optimizer_config, request.user_metadata)

    async def create_from(
        self, session: Session, request: LoadWeightsRequest, number: int, checkpoint: StoredCheckpoint
    ) -> tuple[ModelId, RequestId]:
        """Make a model of the shape and weights of a checkpoint.

        Raises:
            Refusal: The checkpoint or the base model will not do, or there are too many models.
        """
        check_number("model_seq_id", number)
        if number in session.models:
            return session.models[number]
        if checkpoint.path.kind is not Kind.TRAINING:
            raise BadRequest(f"only tinker://RUN/weights/NAME can be trained on, got {checkpoint.path}")
        recipe = checkpoint.recipe
        if request.base_model not in (None, recipe.base_model):
            raise BadRequest(f"{checkpoint.path} belongs to {recipe.base_model}, got base_model {request.base_model}")
        operation = CreateFrom(checkpoint, request.optimizer)
        optimizer = _choose_optimizer(request, config_of(recipe))
        recipe = evolve(recipe, optimizer=optimizer.type)
        return await self._open(session, number, operation, recipe, optimizer, request.user_metadata)

    async def submit(self, owner: Owner, model_id: ModelId, seq_id: int | None, operation: Operation) -> RequestId:
        """Hand *operation* to its model as number *seq_id*.

        Raises:
            Refusal: There is no such model, it has ended, or the number will not do.
        """
        number = check_number("seq_id", seq_id or 0, minimum=1)
        record = self.find(owner, model_id)
        if model_id not in self.living:
            raise Gone(record.ended or f"model {model_id} has ended; create a new one")
        model = await self.lodgings.find(model_id)
        return await model.call(Model.submit, number, operation)

    def find(self, owner: Owner, model_id: ModelId) -> RunRecord:
        """Return the record of a run, in training or ended.

        Raises:
            NotFound: No such run, or it belongs to another key.
        """
        record = self.records.get(model_id)
        if record is None or record.owner != owner:
            raise NotFound(f"model {model_id} is unknown here; create one first")
        return record

    def add_copy(self, owner: Owner, recipe: Recipe, name: str) -> RunRecord:
        """Make a run that only holds copied weights and cannot be trained; the same *name* is the same run."""
        model_id = ModelId(f"copy-{name}")
        if model_id in self.records:
            return self.records[model_id]
        now = self.shop.now()
        record = RunRecord(
            model_id=model_id,
            session_id=SessionId(""),
            number=0,
            owner=owner,
            recipe=recipe,
            optimizer=config_of(recipe),
            created_at=now,
            last_request_at=now,
            creation=RequestId(""),
            ended="this run holds copied weights; create a model from one of its checkpoints",
        )
        self.records[record.model_id] = record
        self.registry.put_run(record)
        return record

    async def end(self, model_id: ModelId, why: str) -> None:
        """Stop a model and free its weights. What still waits in it fails; its record stays."""
        await self.lodgings.close(model_id)
        run = self.living.pop(model_id, None)
        if run is None:
            return
        run.record.ended = run.record.ended or why
        self.registry.put_run(run.record)
        for request_id in (*([run.current.request_id] if run.current else []), *run.waiting):
            self.shop.futures.settle(request_id, FutureFailure(why, RequestErrorCategory.USER))

    async def _open(
        self,
        session: Session,
        number: int,
        first: Operation,
        recipe: Recipe,
        optimizer: OptimizerConfig,
        user_metadata: Mapping[str, Any] | None,
    ) -> tuple[ModelId, RequestId]:
        if len(self.lodgings) >= self.shop.limits.max_models:
            raise TooMany(f"{self.shop.limits.max_models} models are in training already; finish a session first")
        model_id, now = ModelId(f"{session.session_id}:train:{number}"), self.shop.now()
        record = RunRecord(
            model_id=model_id,
            session_id=session.session_id,
            number=number,
            owner=session.owner,
            recipe=recipe,
            optimizer=optimizer,
            created_at=now,
            last_request_at=now,
            creation=RequestId(""),
            user_metadata=user_metadata,
        )
        run = Run(record, self.bases.find(recipe.base_model).model, self.shop.shelves)
        # All of this up to the await happens at once, so a repeated request finds the promise of the first.
        record.creation = accept(run, 0, first, self.shop)
        session.models[number] = model_id, record.creation
        self.records[model_id], self.living[model_id] = record, run
        self.registry.put_run(record)
        await self.lodgings.open(model_id, lambda: Model(run, self.shop, self.open_sampler))
        return model_id, record.creation


def _check_optimizer(config: OptimizerConfig) -> OptimizerConfig:
    if config.type not in OPTIMIZERS:
        raise BadRequest(f"optimizer_config must be of type {' or '.join(OPTIMIZERS)}, got {config.type!r}")
    return config


def _choose_optimizer(request: LoadWeightsRequest, saved: OptimizerConfig) -> OptimizerConfig:
    """Go on with the optimizer whose state is loaded; weights alone may go to any."""
    if not request.optimizer:
        return _check_optimizer(request.optimizer_config or AdamOptimizerConfig())
    if request.optimizer_config not in (None, saved):
        raise BadRequest(f"the checkpoint's optimizer is {saved.type}; load it so, or the weights alone")
    return saved
