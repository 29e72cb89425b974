"""Finding runs, checkpoints and sessions again."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.tinkex_actors.local.http.test_sampling import sampler
from tests.tinkex_actors.local.site import KEY, Reply, Site, open_site
from tests.tinkex_actors.local.worlds import NOW

OTHER = "tml-other"


async def saved(site: Site, model_id: str, seq_id: int, name: str, **body: Any) -> str:
    """Save training state and return its path."""
    promised = await site.post("save_weights", model_id=model_id, seq_id=seq_id, path=name, **body)
    path: str = (await site.fetch(promised)).json["path"]
    return path


def below(model_id: str, name: str = "a", action: str = "") -> str:
    """The address of a training checkpoint."""
    return f"training_runs/{model_id}/checkpoints/weights/{name}{action}"


async def names(site: Site, model_id: str) -> list[str]:
    """The checkpoints of a run."""
    listed = await site.get(f"training_runs/{model_id}/checkpoints")
    return [one["checkpoint_id"] for one in listed.json["checkpoints"]]


async def as_other(site: Site, method: str, path: str) -> Reply:
    """Send a request with another key."""
    return await site.send(method, path, x_api_key=OTHER)


async def test_a_run_shows_its_model_and_its_last_checkpoints(tmp_path: Path) -> None:
    """What a person wants to know of it."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session(), user_metadata={"purpose": "test"})
        for seq_id, name in ((1, "a"), (2, "b")):
            await saved(site, model_id, seq_id, name)
        run = (await site.get(f"training_runs/{model_id}")).json
        assert (run["training_run_id"], run["base_model"], run["lora_rank"], run["is_lora"]) == (
            model_id,
            "random",
            2,
            True,
        )
        assert run["last_checkpoint"]["checkpoint_id"] == "weights/b"
        assert "last_sampler_checkpoint" not in run
        assert (run["user_metadata"], run["corrupted"]) == ({"purpose": "test"}, False)
        assert datetime.fromisoformat(run["last_request_time"]) == NOW


async def test_runs_and_checkpoints_come_in_pages_newest_first(tmp_path: Path) -> None:
    """With the total, so that a client knows when to stop."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        models = [await site.model(session_id, number) for number in range(3)]
        listed = (await site.get("training_runs?limit=2&offset=1")).json
        assert [run["training_run_id"] for run in listed["training_runs"]] == [models[1], models[0]]
        assert listed["cursor"] == {"offset": 1, "limit": 2, "total_count": 3}
        for seq_id, name in ((1, "a"), (2, "b")):
            await saved(site, models[0], seq_id, name)
        listed = (await site.get("checkpoints?limit=1")).json
        assert [one["checkpoint_id"] for one in listed["checkpoints"]] == ["weights/b"]
        assert listed["cursor"]["total_count"] == 2
        assert (await site.get("training_runs?limit=-1")).status == 422
        assert (await site.get("training_runs?access_scope=all")).status == 422


async def test_a_deleted_checkpoint_is_gone(tmp_path: Path) -> None:
    """From the lists and for loading."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        path = await saved(site, model_id, 1, "a")
        assert (await site.send("DELETE", below(model_id))).status == 200
        assert (await site.send("DELETE", below(model_id))).status == 404
        assert await names(site, model_id) == []
        load = await site.post("load_weights", session_id=session_id, model_seq_id=1, path=path)
        assert load.status == 404


async def test_a_published_checkpoint_can_be_loaded_but_not_changed_by_others(tmp_path: Path) -> None:
    """Publishing and unpublishing twice is welcome: 409 would block the official client for minutes."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        path = await saved(site, model_id, 1, "a")
        assert (await as_other(site, "GET", f"training_runs/{model_id}?access_scope=accessible")).status == 404
        for _ in range(2):
            assert (await site.send("POST", below(model_id, action="/publish"))).status == 200
        assert (await as_other(site, "GET", f"training_runs/{model_id}?access_scope=accessible")).status == 200
        assert (await as_other(site, "DELETE", below(model_id))).status == 403
        site.key = OTHER
        info = (await site.post("weights_info", tinker_path=path)).json
        assert (info["base_model"], info["lora_rank"], info["train_mlp"]) == ("random", 2, True)
        site.key = KEY
        for _ in range(2):
            assert (await site.send("DELETE", below(model_id, action="/publish"))).status == 200
        assert (await as_other(site, "DELETE", below(model_id))).status == 404


async def test_a_time_to_live_can_be_set_and_removed(tmp_path: Path) -> None:
    """Given at saving or later; null is for ever."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        await saved(site, model_id, 1, "a", ttl_seconds=3600, user_metadata={"k": "v"})
        [listed] = (await site.get(f"training_runs/{model_id}/checkpoints")).json["checkpoints"]
        assert datetime.fromisoformat(listed["expires_at"]) == NOW + timedelta(hours=1)
        assert listed["user_metadata"] == {"k": "v"}
        assert (await site.send("PUT", below(model_id, action="/ttl"), b'{"ttl_seconds":null}')).status == 200
        [listed] = (await site.get(f"training_runs/{model_id}/checkpoints")).json["checkpoints"]
        assert "expires_at" not in listed
        assert (await site.send("PUT", below(model_id, action="/ttl"), b'{"ttl_seconds":1}')).status == 400


async def test_a_copy_lives_apart_from_its_source(tmp_path: Path) -> None:
    """It belongs to whoever copied it, in a run of its own."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        path = await saved(site, model_id, 1, "a")
        copied = (await site.post("copy_weights", source_path=path, destination_project_id="p")).json["tinker_path"]
        assert copied.endswith("/weights/a")
        assert copied != path
        other = (await site.post("copy_weights", source_path=path, destination_project_id="p")).json["tinker_path"]
        assert other not in (copied, path)
        await site.send("DELETE", below(model_id))
        load = await site.post("load_weights", session_id=session_id, model_seq_id=1, path=copied)
        assert "error" not in (await site.fetch(load)).json
        run_id = copied.split("/")[2]
        assert (await site.get(f"training_runs/{run_id}")).json["training_run_id"] == run_id
        assert (await site.step(run_id, 1)).status == 410


async def test_a_repeated_copy_is_the_same_copy(tmp_path: Path) -> None:
    """The official client keeps its idempotency key over all its retries; also over a restart of the server."""
    body = {"destination_project_id": "p"}
    copied: list[str] = []
    for _ in range(2):
        async with open_site(tmp_path, is_kept=True) as site:
            if not copied:
                body["source_path"] = await saved(site, await site.model(await site.session()), 1, "a")
            for _ in range(2):
                sent = await site.send("POST", "copy_weights", orjson.dumps(body), x_idempotency_key="k")
                copied.append(sent.json["tinker_path"])
            assert len((await site.get("training_runs")).json["training_runs"]) == 2
    assert len(set(copied)) == 1


async def test_a_session_shows_what_was_made_in_it(tmp_path: Path) -> None:
    """Its runs and samplers, and the metadata it was opened with."""
    async with open_site(tmp_path) as site:
        opened = await site.post(
            "create_session", tags=[], user_metadata={"a": "b"}, sdk_version="0", display_name="mine"
        )
        session_id = opened.json["session_id"]
        model_id, sampler_id = await site.model(session_id), await sampler(site, session_id)
        shown = (await site.get(f"sessions/{session_id}")).json
        assert shown == {
            "training_run_ids": [model_id],
            "sampler_ids": [sampler_id],
            "user_metadata": {"a": "b"},
            "display_name": "mine",
        }
        assert (await site.get("sessions")).json == {"sessions": [session_id]}
        assert (await as_other(site, "GET", f"sessions/{session_id}")).status == 404


async def test_sessions_are_searched_by_what_is_known_of_them(tmp_path: Path) -> None:
    """Every filter narrows; what does not match is not found."""
    async with open_site(tmp_path) as site:
        first = await site.session()
        opened = await site.post("create_session", tags=[], user_metadata={"a": "b"}, sdk_version="0", project_id="p")
        second = opened.json["session_id"]
        await site.post(f"sessions/{first}/finish", reason={"type": "success"}, detail=None)

        async def found(**filters: Any) -> list[str]:
            body: dict[str, Any] = {"user_metadata": {}, "owner": {"type": "own"}, "limit": 50, **filters}
            return [one["session_id"] for one in (await site.post("sessions/search", **body)).json["sessions"]]

        assert await found() == [second, first]
        assert await found(user_metadata={"a": "b"}) == await found(project_ids=["p"]) == [second]
        assert await found(statuses=[{"type": "active"}]) == [second]
        assert await found(statuses=[{"type": "client_finished", "reasons": ["success"]}]) == [first]
        assert await found(statuses=[{"type": "client_finished", "reasons": ["errored"]}]) == []
        assert await found(owner={"type": "user", "owner_urns": ["someone"]}) == []
        assert await found(session_id=first) == [first]


async def test_a_search_is_continued_behind_its_cursor(tmp_path: Path) -> None:
    """Until there is no cursor any more."""
    async with open_site(tmp_path) as site:
        sessions = [await site.session() for _ in range(2)]
        page = (await site.post("sessions/search", limit=1)).json
        assert page["sessions"][0]["session_id"] == sessions[1]
        rest = (await site.post("sessions/search", limit=5, cursor=page["next_cursor"])).json
        assert [one["session_id"] for one in rest["sessions"]] == [sessions[0]]
        assert "next_cursor" not in rest


@pytest.mark.parametrize("moment", ["yesterday", "2026-01-01T00:00:00", "", "\x00"])
async def test_a_cursor_whose_session_is_gone_needs_a_whole_date(tmp_path: Path, moment: str) -> None:
    """It is compared with dates that have a time zone."""
    async with open_site(tmp_path) as site:
        cursor = {"last_created_at": moment, "last_session_id": "gone"}
        refused = await site.post("sessions/search", cursor=cursor)
        assert (refused.status, "time zone" in refused.detail) == (422, True)


async def test_a_search_page_by_page_finds_sessions_of_one_moment_once(tmp_path: Path) -> None:
    """Their times cannot tell them apart; a walk must neither repeat one nor go on for ever."""
    async with open_site(tmp_path) as site:
        sessions = [await site.session() for _ in range(4)]
        found: list[str] = []
        cursor: dict[str, Any] = {}
        for _ in sessions:
            page = (await site.post("sessions/search", limit=1, **cursor)).json
            found += [one["session_id"] for one in page["sessions"]]
            cursor = {"cursor": page.get("next_cursor")}
        assert found == sessions[::-1]
        assert cursor == {"cursor": None}


@pytest.mark.parametrize("path", ["audit", "billing/usage/events", "billing/usage/checkpoints/current"])
async def test_what_this_server_has_none_of_is_empty_and_well_formed(tmp_path: Path, path: str) -> None:
    """Tools that show it must not fall over."""
    async with open_site(tmp_path) as site:
        assert next(iter((await site.get(path)).json.values())) == []


async def test_a_session_moves_to_a_project_and_has_no_trace(tmp_path: Path) -> None:
    """Runs are listed by the project of their session."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        assert (await site.send("PUT", f"sessions/{session_id}/project", b'{"project_id":"p"}')).status == 200
        listed = (await site.get("training_runs?project_id=p")).json["training_runs"]
        assert [run["training_run_id"] for run in listed] == [model_id]
        assert (await site.get("training_runs?project_id=q")).json["training_runs"] == []
        assert (await site.get(f"sessions/{session_id}/trace_export")).json["status"] == "failed"
        assert (await site.get("auth/apikey/me")).json["name"].startswith("local-")
