"""The page to watch the server on."""

from pathlib import Path
from typing import Any

from tests.tinkex_actors.local.http.test_sampling import ask, drawn, sampler
from tests.tinkex_actors.local.site import KEY, Site, open_site


async def status(site: Site, key: str = KEY) -> Any:
    """What the page reads."""
    return (await site.send("GET", "/status.json", x_api_key=key)).json


async def test_the_page_stands_alone(tmp_path: Path) -> None:
    """No file from elsewhere: it works without a network, and its policy forbids one."""
    async with open_site(tmp_path) as site:
        page = await site.send("GET", "/", x_api_key="")
        assert page.status == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert b"http://" not in page.body.replace(b"http://www.w3.org/2000/svg", b"")


async def test_the_status_shows_runs_with_their_losses_queues_and_checkpoints(tmp_path: Path) -> None:
    """Everything a person asks while it trains."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        for seq_id in (1, 3):
            await site.learn(model_id, seq_id)
            await site.step(model_id, seq_id + 1, learning_rate=0.05)
        await site.fetch(await site.post("save_weights", model_id=model_id, path="a", seq_id=5))
        await site.step(model_id, 9)
        await drawn(site, await ask(site, await sampler(site, session_id)))
        shown = await status(site, "")
        [run] = shown["runs"]
        assert (run["model_id"], run["steps"], run["waiting"], run["ended"]) == (model_id, 2, 1, None)
        assert len(run["losses"]) == 2
        assert run["losses"][1] < run["losses"][0]
        assert [one["path"] for one in shown["checkpoints"]] == [f"tinker://{model_id}/weights/a"]
        assert [(one["promised"], one["in_hand"]) for one in shown["samplers"]] == [(1, 0)]
        assert (shown["sessions"], shown["models"]) == (1, ["random"])


async def test_with_keys_configured_each_sees_its_own(tmp_path: Path) -> None:
    """The page asks for the key; the status answers to none without."""
    async with open_site(tmp_path, keys=("tml-test", "tml-other")) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        await site.fetch(await site.post("save_weights", model_id=model_id, path="a", seq_id=1))
        await drawn(site, await ask(site, await sampler(site, session_id)))
        for key in ("", "tml-wrong"):
            assert (await site.send("GET", "/status.json", x_api_key=key)).status == 401
        shown, other = await status(site), await status(site, "tml-other")
        kinds = ("runs", "samplers", "checkpoints")
        assert [len(shown[kind]) for kind in kinds] == [1, 1, 1]
        assert [other[kind] for kind in kinds] == [[], [], []]
        assert (shown["sessions"], other["sessions"]) == (1, 0)
        assert (shown["executed"], other["executed"]) == (3, 0)
