"""Sampling sessions: how they come, are asked, and go; after a restart they are opened again when they are asked."""

from attrs import define, field

from supervisors import Ref
from tinkex_actors.local.bases import Bases
from tinkex_actors.local.checkpoints import Recipe, StoredCheckpoint
from tinkex_actors.local.decoding_room import DecodingRoom
from tinkex_actors.local.futures import PromiseRecord
from tinkex_actors.local.keys import Owner
from tinkex_actors.local.limits import check_number
from tinkex_actors.local.lodgings import Lodgings
from tinkex_actors.local.records import SamplerRecord
from tinkex_actors.local.refusals import BadRequest, NotFound
from tinkex_actors.local.registry import Registry
from tinkex_actors.local.run import Exposed, Run
from tinkex_actors.local.sampling import SamplingDesk, SamplingSession
from tinkex_actors.local.sessions import Session
from tinkex_actors.local.weights import Weights
from tinkex_actors.local.workshop import Workshop
from tinkex_actors.types.futures import Promise
from tinkex_actors.types.ids import ModelId, SamplingSessionId
from tinkex_actors.types.sampling import SamplingClientKind
from tinkex_actors.wire.requests import CreateSamplingSessionRequest, SampleRequest


@define(eq=False)
class Samplers:
    """All sampling sessions."""

    shop: Workshop
    registry: Registry
    bases: Bases
    lodgings: Lodgings[SamplingDesk]
    room: Ref[DecodingRoom]
    seed: int
    """What draws begin from that a client gives no seed for."""
    records: dict[SamplingSessionId, SamplerRecord] = field(factory=dict[SamplingSessionId, SamplerRecord])
    living: dict[SamplingSessionId, SamplingSession] = field(factory=dict[SamplingSessionId, SamplingSession])
    _inflight: dict[ModelId, Weights] = field(factory=dict[ModelId, Weights])

    async def create(
        self, session: Session, request: CreateSamplingSessionRequest, checkpoint: StoredCheckpoint | None
    ) -> SamplingSessionId:
        """Make a base model, or a *checkpoint* on its base, samplable.

        Raises:
            Refusal: The base model is not on offer, or not the checkpoint's.
        """
        number = check_number("sampling_session_seq_id", request.sampling_session_seq_id)
        if number in session.samplers:
            return session.samplers[number]
        base_model = checkpoint.recipe.base_model if checkpoint is not None else request.base_model
        if base_model is None:
            raise BadRequest("create_sampling_session needs base_model or model_path, got neither")
        if request.base_model not in (None, base_model):
            raise BadRequest(f"{request.model_path} belongs to {base_model}, got base_model {request.base_model}")
        record = SamplerRecord(
            sampling_session_id=_name(session, number),
            session_id=session.session_id,
            number=number,
            owner=session.owner,
            base_model=base_model,
            model_path=request.model_path,
        )
        recipe = None if checkpoint is None else checkpoint.recipe
        weights = Weights(self.bases.find(base_model).model, recipe, checkpoint=checkpoint)
        return await self._open(session, record, weights)

    async def expose(self, session: Session, run: Run, exposed: Exposed) -> SamplingSessionId:
        """Make weights without a name samplable, under the number the client chose.

        Raises:
            BadRequest: The number is taken.
        """
        check_number("sampling_session_seq_id", exposed.number)
        if exposed.number in session.samplers:
            raise BadRequest(f"sampling_session_seq_id {exposed.number} is taken; number each sampling session once")
        weights = Weights(run.base, run.record.recipe, file=exposed.file)
        if exposed.client_kind is SamplingClientKind.INFLIGHT:
            weights = self._inflight.setdefault(run.model_id, weights)
        weights.adapter = exposed.adapter
        self.shop.adapters.touch(weights)
        record = SamplerRecord(
            sampling_session_id=_name(session, exposed.number),
            session_id=session.session_id,
            number=exposed.number,
            owner=session.owner,
            base_model=run.record.recipe.base_model,
            model_id=run.model_id,
            file=exposed.file,
        )
        return await self._open(session, record, weights)

    async def sample(self, record: SamplerRecord, request: SampleRequest) -> Promise:
        """Hand a sample request to its sampling session.

        Raises:
            Refusal: The session takes no more, or not this.
        """
        desk = await self.lodgings.find(record.sampling_session_id)
        return await desk.call(SamplingDesk.submit, request)

    async def cancel(self, promise: PromiseRecord) -> None:
        """Stop a sample that nobody wants any more; whatever else the promise is about goes on."""
        for sampling in self.living.values():
            if promise.request_id in sampling.in_hand:
                desk = await self.lodgings.find(sampling.record.sampling_session_id)
                await desk.call(SamplingDesk.cancel, promise.request_id)
                return

    async def reopen(self, record: SamplerRecord, recipe: Recipe | None, checkpoint: StoredCheckpoint | None) -> None:
        """Work again on a sampling session of an earlier process.

        Raises:
            BadRequest: Its base model is not on offer any more.
        """
        weights = Weights(self.bases.find(record.base_model).model, recipe, checkpoint=checkpoint, file=record.file)
        await self._lodge(record, weights)
        self.living[record.sampling_session_id].is_reopened = True

    def find(self, owner: Owner, sampling_session_id: SamplingSessionId) -> SamplerRecord:
        """Return the record of a sampling session.

        Raises:
            NotFound: No such session, or it belongs to another key.
        """
        record = self.records.get(sampling_session_id)
        if record is None or record.owner != owner:
            raise NotFound(f"sampling session {sampling_session_id} is unknown here; create one first")
        return record

    async def end(self, sampling_session_id: SamplingSessionId) -> None:
        """Stop a sampling session and free its weights. Its record stays."""
        await self.lodgings.close(sampling_session_id)
        sampling = self.living.pop(sampling_session_id, None)
        if sampling is not None:
            self.shop.adapters.forget(sampling.weights)
        file = self.records[sampling_session_id].file
        if file is not None:
            await self.shop.compute(lambda: self.shop.snapshots.remove(file), self.shop.disk)

    def join(self, sampling: SamplingSession) -> int:
        """Number one more copy of a sampling client; a number is never given twice, not after a restart either."""
        sampling.copies += 1
        self.registry.put_copies(sampling.record.sampling_session_id, sampling.copies)
        return sampling.copies

    def forget_inflight(self, model_id: ModelId) -> None:
        """Free the weights that followed a model which has ended."""
        self._inflight.pop(model_id, None)

    async def _open(self, session: Session, record: SamplerRecord, weights: Weights) -> SamplingSessionId:
        session.samplers[record.number] = record.sampling_session_id
        self.records[record.sampling_session_id] = record
        self.registry.put_sampler(record)
        await self._lodge(record, weights)
        return record.sampling_session_id

    async def _lodge(self, record: SamplerRecord, weights: Weights) -> None:
        seats = self.shop.seats.share(self.shop.limits.max_decoded_per_session)
        copies = self.registry.copies_of(record.sampling_session_id)
        sampling = SamplingSession(record, weights, self.seed, seats, copies=copies)
        self.living[record.sampling_session_id] = sampling
        await self.lodgings.open(record.sampling_session_id, lambda: SamplingDesk(sampling, self.shop, self.room))


def _name(session: Session, number: int) -> SamplingSessionId:
    return SamplingSessionId(f"{session.session_id}:sample:{number}")
