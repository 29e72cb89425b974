"""``GET /``: a page to watch the server on, and ``status.json``, which it reads every second.

Without configured keys the status shows everything to whoever can reach this machine's loopback; with them, what belongs
to the key that asks. The page itself holds nothing and needs none.
"""

from pathlib import Path

import orjson

from tinkex_actors.local.http.call import Answer, Call
from tinkex_actors.local.keys import Owner
from tinkex_actors.local.service import Service
from tinkex_actors.types.ids import ModelId

_PAGE = Path(__file__).with_name("page.html")
_MOST = 50
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


async def page(service: Service, _: Call) -> Answer:
    """``GET /``."""
    body = await service.shop.compute(_PAGE.read_bytes, service.shop.disk)
    return Answer(body, content_type="text/html; charset=utf-8", headers={"content-security-policy": _POLICY})


async def status(service: Service, call: Call) -> Answer:
    """``GET /status.json``: models, runs with their losses, queues, checkpoints; the newest first."""
    store, now = service.shop.store, service.shop.now()
    stored = await service.shop.compute(lambda: store.newest(_MOST, call.owner or None, now=now), service.shop.disk)
    runs = [one for one in service.runs.records.values() if _may_see(call.owner, one.owner)][-_MOST:]
    samplers = [one for one in service.samplers.living.values() if _may_see(call.owner, one.record.owner)][-_MOST:]
    described = {
        "models": list(service.bases.entries),
        "sessions": service.sessions.alive(call.owner or None),
        "executed": _executed(service, call.owner),
        "runs": [_describe_run(service, one.model_id) for one in reversed(runs)],
        "samplers": [
            {
                "sampling_session_id": one.record.sampling_session_id,
                "base_model": one.record.base_model,
                "model_path": one.record.model_path,
                "in_hand": len(one.in_hand),
                "promised": one.promised,
            }
            for one in reversed(samplers)
        ],
        "checkpoints": [
            {
                "path": str(one.path),
                "size_bytes": one.size_bytes,
                "created_at": one.created_at,
                "expires_at": one.expires_at,
            }
            for one in stored
        ],
    }
    return Answer(orjson.dumps(described), headers={"cache-control": "no-store"})


def _executed(service: Service, asking: Owner) -> int:
    """How many operations took effect on what the key may see."""
    records = service.runs.records.values(), service.samplers.records.values()
    mine: set[str] = {one.model_id for one in records[0] if _may_see(asking, one.owner)}
    mine |= {one.sampling_session_id for one in records[1] if _may_see(asking, one.owner)}
    return sum(times for (name, _), times in service.shop.audit.executed.items() if name in mine)


def _may_see(asking: Owner, owner: Owner) -> bool:
    return not asking or asking == owner


def _describe_run(service: Service, model_id: ModelId) -> dict[str, object]:
    record = service.runs.records[model_id]
    living = service.runs.living.get(record.model_id)
    return {
        "model_id": record.model_id,
        "base_model": record.recipe.base_model,
        "rank": record.recipe.rank,
        "ended": record.ended,
        "steps": 0 if living is None else living.steps,
        "waiting": 0 if living is None else len(living.waiting) + (living.current is not None),
        "losses": [] if living is None else list(living.losses),
    }
