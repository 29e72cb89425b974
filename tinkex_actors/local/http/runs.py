"""Training runs, in training and ended."""

from tinkex_actors.local.checkpoints import StoredCheckpoint
from tinkex_actors.local.http.call import Answer, Call, answer_with
from tinkex_actors.local.http.checkpoint_view import describe
from tinkex_actors.local.paths import Kind
from tinkex_actors.local.records import RunRecord
from tinkex_actors.local.refusals import NotFound, Unprocessable
from tinkex_actors.local.service import Service
from tinkex_actors.types.ids import ModelId
from tinkex_actors.types.weights import Cursor, TrainingRun, TrainingRunsResponse

_MOST = 1000


async def list_training_runs(service: Service, call: Call) -> Answer:
    """``GET training_runs``: newest first, in pages."""
    limit, offset = call.number("limit", 20, maximum=_MOST), call.number("offset", 0, maximum=2**31)
    project_id, is_wide = call.query.get("project_id"), wants_accessible(call)
    found = [
        record
        for record in reversed(service.runs.records.values())
        if project_id in (None, project_of(service, record))
        and (record.owner == call.owner or (is_wide and await _has_public(service, record.model_id)))
    ]
    page = [await _describe_run(service, record) for record in found[offset : offset + limit]]
    return answer_with(TrainingRunsResponse(tuple(page), Cursor(offset, limit, len(found))))


async def get_training_run(service: Service, call: Call) -> Answer:
    """``GET training_runs/{run_id}``."""
    record = await find_run(service, call, ModelId(call.path["run_id"]), accessible=wants_accessible(call))
    return answer_with(await _describe_run(service, record))


async def find_run(service: Service, call: Call, run_id: ModelId, *, accessible: bool) -> RunRecord:
    """Return a run of the key's own or, with *accessible*, one that has published something.

    Raises:
        NotFound: There is none.
    """
    record = service.runs.records.get(run_id)
    if record is not None and record.owner == call.owner:
        return record
    if record is None or not (accessible and await _has_public(service, run_id)):
        raise NotFound(f"training run {run_id} is unknown here")
    return record


def wants_accessible(call: Call) -> bool:
    """Whether the request wants what others have published as well.

    Raises:
        Unprocessable: The scope is neither ``owned`` nor ``accessible``.
    """
    scope = call.query.get("access_scope", "owned")
    if scope not in ("owned", "accessible"):
        raise Unprocessable(f"access_scope must be owned or accessible, got {scope[:40]!r}")
    return scope == "accessible"


def project_of(service: Service, record: RunRecord) -> str | None:
    """The project of a run's session."""
    if not record.session_id:
        return None
    return service.sessions.find(record.session_id, record.owner).project_id


async def _checkpoints(service: Service, run_id: ModelId) -> list[StoredCheckpoint]:
    store, now = service.shop.store, service.shop.now()
    return await service.shop.compute(lambda: store.of_run(run_id, now=now), service.shop.disk)


async def _has_public(service: Service, run_id: ModelId) -> bool:
    return any(one.is_public for one in await _checkpoints(service, run_id))


async def _describe_run(service: Service, record: RunRecord) -> TrainingRun:
    last = {one.path.kind: describe(one) for one in await _checkpoints(service, record.model_id)}
    metadata = record.user_metadata
    return TrainingRun(
        record.model_id,
        record.recipe.base_model,
        record.owner,
        is_lora=True,
        last_request_time=record.last_request_at,
        corrupted=record.is_corrupted,
        lora_rank=record.recipe.rank,
        last_checkpoint=last.get(Kind.TRAINING),
        last_sampler_checkpoint=last.get(Kind.SAMPLER),
        user_metadata=None if metadata is None else {name: str(value) for name, value in metadata.items()},
    )
