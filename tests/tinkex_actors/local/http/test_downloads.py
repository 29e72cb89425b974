"""Taking weights away over the wire."""

import io
import tarfile
from pathlib import Path
from urllib.parse import urlparse

import orjson
import safetensors.numpy

from tests.tinkex_actors.local.site import Reply, Site, open_site

PREFIX = "/api/v1/"


async def exported(site: Site) -> tuple[str, str]:
    """A model, and the address of an export of it."""
    model_id = await site.model(await site.session())
    await site.learn(model_id, 1)
    await site.step(model_id, 2, learning_rate=0.1)
    saved = await site.fetch(await site.post("save_weights_external", model_id=model_id, path="e", seq_id=3))
    assert saved.json["path"] == f"tinker://{model_id}/external_weights/e"
    assert saved.json["size_bytes"] > 0
    return model_id, f"training_runs/{model_id}/checkpoints/external_weights/e"


async def follow(site: Site, link: str) -> Reply:
    """Fetch a link without a key."""
    return await site.send("GET", urlparse(link).path.removeprefix(PREFIX), x_api_key="")


async def test_an_export_is_what_peft_reads(tmp_path: Path) -> None:
    """A configuration and the adapter's matrices, under the names PEFT gives them."""
    async with open_site(tmp_path) as site:
        _, address = await exported(site)
        urls = (await site.get(f"{address}/external_weights_urls")).json["urls"]
        config = orjson.loads((await follow(site, urls["adapter_config.json"])).body)
        assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 2, 32.0)
        assert config["target_modules"] == [
            "down_proj", "gate_proj", "k_proj", "lm_head", "o_proj", "q_proj", "up_proj", "v_proj",
        ]  # fmt: skip
        weights = safetensors.numpy.load((await follow(site, urls["adapter_model.safetensors"])).body)
        name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
        assert weights[name].shape == (16, 2)
        assert weights[name].any()
        assert all(key.startswith("base_model.model.") for key in weights)


async def test_a_link_opens_one_file_only(tmp_path: Path) -> None:
    """It is the key to that file and to nothing else."""
    async with open_site(tmp_path) as site:
        _, address = await exported(site)
        link = (await site.get(f"{address}/external_weights_urls")).json["urls"]["adapter_config.json"]
        assert (await follow(site, link.replace("adapter_config.json", "adapter_model.safetensors"))).status == 404
        assert (await follow(site, f"{PREFIX}downloads/x/y")).status == 404
        await site.send("DELETE", address)
        assert (await follow(site, link)).status == 404


async def test_only_exports_are_downloaded_file_by_file(tmp_path: Path) -> None:
    """As on the production service."""
    async with open_site(tmp_path) as site:
        model_id, _ = await exported(site)
        await site.fetch(await site.post("save_weights", model_id=model_id, path="t", seq_id=4))
        refused = await site.get(f"training_runs/{model_id}/checkpoints/weights/t/external_weights_urls")
        assert (refused.status, "external_weights" in refused.detail) == (400, True)


async def test_older_clients_download_an_archive(tmp_path: Path) -> None:
    """By a redirect to a file that holds the others."""
    async with open_site(tmp_path) as site:
        model_id, _ = await exported(site)
        await site.fetch(await site.post("save_weights", model_id=model_id, path="t", seq_id=4))
        sent = await site.get(f"training_runs/{model_id}/checkpoints/weights/t/archive")
        assert sent.status == 302
        packed = await follow(site, sent.headers["location"])
        with tarfile.open(fileobj=io.BytesIO(packed.body)) as tar:
            assert tar.getnames() == ["adapter_config.json", "adapter_model.safetensors"]
