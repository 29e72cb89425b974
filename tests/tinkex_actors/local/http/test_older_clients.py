"""Clients of the generation before protobuf: JSON bodies, ``forward``, ``unload_model``."""

from pathlib import Path
from typing import Any

from tests.tinkex_actors.local.site import open_site
from tinkex_actors.wire.futures import JSON

BATCH: dict[str, Any] = {
    "data": [
        {
            "model_input": {"chunks": [{"type": "encoded_text", "tokens": [1, 2, 3]}]},
            "loss_fn_inputs": {"target_tokens": {"data": [2, 3, 4], "dtype": "int64", "shape": [3]}},
        }
    ],
    "loss_fn": "cross_entropy",
}


async def test_training_data_may_come_as_json(tmp_path: Path) -> None:
    """Forward-only has a route of its own there, and both number the same sequence."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        looked = await site.post("forward", forward_input=BATCH, model_id=model_id, seq_id=1)
        learned = await site.post("forward_backward", forward_backward_input=BATCH, model_id=model_id, seq_id=2)
        looked, learned = await site.fetch(looked, accept=JSON), await site.fetch(learned, accept=JSON)
        assert looked.json["metrics"] == learned.json["metrics"]
        assert len(learned.json["loss_fn_outputs"][0]["logprobs"]["data"]) == 3
        assert [entry.kind for entry in site.service.shop.audit][1:] == ["forward", "forward_backward"]


async def test_an_unloaded_model_is_gone_and_what_waits_in_it_fails(tmp_path: Path) -> None:
    """Its session goes on."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        behind_a_gap = await site.step(model_id, 5)
        unloaded = await site.fetch(await site.post("unload_model", model_id=model_id))
        assert unloaded.json["model_id"] == model_id
        assert "unloaded" in (await site.fetch(behind_a_gap)).json["error"]
        assert (await site.step(model_id, 1)).status == 410
        assert (await site.post("session_heartbeat", session_id=session_id)).status == 200
