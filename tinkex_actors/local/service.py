"""The service behind the routes: sessions, models and sampling sessions, and how they come and go.

A request is checked and promised without waiting, so that the same request twice at the same time still finds one
promise; only then the actor that works on it is started. A session's end takes its models and sampling sessions along:
actors stop, weights are freed, promises that nobody will keep fail.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import trio
from attrs import define, field, frozen

from supervisors import Ref, Restart, Supervisor
from tinkex_actors.local.checkpoints import Recipe, StoredCheckpoint
from tinkex_actors.local.engine import BaseModel
from tinkex_actors.local.keys import Owner
from tinkex_actors.local.model import Model, accept
from tinkex_actors.local.operations import Create, CreateFrom, Operation
from tinkex_actors.local.paths import CheckpointPath, Kind
from tinkex_actors.local.refusals import BadRequest, Gone, NotFound, TooMany
from tinkex_actors.local.run import Exposed, Run
from tinkex_actors.local.sampling import SamplingDesk, SamplingSession, Weights
from tinkex_actors.local.sessions import Session, Sessions
from tinkex_actors.local.translation import config_to_recipe
from tinkex_actors.local.workshop import Workshop
from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.futures import FutureFailure, Promise
from tinkex_actors.types.ids import ModelId, RequestId, SamplingSessionId, SessionId
from tinkex_actors.types.sampling import SamplingClientKind
from tinkex_actors.types.service import ClientConfigResponse, ClientDynamicConfigResponse
from tinkex_actors.types.training import AdamOptimizerConfig, LoraConfig, OptimizerConfig
from tinkex_actors.wire.requests import (
    CreateModelRequest,
    CreateSamplingSessionRequest,
    CreateSessionRequest,
    LoadWeightsRequest,
    SampleRequest,
)


@frozen(eq=False)
class BaseEntry:
    """A base model that clients may ask for."""

    model: BaseModel
    tokenizer_id: str | None = None
    """Where a client on the same machine finds the tokenizer."""


@define(eq=False)
class Lodging:
    """Where a run or a sampling session works: its actor, once that has started."""

    started: trio.Event = field(factory=trio.Event)
    ref: Any = None
    """A `Ref`, of the kind its table says."""


@define(eq=False)
class Service:
    """Everything a request can reach."""

    shop: Workshop
    sessions: Sessions
    bases: Mapping[str, BaseEntry]
    models: Supervisor
    samplers: Supervisor
    seed: int = 0
    """What every random draw begins from that a client gives no seed for."""
    flags: ClientConfigResponse = field(factory=ClientConfigResponse)
    """The switches that clients get once, at their start."""
    dynamic_flags: ClientDynamicConfigResponse = field(factory=ClientDynamicConfigResponse)
    """The switches that clients ask for again and again."""
    clock: Callable[[], float] = trio.current_time
    """Seconds, for heartbeats."""
    runs: dict[ModelId, Run] = field(factory=dict[ModelId, Run])
    sampling: dict[SamplingSessionId, SamplingSession] = field(factory=dict[SamplingSessionId, SamplingSession])
    _lodgings: dict[str, Lodging] = field(factory=dict[str, Lodging])
    _inflight: dict[ModelId, Weights] = field(factory=dict[ModelId, Weights])

    # ------------------------------------------------------------------ sessions

    def create_session(self, owner: Owner, request: CreateSessionRequest, idempotency_key: str | None) -> Session:
        """Open a session, or return the one that the same request had opened."""
        known = self.sessions.find_again(owner, idempotency_key)
        if known is not None:
            return known
        session = Session(
            SessionId(str(uuid4())),
            owner,
            self.shop.now(),
            self.clock(),
            tags=request.tags,
            user_metadata=request.user_metadata,
            project_id=request.project_id,
            display_name=request.display_name,
        )
        self.sessions.add(session, idempotency_key=idempotency_key)
        return session

    async def end_session(self, session: Session, reason: str, detail: str | None = None) -> None:
        """End a session and everything in it. The first end stands; a second does nothing."""
        if not self.sessions.end(session, reason, detail=detail):
            return
        for model_id in session.model_ids:
            await self._stop(self.models, model_id)
            self._inflight.pop(model_id, None)
            self.runs[model_id].model = None
            self.runs[model_id].fault = f"session {session.session_id} has ended ({reason}); create a new one"
        for sampling_session_id in session.samplers.values():
            await self._stop(self.samplers, sampling_session_id)
            self.sampling.pop(sampling_session_id, None)
        ended = FutureFailure(f"session {session.session_id} has ended ({reason})", RequestErrorCategory.USER)
        self.shop.futures.release(session.session_id, ended)

    async def end_silent_sessions(self) -> None:
        """End every session that has not been heard of for too long."""
        for session in self.sessions.expired(self.clock()):
            await self.end_session(session, "expired", "no heartbeat")

    # ------------------------------------------------------------------ models

    async def create_model(self, owner: Owner, request: CreateModelRequest) -> tuple[ModelId, RequestId]:
        """Make a model with a new adapter.

        Raises:
            Refusal: The session, the base model or the configuration will not do.
        """
        session = self.sessions.find_alive(request.session_id, owner)
        known = session.models.get(request.model_seq_id)
        if known is not None:
            return known
        lora = request.lora_config or LoraConfig()
        self._check_rank(lora.rank)
        recipe = config_to_recipe(request.base_model, lora, request.optimizer_config)
        seed = self.seed + request.model_seq_id if lora.seed is None else lora.seed
        run = self._new_run(session, request.model_seq_id, recipe, request.optimizer_config, request.user_metadata)
        return await self._open_run(session, request.model_seq_id, run, Create(seed))

    async def create_from_checkpoint(self, owner: Owner, request: LoadWeightsRequest) -> tuple[ModelId, RequestId]:
        """Make a model of the shape and weights of a checkpoint.

        Raises:
            Refusal: The session, the checkpoint or the base model will not do.
        """
        if request.session_id is None or request.model_seq_id is None:
            raise BadRequest("load_weights needs model_id and seq_id, or session_id and model_seq_id; got neither pair")
        session, number = self.sessions.find_alive(request.session_id, owner), request.model_seq_id
        if number in session.models:
            return session.models[number]
        checkpoint = await self.find_checkpoint(owner, request.path)
        if number in session.models:
            return session.models[number]
        if checkpoint.path.kind is not Kind.TRAINING:
            raise BadRequest(f"only tinker://RUN/weights/NAME can be trained on, got {checkpoint.path}")
        recipe = checkpoint.recipe
        if request.base_model not in (None, recipe.base_model):
            raise BadRequest(f"{checkpoint.path} belongs to {recipe.base_model}, got base_model {request.base_model}")
        optimizer = request.optimizer_config or AdamOptimizerConfig()
        run = self._new_run(session, number, recipe, optimizer, request.user_metadata)
        return await self._open_run(session, number, run, CreateFrom(checkpoint, request.optimizer))

    async def submit(self, owner: Owner, model_id: ModelId, seq_id: int | None, operation: Operation) -> RequestId:
        """Hand *operation* to its model as number *seq_id*.

        Raises:
            Refusal: There is no such model, it has ended, or the number will not do.
        """
        if not seq_id or seq_id < 1:
            raise BadRequest(f"seq_id must be an integer >= 1 that numbers the requests of a model, got {seq_id}")
        run = self.find_run(owner, model_id)
        self.sessions.find_alive(run.session_id, owner)
        ref: Ref[Model] = await self._lodged(model_id)
        return await ref.call(Model.submit, seq_id, operation)

    def find_run(self, owner: Owner, model_id: ModelId) -> Run:
        """Return a run, whether it still trains or not.

        Raises:
            NotFound: No such run, or it belongs to another key.
        """
        run = self.runs.get(model_id)
        if run is None or run.owner != owner:
            raise NotFound(f"model {model_id} is unknown here; create one first")
        return run

    async def find_checkpoint(self, owner: Owner, path: str | CheckpointPath) -> StoredCheckpoint:
        """Return a checkpoint that *owner* may load.

        Raises:
            BadRequest: The path has another form.
            NotFound: There is none, or it is private to another key.
        """
        parsed = CheckpointPath.parse(path) if isinstance(path, str) else path
        found = await self.shop.compute(lambda: self.shop.store.find(parsed, now=self.shop.now()), self.shop.disk)
        if found is None or not found.is_visible_to(owner):
            raise NotFound(f"checkpoint {parsed} is unknown here; list the checkpoints to see what there is")
        return found

    # ------------------------------------------------------------------ sampling sessions

    async def create_sampling_session(self, owner: Owner, request: CreateSamplingSessionRequest) -> SamplingSessionId:
        """Make a base model or a checkpoint samplable.

        Raises:
            Refusal: The session, the model or the checkpoint will not do.
        """
        session, number = self.sessions.find_alive(request.session_id, owner), request.sampling_session_seq_id
        if number in session.samplers:
            return session.samplers[number]
        if request.model_path is None:
            if request.base_model is None:
                raise BadRequest("create_sampling_session needs base_model or model_path, got neither")
            weights = Weights(self.find_base(request.base_model).model)
            return await self._open_sampling(session, number, request.base_model, weights)
        checkpoint = await self.find_checkpoint(owner, request.model_path)
        if number in session.samplers:
            return session.samplers[number]
        base_model = checkpoint.recipe.base_model
        if request.base_model not in (None, base_model):
            raise BadRequest(f"{checkpoint.path} belongs to {base_model}, got base_model {request.base_model}")
        weights = Weights(self.find_base(base_model).model, checkpoint=checkpoint)
        return await self._open_sampling(session, number, base_model, weights, model_path=str(checkpoint.path))

    async def expose(self, run: Run, exposed: Exposed) -> SamplingSessionId:
        """Make weights without a name samplable, under the sampling session number the client chose."""
        number = exposed.number
        session = self.sessions.find_alive(run.session_id, run.owner)
        if number in session.samplers:
            raise BadRequest(f"sampling_session_seq_id {number} is taken; number each sampling session once")
        weights = Weights(run.base, exposed.adapter)
        if exposed.client_kind is SamplingClientKind.INFLIGHT:
            weights = self._inflight.setdefault(run.model_id, weights)
            weights.adapter = exposed.adapter
        return await self._open_sampling(session, number, run.recipe.base_model, weights)

    async def sample(self, owner: Owner, request: SampleRequest) -> Promise:
        """Hand a sample request to its sampling session.

        Raises:
            Refusal: There is no such sampling session, or it takes no more.
        """
        if request.sampling_session_id is None:
            raise BadRequest("asample needs a sampling_session_id; create a sampling session first")
        session = self.find_sampling(owner, request.sampling_session_id)
        ref: Ref[SamplingDesk] = await self._lodged(session.sampling_session_id)
        return await ref.call(SamplingDesk.submit, request)

    def find_sampling(self, owner: Owner, sampling_session_id: SamplingSessionId) -> SamplingSession:
        """Return a sampling session.

        Raises:
            NotFound: No such session, or it belongs to another key.
        """
        session = self.sampling.get(sampling_session_id)
        if session is None or session.owner != owner:
            raise NotFound(f"sampling session {sampling_session_id} is unknown here; create one first")
        return session

    def find_base(self, name: str) -> BaseEntry:
        """Return a base model.

        Raises:
            BadRequest: It is not on offer.
        """
        entry = self.bases.get(name)
        if entry is None:
            raise BadRequest(f"base_model must be one of {', '.join(self.bases)}, got {name!r}")
        return entry

    # ------------------------------------------------------------------ inside

    def _check_rank(self, rank: int) -> None:
        if rank > self.shop.limits.max_rank:
            raise BadRequest(f"rank must be within 1 and {self.shop.limits.max_rank}, got {rank}")

    def _new_run(
        self,
        session: Session,
        number: int,
        recipe: Recipe,
        optimizer: OptimizerConfig,
        user_metadata: Mapping[str, Any] | None,
    ) -> Run:
        if self.models.count_children().specs >= self.shop.limits.max_models:
            raise TooMany(f"{self.shop.limits.max_models} models are in training already; finish a session first")
        now = self.shop.now()
        return Run(
            ModelId(f"{session.session_id}:train:{number}"),
            session.session_id,
            session.owner,
            self.find_base(recipe.base_model).model,
            recipe,
            optimizer,
            self.shop.store,
            created_at=now,
            last_request_at=now,
            user_metadata=user_metadata,
        )

    async def _open_run(self, session: Session, number: int, run: Run, first: Operation) -> tuple[ModelId, RequestId]:
        # All of this up to the first await happens at once, so a repeated request finds the promise of the first.
        request_id = accept(run, 0, first, self.shop)
        session.models[number] = run.model_id, request_id
        self.runs[run.model_id] = run
        lodging = self._lodgings[run.model_id] = Lodging()
        lodging.ref = await self.models.start_child(
            lambda: Model(run, self.shop, self.expose), name=run.model_id, restart=Restart.TRANSIENT
        )
        lodging.started.set()
        return run.model_id, request_id

    async def _open_sampling(
        self, session: Session, number: int, base_model: str, weights: Weights, *, model_path: str | None = None
    ) -> SamplingSessionId:
        sampling_session_id = SamplingSessionId(f"{session.session_id}:sample:{number}")
        sampling = SamplingSession(
            sampling_session_id,
            session.session_id,
            session.owner,
            number,
            base_model,
            weights,
            seed=self.seed,
            model_path=model_path,
        )
        session.samplers[number] = sampling_session_id
        self.sampling[sampling_session_id] = sampling
        lodging = self._lodgings[sampling_session_id] = Lodging()
        lodging.ref = await self.samplers.start_child(
            lambda: SamplingDesk(sampling, self.shop), name=sampling_session_id, restart=Restart.TRANSIENT
        )
        lodging.started.set()
        return sampling_session_id

    async def _lodged(self, name: str) -> Any:
        """Return the actor of a run or sampling session, waiting for its start."""
        lodging = self._lodgings.get(name)
        if lodging is None:
            raise Gone(f"{name} has ended; create a new session")
        await lodging.started.wait()
        return lodging.ref

    async def _stop(self, supervisor: Supervisor, name: str) -> None:
        """Stop the actor of a run or sampling session and forget where it worked."""
        lodging = self._lodgings.pop(name, None)
        if lodging is not None and lodging.ref is not None:
            await supervisor.terminate_child(lodging.ref)
