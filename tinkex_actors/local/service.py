"""The service behind the routes: sessions, and what belongs to them.

A session's end takes its models and sampling sessions along: actors stop, weights are freed, promises that nobody will
keep fail. What an earlier process left is restored as far as it was written down: sessions that lived go on, models have
lost their weights and say so, promises that were open are lost.
"""

from collections.abc import Callable
from uuid import uuid4

import trio
from attrs import define, field

from tinkex_actors.local.bases import Bases
from tinkex_actors.local.checkpoints import StoredCheckpoint
from tinkex_actors.local.keys import Owner
from tinkex_actors.local.lodgings import Lodgings
from tinkex_actors.local.paths import CheckpointPath
from tinkex_actors.local.records import RunRecord, SamplerRecord
from tinkex_actors.local.refusals import BadRequest, Forbidden, NotFound
from tinkex_actors.local.registry import Registry
from tinkex_actors.local.results import pack
from tinkex_actors.local.run import Exposed, Run
from tinkex_actors.local.runs import Runs
from tinkex_actors.local.samplers import Samplers
from tinkex_actors.local.sampling import SamplingSession
from tinkex_actors.local.sessions import Session, Sessions
from tinkex_actors.local.staff import Staff
from tinkex_actors.local.tickets import TicketOffice
from tinkex_actors.local.workshop import Workshop
from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.futures import FutureFailure, Promise
from tinkex_actors.types.ids import ModelId, RequestId, SamplingSessionId, SessionId
from tinkex_actors.types.service import ClientConfigResponse, ClientDynamicConfigResponse, UnloadModelResponse
from tinkex_actors.wire.requests import (
    CreateModelRequest,
    CreateSamplingSessionRequest,
    CreateSessionRequest,
    LoadWeightsRequest,
    SampleRequest,
)


@define(eq=False)
class Service:
    """Everything a request can reach."""

    shop: Workshop
    registry: Registry
    bases: Bases
    sessions: Sessions
    runs: Runs
    samplers: Samplers
    flags: ClientConfigResponse
    """The switches that clients get once, at their start."""
    dynamic_flags: ClientDynamicConfigResponse
    """The switches that clients ask for again and again."""
    logs_requests: bool = False
    """Whether every request is written to the access log."""
    clock: Callable[[], float] = field(default=trio.current_time)
    """Seconds, for heartbeats."""
    tickets: TicketOffice = field(factory=TicketOffice)
    """For links that open a file without a key."""

    @classmethod
    def open(
        cls,
        shop: Workshop,
        registry: Registry,
        bases: Bases,
        staff: Staff,
        *,
        seed: int = 0,
        flags: ClientConfigResponse | None = None,
        dynamic_flags: ClientDynamicConfigResponse | None = None,
    ) -> "Service":
        """Put a service together and restore what *registry* knows.

        Args:
            shop: What the actors work with.
            registry: What is written down.
            bases: The base models.
            staff: Who works here.
            seed: What every random draw begins from that a client gives no seed for.
            flags: What ``client/config`` answers.
            dynamic_flags: What ``client/dynamic_config`` answers.
        """
        sampling = Samplers(shop, registry, bases, Lodgings(staff.samplers), staff.room, seed)
        service = cls(
            shop,
            registry,
            bases,
            Sessions(shop.limits.session_timeout),
            Runs(shop, registry, bases, Lodgings(staff.models), _not_open_yet, seed),
            sampling,
            flags or ClientConfigResponse(),
            dynamic_flags or ClientDynamicConfigResponse(),
        )
        service.runs.open_sampler = service.expose
        service.restore()
        return service

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
            idempotency_key=idempotency_key,
        )
        self.sessions.add(session)
        self.registry.put_session(session)
        return session

    async def end_session(self, session: Session, reason: str, detail: str | None = None) -> None:
        """End a session and everything in it. The first end stands; a second does nothing."""
        if not self.sessions.end(session, reason, detail=detail):
            return
        self.registry.put_session(session)
        why = f"session {session.session_id} has ended ({reason}); create a new one"
        for model_id in session.model_ids:
            await self.runs.end(model_id, why)
            self.samplers.forget_inflight(model_id)
        for sampling_session_id in session.samplers.values():
            await self.samplers.end(sampling_session_id)
        self.shop.futures.release(session.session_id, FutureFailure(why, RequestErrorCategory.USER))

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
        return await self.runs.create(self.sessions.find_alive(request.session_id, owner), request)

    async def create_from_checkpoint(self, owner: Owner, request: LoadWeightsRequest) -> tuple[ModelId, RequestId]:
        """Make a model of the shape and weights of a checkpoint.

        Raises:
            Refusal: The session, the checkpoint or the base model will not do.
        """
        if request.session_id is None or request.model_seq_id is None:
            raise BadRequest("load_weights needs model_id and seq_id, or session_id and model_seq_id; got neither pair")
        session = self.sessions.find_alive(request.session_id, owner)
        if request.model_seq_id in session.models:
            return session.models[request.model_seq_id]
        checkpoint = await self.find_checkpoint(owner, request.path)
        return await self.runs.create_from(session, request, request.model_seq_id, checkpoint)

    async def unload(self, owner: Owner, model_id: ModelId) -> RequestId:
        """End a model before its session ends; the promise is kept when this returns.

        Raises:
            NotFound: No such model, or it belongs to another key.
        """
        record = self.runs.find(owner, model_id)
        promise = self.shop.futures.open("UnloadModel", owner=owner, session_id=record.session_id)
        await self.runs.end(model_id, f"model {model_id} was unloaded; create a new one")
        self.shop.futures.settle(promise.request_id, pack(UnloadModelResponse(model_id)))
        return promise.request_id

    def write_down_runs(self) -> None:
        """Note when each model was last asked for something."""
        for run in self.runs.living.values():
            self.registry.put_run(run.record)

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

    async def find_own_checkpoint(self, owner: Owner, path: str | CheckpointPath) -> StoredCheckpoint:
        """Return a checkpoint that *owner* may change.

        Raises:
            BadRequest: The path has another form.
            NotFound: There is none that *owner* can see.
            Forbidden: It is public, but another key's.
        """
        found = await self.find_checkpoint(owner, path)
        if found.owner != owner:
            raise Forbidden(f"checkpoint {found.path} belongs to another key; copy it to change the copy")
        return found

    # ------------------------------------------------------------------ sampling

    async def create_sampling_session(self, owner: Owner, request: CreateSamplingSessionRequest) -> SamplingSessionId:
        """Make a base model or a checkpoint samplable.

        Raises:
            Refusal: The session, the model or the checkpoint will not do.
        """
        session = self.sessions.find_alive(request.session_id, owner)
        path = request.model_path
        checkpoint = None if path is None else await self.find_checkpoint(owner, path)
        return await self.samplers.create(session, request, checkpoint)

    async def expose(self, run: Run, exposed: Exposed) -> SamplingSessionId:
        """Make weights without a name samplable.

        Raises:
            Refusal: The session has ended, or the number is taken.
        """
        session = self.sessions.find_alive(run.record.session_id, run.record.owner)
        return await self.samplers.expose(session, run, exposed)

    async def sample(self, owner: Owner, request: SampleRequest) -> Promise:
        """Hand a sample request to its sampling session.

        Raises:
            Refusal: There is no such sampling session, it has ended, or it takes no more.
        """
        if request.sampling_session_id is None:
            raise BadRequest("asample needs a sampling_session_id; create a sampling session first")
        sampling = await self.find_living_sampler(owner, request.sampling_session_id)
        return await self.samplers.sample(sampling.record, request)

    async def find_living_sampler(self, owner: Owner, sampling_session_id: SamplingSessionId) -> SamplingSession:
        """Return a sampling session that works, opening it again if an earlier process had it.

        Raises:
            Refusal: There is no such sampling session, or it has ended.
        """
        record = self.samplers.find(owner, sampling_session_id)
        self.sessions.find_alive(record.session_id, owner)
        if sampling_session_id not in self.samplers.living:
            await self._reopen_sampler(record)
        return self.samplers.living[sampling_session_id]

    async def _reopen_sampler(self, record: SamplerRecord) -> None:
        path, model_id = record.model_path, record.model_id
        checkpoint = None if path is None else await self.find_checkpoint(record.owner, path)
        recipe = None if checkpoint is None else checkpoint.recipe
        if model_id is not None:
            recipe = self.runs.records[model_id].recipe
        if record.sampling_session_id not in self.samplers.living:
            await self.samplers.reopen(record, recipe, checkpoint)

    def close(self) -> None:
        """Answer every long poll, now and from now on: the server stops."""
        self.shop.futures.close()
        for sampling in self.samplers.living.values():
            for log in sampling.completions.values():
                log.wake()

    # ------------------------------------------------------------------ what an earlier process left

    def restore(self) -> None:
        """Take over what is written down. Sessions that lived have their whole timeout to be heard of again."""
        for session in self.registry.sessions(now=self.clock()):
            self.sessions.add(session)
            if session.ended is not None:
                self.registry.drop_promises_of(session.session_id)
        for run in self.registry.runs():
            self._restore_run(run)
        for sampler in self.registry.samplers():
            self.samplers.records[sampler.sampling_session_id] = sampler
            session = self.sessions.find(sampler.session_id, sampler.owner)
            session.samplers[sampler.number] = sampler.sampling_session_id

    def _restore_run(self, run: RunRecord) -> None:
        self.runs.records[run.model_id] = run
        if not run.session_id:
            return
        session = self.sessions.find(run.session_id, run.owner)
        session.models[run.number] = run.model_id, run.creation
        if run.ended is None:
            run.is_corrupted = True
            run.ended = (
                f"the server was restarted and the weights of {run.model_id} were lost; create a model from its last "
                "checkpoint"
            )
            self.registry.put_run(run)


async def _not_open_yet(_: Run, __: Exposed) -> SamplingSessionId:
    raise NotFound("the service is not open yet")
