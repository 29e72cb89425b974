"""Training over the wire."""

from pathlib import Path

import orjson
import pytest
from attrs import evolve

from tests.tinkex_actors.local.site import Site, open_site
from tests.tinkex_actors.local.worlds import batch
from tinkex_actors.local.limits import Limits
from tinkex_actors.types.ids import ModelId
from tinkex_actors.wire.futures import JSON, PROTOBUF
from tinkex_actors.wire.fwdbwd import decode_forward_backward_output


async def loss(site: Site, model_id: str, seq_id: int) -> float:
    """Send forward_backward and return its loss."""
    fetched = await site.fetch(await site.learn(model_id, seq_id))
    assert fetched.headers["content-type"] == PROTOBUF
    return decode_forward_backward_output(fetched.body).metrics["loss:sum"]


async def test_the_loss_falls_when_the_weights_follow_the_gradients(tmp_path: Path) -> None:
    """The one thing everybody comes for."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        before = await loss(site, model_id, 1)
        for seq_id in (2, 4, 6):
            await site.step(model_id, seq_id, learning_rate=0.05)
            after = await loss(site, model_id, seq_id + 1)
        assert after < before


async def test_the_same_requests_give_the_same_bits(tmp_path: Path) -> None:
    """On another server, after a restart, at another time."""
    digests: list[str | None] = []
    for name in ("a", "b"):
        async with open_site(tmp_path / name) as site:
            model_id = await site.model(await site.session(), lora_config={"rank": 2, "seed": 7})
            await site.learn(model_id, 1)
            await site.fetch(await site.step(model_id, 2))
            digests.append(site.service.runs.living[ModelId(model_id)].digest())
    assert digests[0] == digests[1]


async def test_a_repeated_request_is_executed_once(tmp_path: Path) -> None:
    """Retries come with the same number and must find the same promise."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        first, again = await site.step(model_id, 1), await site.step(model_id, 1)
        assert first.json["request_id"] == again.json["request_id"]
        await site.fetch(again)
        assert site.service.shop.audit.count("optim_step") == 1


async def test_a_repeated_creation_makes_one_model(tmp_path: Path) -> None:
    """The id is made of the session and the number, as clients compute it themselves."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        assert await site.model(session_id) == await site.model(session_id) == f"{session_id}:train:0"
        assert site.service.shop.audit.count("create_model") == 1


async def test_a_model_tells_what_it_is(tmp_path: Path) -> None:
    """The official client asks right after the creation and keeps the answer."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        info = (await site.post("get_info", model_id=model_id)).json
        assert (info["model_id"], info["lora_rank"], info["is_lora"]) == (model_id, 2, True)
        assert info["model_data"] == {"arch": "qwen3", "model_name": "random"}
        assert info["optimizer_config"] == {"type": "adamw"}


async def test_training_goes_on_from_a_checkpoint_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """With the optimizer's state the same steps give the same weights."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        first = await site.model(session_id)
        await site.learn(first, 1)
        await site.step(first, 2)
        saved = await site.fetch(await site.post("save_weights", model_id=first, path="a", seq_id=3, overwrite=False))
        path = saved.json["path"]
        assert path == f"tinker://{first}/weights/a"
        loaded = await site.post("load_weights", session_id=session_id, model_seq_id=1, path=path, optimizer=True)
        assert (await site.fetch(loaded)).json == {"path": path, "model_id": f"{session_id}:train:1"}
        second = f"{session_id}:train:1"
        for model_id, seq_id in ((first, 4), (second, 1)):
            await site.learn(model_id, seq_id)
            await site.fetch(await site.step(model_id, seq_id + 1))
        runs = site.service.runs.living
        assert runs[ModelId(first)].digest() == runs[ModelId(second)].digest()


async def test_an_existing_model_loads_a_checkpoint_as_its_first_request_only(tmp_path: Path) -> None:
    """As production does; older clients resume this way."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        first, second = await site.model(session_id), await site.model(session_id, 1)
        saved = await site.fetch(await site.post("save_weights", model_id=first, path="a", seq_id=1))
        load = {"model_id": second, "path": saved.json["path"], "optimizer": False}
        assert (await site.post("load_weights", **load, seq_id=2)).status == 400
        assert "error" not in (await site.fetch(await site.post("load_weights", **load, seq_id=1))).json


async def test_a_name_that_is_taken_fails_the_save(tmp_path: Path) -> None:
    """As a failed future: 409 would block the official client for minutes."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        save = {"model_id": model_id, "path": "a"}
        await site.fetch(await site.post("save_weights", **save, seq_id=1))
        clash = await site.fetch(await site.post("save_weights", **save, seq_id=2))
        assert (clash.json["category"], "already there" in clash.json["error"]) == ("user", True)
        assert "path" in (await site.fetch(await site.post("save_weights", **save, seq_id=3, overwrite=True))).json


async def test_clients_of_the_json_generation_get_json(tmp_path: Path) -> None:
    """The result is the same, its encoding is the client's choice."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        fetched = await site.fetch(await site.learn(model_id, 1), accept=JSON)
        assert fetched.headers["content-type"] == JSON
        assert fetched.json["metrics"]["loss:sum"] > 0


async def test_a_wrong_batch_is_the_users_error_and_changes_nothing(tmp_path: Path) -> None:
    """The next request is carried out as if it had not been there."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        wrong = await site.fetch(await site.learn(model_id, 1, evolve(batch(), loss_fn="no such loss")))
        assert (wrong.json["category"], "no such loss" in wrong.json["error"]) == ("user", True)
        assert await loss(site, model_id, 2) > 0


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("create_model", {"session_id": "S", "model_seq_id": 1, "base_model": "no"}, "base_model must be one of random"),
        ("create_model", {"session_id": "S", "model_seq_id": 1, "base_model": "random", "lora_config": {"rank": 999}}, "rank"),
        ("create_model", {"session_id": "S", "base_model": "random"}, "model_seq_id"),
        ("create_model", {"session_id": "S", "model_seq_id": 1, "base_model": "random",
                          "optimizer_config": {"type": "sgd"}}, "adamw or dimuon"),
        ("optim_step", {"model_id": "M", "adam_params": {}}, "seq_id must be"),
        ("optim_step", {"model_id": "M", "seq_id": 0, "adam_params": {}}, "seq_id must be"),
        ("optim_step", {"model_id": "nobody", "seq_id": 1, "adam_params": {}}, "unknown here"),
        ("save_weights", {"model_id": "M", "seq_id": 1, "path": "a/b"}, "name must be"),
        ("save_weights", {"model_id": "M", "seq_id": 1, "path": "a", "ttl_seconds": 5}, "ttl_seconds must be"),
        ("save_weights_for_sampler", {"model_id": "M", "seq_id": 1}, "needs path or sampling_session_seq_id"),
        ("load_weights", {"path": "tinker://M/weights/a"}, "needs model_id and seq_id"),
        ("load_weights", {"session_id": "S", "model_seq_id": 1, "path": "nonsense"}, "must look like tinker://"),
        ("load_weights", {"session_id": "S", "model_seq_id": 1, "path": "tinker://x/weights/a"}, "unknown here"),
    ],
)  # fmt: skip
async def test_a_wrong_request_is_refused_with_a_reason(
    tmp_path: Path, path: str, body: dict[str, object], reason: str
) -> None:
    """A client must learn what to change, not that something is wrong."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        filled = {name: {"S": session_id, "M": model_id}.get(str(value), value) for name, value in body.items()}
        refused = await site.send("POST", path, orjson.dumps(filled))
        assert 400 <= refused.status < 500
        assert reason in refused.detail
        assert int(refused.headers["content-length"]) > 0


async def test_more_models_than_allowed_are_refused_for_now(tmp_path: Path) -> None:
    """429: the same request passes when another session has ended."""
    async with open_site(tmp_path, limits=Limits(max_models=1)) as site:
        session_id = await site.session()
        await site.model(session_id)
        asked = await site.post("create_model", session_id=session_id, model_seq_id=1, base_model="random")
        assert asked.status == 429


async def test_a_traced_loss_is_refused_with_the_way_around_it(tmp_path: Path) -> None:
    """The official client computes its own losses unless told otherwise."""
    async with open_site(tmp_path) as site:
        refused = await site.post("create_custom_loss", session_id="s", custom_loss_seq_id=0, name="f")
        assert (refused.status, "custom_loss_server_side" in refused.detail) == (400, True)


@pytest.mark.parametrize("loss", ["stable_reinforce", "custom"])
async def test_a_loss_that_is_not_here_is_the_users_error(tmp_path: Path, loss: str) -> None:
    """Nobody knows its formula, or it was never sent; those that are here are named."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        failed = (await site.fetch(await site.learn(model_id, 1, evolve(batch(), loss_fn=loss)))).json
        assert (failed["category"], "cross_entropy" in failed["error"]) == ("user", True)
