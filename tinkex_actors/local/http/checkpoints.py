"""Checkpoints: list, publish, expire, delete, copy."""

from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

from attrs import evolve

from tinkex_actors.local.http.call import Answer, Call, answer_json, answer_with
from tinkex_actors.local.http.checkpoint_view import describe
from tinkex_actors.local.http.runs import find_run
from tinkex_actors.local.http.training import check_ttl
from tinkex_actors.local.paths import CheckpointPath, check_name, parse_kind
from tinkex_actors.local.service import Service
from tinkex_actors.local.translation import config_of
from tinkex_actors.types.ids import ModelId, TinkerPath
from tinkex_actors.types.weights import (
    CheckpointsListResponse,
    CopyWeightsResponse,
    Cursor,
    WeightsInfoResponse,
)
from tinkex_actors.wire.requests import CheckpointTtlRequest, CopyWeightsRequest, WeightsInfoRequest

_MOST = 1000


async def list_checkpoints(service: Service, call: Call) -> Answer:
    """``GET checkpoints``: the key's own, newest first, in pages."""
    limit, offset = call.number("limit", 100, maximum=_MOST), call.number("offset", 0, maximum=2**31)
    store, now = service.shop.store, service.shop.now()
    mine = await service.shop.compute(lambda: store.of_owner(call.owner, now=now)[::-1], service.shop.disk)
    page = tuple(describe(one) for one in mine[offset : offset + limit])
    return answer_with(CheckpointsListResponse(page, Cursor(offset, limit, len(mine))))


async def list_checkpoints_of_run(service: Service, call: Call) -> Answer:
    """``GET training_runs/{run_id}/checkpoints``: those the key may load, newest first."""
    run_id = ModelId(call.path["run_id"])
    await find_run(service, call, run_id, accessible=True)
    store, now = service.shop.store, service.shop.now()
    found = await service.shop.compute(lambda: store.of_run(run_id, now=now)[::-1], service.shop.disk)
    return answer_with(CheckpointsListResponse(tuple(describe(one) for one in found if one.is_visible_to(call.owner))))


async def delete_checkpoint(service: Service, call: Call) -> Answer:
    """``DELETE training_runs/{run_id}/checkpoints/{kind}/{name}``."""
    found = await service.find_own_checkpoint(call.owner, _path(call))
    await service.shop.compute(lambda: service.shop.store.delete(found.path), service.shop.disk)
    return answer_json()


async def publish(service: Service, call: Call) -> Answer:
    """``POST …/publish``: anybody may load it from now on. A repeat is welcome: 409 would block the official client."""
    return await _set_public(service, call, is_public=True)


async def unpublish(service: Service, call: Call) -> Answer:
    """``DELETE …/publish``. A repeat is welcome."""
    return await _set_public(service, call, is_public=False)


async def set_ttl(service: Service, call: Call) -> Answer:
    """``PUT …/ttl``: expire that many seconds from now, or never."""
    ttl = check_ttl(call.decode(CheckpointTtlRequest).ttl_seconds)
    found = await service.find_own_checkpoint(call.owner, _path(call))
    expires_at = None if ttl is None else service.shop.now() + timedelta(seconds=ttl)
    await service.shop.compute(lambda: service.shop.store.set_expiry(found.path, expires_at), service.shop.disk)
    return answer_json()


async def weights_info(service: Service, call: Call) -> Answer:
    """``POST weights_info``: what it takes to build a model for a checkpoint."""
    found = await service.find_checkpoint(call.owner, call.decode(WeightsInfoRequest).tinker_path)
    recipe = found.recipe
    return answer_with(
        WeightsInfoResponse(
            recipe.base_model,
            is_lora=True,
            lora_rank=recipe.rank,
            train_unembed=recipe.train_unembed,
            train_mlp=recipe.train_mlp,
            train_attn=recipe.train_attn,
            optimizer_config=config_of(recipe),
        )
    )


async def copy_weights(service: Service, call: Call) -> Answer:
    """``POST copy_weights``: the same weights in a run of their own, which belongs to the key that asks.

    A repeat under the same idempotency key is the same copy.
    """
    request = call.decode(CopyWeightsRequest)
    ttl = check_ttl(request.ttl_seconds)
    found = await service.find_checkpoint(call.owner, request.source_path)
    key = call.headers.get("x-idempotency-key") or str(uuid4())
    name = sha256(f"{call.owner} {found.path} {key}".encode()).hexdigest()[:32]
    run, now = service.runs.add_copy(call.owner, found.recipe, name), service.shop.now()
    copied = evolve(
        found,
        path=evolve(found.path, run_id=run.model_id),
        owner=call.owner,
        created_at=now,
        expires_at=None if ttl is None else now + timedelta(seconds=ttl),
        is_public=False,
    )
    store = service.shop.store
    known = await service.shop.compute(lambda: store.find(copied.path, now=now), service.shop.disk)
    if known is None:
        known = await service.shop.compute(lambda: store.copy(found, copied), service.shop.disk)
    return answer_with(CopyWeightsResponse(TinkerPath(str(known.path))))


def _path(call: Call) -> CheckpointPath:
    return CheckpointPath(ModelId(call.path["run_id"]), parse_kind(call.path["kind"]), check_name(call.path["name"]))


async def _set_public(service: Service, call: Call, *, is_public: bool) -> Answer:
    found = await service.find_own_checkpoint(call.owner, _path(call))
    store = service.shop.store
    await service.shop.compute(lambda: store.set_public(found.path, is_public=is_public), service.shop.disk)
    return answer_json()
