"""Nothing a client can send makes the server answer 5xx, or not at all.

Valid requests are damaged at random, from a seed: ``FUZZ_EXAMPLES`` says how many (400 by default).
"""

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson

from tests.tinkex_actors.local.http.test_older_clients import BATCH
from tests.tinkex_actors.local.http.test_sampling import sampler
from tests.tinkex_actors.local.site import Reply, Site, open_site
from tests.tinkex_actors.local.worlds import batch
from tinkex_actors.local.limits import Limits
from tinkex_actors.types.ids import ModelId
from tinkex_actors.types.training import ForwardBackwardRequest
from tinkex_actors.wire.futures import PROTOBUF
from tinkex_actors.wire.fwdbwd import encode_forward_backward_request

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "400"))
ODD: list[Any] = [
    None, True, -1, 0, 1, 2**31, 2**63, 2**70, 1e308, 0.5, "", "x", "tinker://", "tinker://a/weights/b", "\x00", "é" * 300,
    [], {}, [[]], [None], {"type": "x"}, {"chunks": []}, [2**40], "a/b", "..",
]  # fmt: skip
PROMPT = {"chunks": [{"type": "encoded_text", "tokens": [1, 2, 3]}]}


async def bodies(site: Site) -> list[tuple[str, dict[str, Any]]]:
    """A valid request for each route."""
    session_id = await site.session()
    model_id = await site.model(session_id)
    sampling_session_id = await sampler(site, session_id)
    saved = await site.fetch(await site.post("save_weights", model_id=model_id, path="a", seq_id=1))
    path, request_id = saved.json["path"], (await site.step(model_id, 2)).json["request_id"]
    model: dict[str, Any] = {"model_id": model_id, "seq_id": 7}
    target = {"type": "sampling_session", "sampling_session_id": sampling_session_id, "cloned_sampler_id": 0}
    return [
        ("client/config", {"sdk_version": "0"}),
        ("create_session", {"tags": ["a"], "user_metadata": {"a": "b"}, "sdk_version": "0", "display_name": "n"}),
        ("session_heartbeat", {"session_id": session_id}),
        ("create_model", {"session_id": session_id, "model_seq_id": 9, "base_model": "random",
                          "lora_config": {"rank": 2, "seed": 1}, "optimizer_config": {"type": "adamw"}}),
        ("get_info", {"model_id": model_id}),
        ("forward_backward", {**model, "forward_backward_input": BATCH}),
        ("forward", {**model, "forward_input": BATCH}),
        ("optim_step", {**model, "adam_params": {"learning_rate": 0.1, "beta1": 0.9, "eps": 1e-8}}),
        ("save_weights", {**model, "path": "b", "overwrite": True, "ttl_seconds": 3600, "user_metadata": {"a": "b"}}),
        ("save_weights_for_sampler", {**model, "path": "c", "kind": "snapshot"}),
        ("save_weights_external", {**model, "path": "d"}),
        ("load_weights", {"session_id": session_id, "model_seq_id": 8, "path": path, "optimizer": True}),
        ("load_weights", {**model, "path": path, "optimizer": True}),
        ("create_sampling_session", {"session_id": session_id, "sampling_session_seq_id": 3, "model_path": path}),
        ("asample", {"sampling_session_id": sampling_session_id, "seq_id": 1, "num_samples": 1, "prompt": PROMPT,
                     "sampling_params": {"max_tokens": 1, "temperature": 0.5, "top_p": 0.5, "top_k": 3, "stop": ["a"]},
                     "prompt_logprobs": True, "topk_prompt_logprobs": 1, "prompt_alt_tokens_k": 1,
                     "target_prompt_logprobs": {"data": [1, -1], "dtype": "int64", "shape": [2, 1]}}),
        ("retrieve_future", {"request_id": request_id, "allow_metadata_only": True}),
        ("retrieve_futures", {"target": target, "prev_cursor": 0, "timeout": 0, "retrieved_request_ids": ["x"]}),
        ("cancel_future", {"request_id": request_id}),
        ("join_sampling_session", {"sampling_session_id": sampling_session_id}),
        ("weights_info", {"tinker_path": path}),
        ("copy_weights", {"source_path": path, "destination_project_id": "p", "ttl_seconds": 3600}),
        ("sessions/search", {"user_metadata": {"a": "b"}, "owner": {"type": "own"}, "limit": 5}),
    ]  # fmt: skip


def damage(value: Any, chance: np.random.Generator) -> Any:
    """Change one thing somewhere inside."""
    goes_in = chance.random() < 0.8
    if isinstance(value, dict) and value and goes_in:
        parts = cast("dict[str, Any]", value)
        name = str(chance.choice(sorted(parts)))
        if chance.random() < 0.2:
            return {key: one for key, one in parts.items() if key != name}
        return {**parts, name: damage(parts[name], chance)}
    if isinstance(value, list) and value and goes_in:
        items = cast("Sequence[Any]", value)
        return [damage(items[0], chance), *items[1:]]
    return copy.deepcopy(ODD[int(chance.integers(len(ODD)))])


async def check(site: Site, reply: Reply, told: object) -> None:
    """No 5xx; a reason where it is refused; and an outcome for what is promised."""
    assert reply.status < 500, told
    if reply.status >= 400 and reply.status != 408:
        assert reply.detail, told
    elif b'"request_id"' in reply.body[:20]:
        outcome = await site.retrieve(reply.json["request_id"])
        assert outcome.status in (200, 408), told
        assert b'"category":"server"' not in outcome.body, (told, outcome.body)


async def test_damaged_json_is_never_the_servers_fault(tmp_path: Path) -> None:
    """Every field of every request, replaced or left out."""
    limits = Limits(long_poll=0.001, gap_timeout=0.001, max_models=10_000)
    async with open_site(tmp_path, limits=limits) as site:
        valid, chance = await bodies(site), np.random.default_rng(0)
        for index in range(EXAMPLES):
            path, body = valid[index % len(valid)]
            damaged = damage(body, chance)
            raw = (
                orjson.dumps(damaged, option=orjson.OPT_NON_STR_KEYS)
                if not _is_huge(damaged)
                else repr(damaged).encode()
            )
            await check(site, await site.send("POST", path, raw, x_idempotency_key=str(index)), (path, damaged))


async def test_damaged_protobuf_is_never_the_servers_fault(tmp_path: Path) -> None:
    """Bytes flipped, cut out and put in."""
    async with open_site(tmp_path, limits=Limits(long_poll=0.001, gap_timeout=0.001)) as site:
        model_id = await site.model(await site.session())
        chance = np.random.default_rng(0)
        for _ in range(EXAMPLES):
            whole = bytearray(encode_forward_backward_request(ForwardBackwardRequest(batch(), ModelId(model_id), 1)))
            for _ in range(int(chance.integers(1, 4))):
                at = int(chance.integers(len(whole)))
                whole[at : at + int(chance.integers(0, 3))] = chance.bytes(int(chance.integers(0, 3)))
            reply = await site.send("POST", "forward_backward", bytes(whole), content_type=PROTOBUF)
            await check(site, reply, bytes(whole))


async def test_odd_paths_are_never_the_servers_fault(tmp_path: Path) -> None:
    """What stands in an address may be anything."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        for odd in ("", "..", "%00", "a b", "é", "a" * 5000, "tinker:", "'", model_id):
            for method, path in (
                ("GET", f"training_runs/{odd}"),
                ("GET", f"training_runs/{model_id}/checkpoints?limit={odd}"),
                ("GET", f"checkpoints?offset={odd}&limit={odd}"),
                ("DELETE", f"training_runs/{odd}/checkpoints/weights/{odd}"),
                ("PUT", f"training_runs/{model_id}/checkpoints/{odd}/x/ttl"),
                ("GET", f"training_runs/{model_id}/checkpoints/external_weights/{odd}/external_weights_urls"),
                ("GET", f"downloads/{odd}/{odd}"),
                ("GET", f"samplers/{odd}"),
                ("POST", f"sessions/{odd}/finish"),
            ):
                await check(site, await site.send(method, path), (method, path))


def _is_huge(value: Any) -> bool:
    """Whether JSON of 64 bits cannot hold it."""
    return str(2**70) in repr(value)
