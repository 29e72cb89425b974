"""Answers about an account, which a server on one's own machine has none of: empty, and well-formed."""

from tinkex_actors.local.http.call import Answer, Call, answer_json
from tinkex_actors.local.service import Service

_GIGABYTE = 1e9


async def audit(_: Service, __: Call) -> Answer:
    """``GET audit``: the organisation's log. What this server carried out is in its own audit log."""
    return answer_json(entries=[])


async def billing_usage(_: Service, __: Call) -> Answer:
    """``GET billing/usage/events``: nothing is billed."""
    return answer_json(data=[], sessions={})


async def checkpoint_storage(service: Service, call: Call) -> Answer:
    """``GET billing/usage/checkpoints/current``: how much the key's checkpoints take, at no price."""
    store, now = service.shop.store, service.shop.now()
    mine = await service.shop.compute(lambda: store.of_owner(call.owner, now=now), service.shop.disk)
    size_bytes = sum(one.size_bytes for one in mine)
    row = {"checkpoint_count": len(mine), "size_bytes": size_bytes, "size_gigabytes": size_bytes / _GIGABYTE}
    return answer_json(data=[row] if mine else [])


async def api_key(_: Service, call: Call) -> Answer:
    """``GET auth/apikey/me``: the key is good; its name is its digest."""
    return answer_json(key_id=0, name=f"local-{call.owner}", note=None, details=None)
