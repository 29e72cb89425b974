"""Looking things up on the embedded server, and putting them in order."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tinker.lib.public_interfaces.admin_client import AdminClient as SdkAdminClient
from tinker.lib.public_interfaces.rest_client import RestClient as SdkRestClient
from trio.testing import MockClock

from tests.tinkex_actors.clients.rest_server import SETTINGS, rest_of, rest_over
from tests.tinkex_actors.fake_tinker import FakeTinker, open_fake
from tests.tinkex_actors.local.http.test_sampling import sampler
from tests.tinkex_actors.local.site import Site, open_site
from tests.tinkex_actors.local.worlds import NOW
from tinkex_actors.clients import AdminClient, RestClient, open_tinker
from tinkex_actors.types import (
    BadRequestError,
    ClientSessionFinished,
    FinishReason,
    NotFoundError,
    PermissionDeniedError,
    RequestFailedError,
    ResponseInvalid,
    SearchOwner,
    SessionActive,
    SessionStatusQuery,
)


async def saved(site: Site, model_id: str, seq_id: int, name: str, kind: str = "save_weights") -> str:
    """Save something and return its path."""
    promised = await site.post(kind, model_id=model_id, seq_id=seq_id, path=name)
    path: str = (await site.fetch(promised)).json["path"]
    return path


async def test_training_runs_are_walked_through_page_by_page(tmp_path: Path) -> None:
    """The newest first, each once, and no more pages than are needed."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        session_id = await site.session()
        models = [await site.model(session_id, number) for number in range(5)]
        assert [run.training_run_id async for run in rest.list_training_runs(page_size=2)] == models[::-1]
        listed = rest.list_training_runs(limit=2, offset=1)
        assert [run.training_run_id async for run in listed] == [models[3], models[2]]
        assert (await listed.page()).total_count == 5
        assert [run async for run in rest.list_training_runs(project_id="none")] == []


async def test_a_run_is_found_by_its_id_and_by_its_paths(tmp_path: Path) -> None:
    """With what it takes to load its weights into another model."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        model_id = await site.model(await site.session(), user_metadata={"why": "test"})
        path = await saved(site, model_id, 1, "a")
        run = await rest.get_training_run(model_id)
        assert run == await rest.get_training_run_by_tinker_path(path)
        assert (run.base_model, run.user_metadata) == ("random", {"why": "test"})
        assert run.last_checkpoint is not None
        assert run.last_checkpoint.tinker_path == path
        info = await rest.get_weights_info_by_tinker_path(path)
        assert (info.base_model, info.lora_rank, info.is_lora) == ("random", 2, True)
        with pytest.raises(NotFoundError, match="training run other is unknown here"):
            await rest.get_training_run("other")


async def test_checkpoints_are_listed_and_deleted(tmp_path: Path) -> None:
    """Of one run, or of all; by path or by ids."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        session_id = await site.session()
        models = [await site.model(session_id, number) for number in range(2)]
        paths = [await saved(site, model, seq_id, f"n{seq_id}") for model in models for seq_id in (1, 2)]
        listed = [one.tinker_path async for one in rest.list_user_checkpoints(page_size=3)]
        assert sorted(listed) == sorted(paths)
        await rest.delete_checkpoint_from_tinker_path(paths[0])
        await rest.delete_checkpoint(models[0], "weights/n2")
        assert (await rest.list_checkpoints(models[0])).checkpoints == ()
        assert len((await rest.list_checkpoints(models[1])).checkpoints) == 2
        with pytest.raises(NotFoundError):
            await rest.delete_checkpoint_from_tinker_path(paths[0])


async def test_a_checkpoint_is_published_and_taken_back(tmp_path: Path) -> None:
    """Twice does no harm; what is public is for everybody to read and for its owner to change."""
    async with open_site(tmp_path) as site, rest_of(site) as rest, rest_of(site, "tml-other") as other:
        model_id = await site.model(await site.session())
        path = await saved(site, model_id, 1, "a")
        with pytest.raises(NotFoundError):
            await other.get_training_run(model_id, access_scope="accessible")
        for _ in range(2):
            await rest.publish_checkpoint_from_tinker_path(path)
        assert (await other.get_training_run(model_id, access_scope="accessible")).training_run_id == model_id
        with pytest.raises(PermissionDeniedError):
            await other.unpublish_checkpoint_from_tinker_path(path)
        for _ in range(2):
            await rest.unpublish_checkpoint_from_tinker_path(path)
        assert [one.public for one in (await rest.list_checkpoints(model_id)).checkpoints] == [False]


async def test_a_time_to_live_is_set_and_removed(tmp_path: Path) -> None:
    """Null on the wire is for ever."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        model_id = await site.model(await site.session())
        path = await saved(site, model_id, 1, "a")

        async def expiry() -> datetime | None:
            """Look once."""
            (checkpoint,) = (await rest.list_checkpoints(model_id)).checkpoints
            return checkpoint.expires_at

        await rest.set_checkpoint_ttl_from_tinker_path(path, 3600)
        assert await expiry() == NOW + timedelta(hours=1)
        await rest.set_checkpoint_ttl_from_tinker_path(path, None)
        assert await expiry() is None
        with pytest.raises(BadRequestError):
            await rest.set_checkpoint_ttl_from_tinker_path(path, 1)


async def test_weights_are_copied_into_a_run_of_their_own(tmp_path: Path) -> None:
    """They outlive their source."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        model_id = await site.model(await site.session())
        path = await saved(site, model_id, 1, "a")
        copied = await rest.copy_weights(path, "project", ttl_seconds=3600)
        await rest.delete_checkpoint_from_tinker_path(path)
        run = await rest.get_training_run_by_tinker_path(copied)
        assert run.training_run_id != model_id
        assert run.last_checkpoint is not None
        assert run.last_checkpoint.expires_at == NOW + timedelta(hours=1)


async def test_an_export_and_an_archive_are_links_that_work(tmp_path: Path) -> None:
    """The one for new clients, the other as older servers have it; neither needs a key."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        model_id = await site.model(await site.session())
        path = await saved(site, model_id, 1, "a", "save_weights_external")
        urls = await rest.get_external_weights_urls(path)
        archive = await rest.get_checkpoint_archive_url(path)
        assert urls.expires == archive.expires == NOW + timedelta(hours=1)
        assert set(urls.urls) == {"adapter_config.json", "adapter_model.safetensors"}
        for url in (*urls.urls.values(), archive.url):
            fetched = await site.send("GET", url.partition("/api/v1/")[2], x_api_key="")
            assert (fetched.status, bool(fetched.body)) == (200, True)


async def test_sessions_are_listed_and_looked_at(tmp_path: Path) -> None:
    """With the models and samplers made in them."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        sessions = [await site.session() for _ in range(3)]
        model_id, sampler_id = await site.model(sessions[0]), await sampler(site, sessions[0])
        assert [found async for found in rest.list_sessions(page_size=2)] == sessions[::-1]
        assert [found async for found in rest.list_sessions(limit=1)] == sessions[-1:]
        shown = await rest.get_session(sessions[0])
        assert (shown.training_run_ids, shown.sampler_ids) == ((model_id,), (sampler_id,))
        assert (await rest.get_sampler(sampler_id)).base_model == "random"
        with pytest.raises(NotFoundError):
            await rest.get_session("other")


async def test_sessions_are_searched_through_all_pages(tmp_path: Path) -> None:
    """Every filter narrows, and every summary says how its session is."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        first, second = [await site.session() for _ in range(2)]
        await site.post(f"sessions/{first}/finish", reason={"type": "success"}, detail=None)
        await rest.assign_session_project(second, "p")

        async def search(**filters: Any) -> list[str]:
            """Look once."""
            return [one.session_id async for one in rest.search_sessions(**filters)]

        assert await search(page_size=1) == [second, first]
        assert await search(project_ids=["p"]) == [second]
        assert await search(statuses=[SessionStatusQuery("active")]) == [second]
        assert await search(statuses=[SessionStatusQuery("client_finished", (FinishReason.ERRORED,))]) == []
        assert await search(owner=SearchOwner("user", ("someone",)), user_metadata={"a": "b"}) == []
        assert await search(session_id=first, display_name=None) == [first]
        newest, oldest = [one.status async for one in rest.search_sessions()]
        assert newest == SessionActive()
        assert isinstance(oldest, ClientSessionFinished)
        assert oldest.reason.type is FinishReason.SUCCESS


async def test_what_the_server_cannot_do_for_a_session_is_said_with_its_reason(tmp_path: Path) -> None:
    """The embedded server records no traces."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        with pytest.raises(RequestFailedError, match="could not be built: this server records no traces"):
            await rest.export_session_trace(await site.session())


async def test_a_trace_is_waited_for(autojump_clock: MockClock) -> None:
    """As long as it takes, with a pause between the questions."""
    states = [{"status": "pending"}, {"status": "pending"}, {"status": "ready", "url": "https://there"}]
    async with rest_over(lambda _: httpx.Response(200, json=states.pop(0))) as rest:
        assert await rest.export_session_trace("s") == "https://there"
    assert autojump_clock.current_time() == 2 * SETTINGS.figures.trace_interval


async def test_a_trace_that_is_ready_and_nowhere_is_an_error_of_the_server() -> None:
    """Rather than a link to nothing."""
    async with rest_over(lambda _: httpx.Response(200, json={"status": "ready"})) as rest:
        with pytest.raises(ResponseInvalid, match="url: expected a link"):
            await rest.export_session_trace("s")


async def test_the_server_tells_about_itself_and_about_the_key(tmp_path: Path) -> None:
    """Also without a session."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        assert (await rest.check_health()).status == "ok"
        assert [model.model_name for model in (await rest.get_server_capabilities()).supported_models] == ["random"]
        assert (await rest.get_api_key()).name.startswith("local-")
        with pytest.raises(ValueError, match="whoami needs one"):
            await rest.whoami()
        assert [found async for found in rest.list_sessions()] == []


async def test_administrators_see_what_the_server_has(tmp_path: Path) -> None:
    """This one bills nothing and knows how much it keeps."""
    async with open_site(tmp_path) as site, rest_of(site) as rest:
        await saved(site, await site.model(await site.session()), 1, "a")
        assert (await rest.admin.get_audit_log()).entries == ()
        day = datetime(2026, 1, 1, tzinfo=UTC)
        assert (await rest.admin.get_billing_usage(day, day + timedelta(days=1))).data == ()
        (item,) = (await rest.admin.get_current_checkpoint_storage_usage()).data
        assert item.checkpoint_count == 1
        assert item.size_bytes > 0


async def test_an_open_client_gives_rest_clients_on_its_connections(tmp_path: Path) -> None:
    """They see the session they come from."""
    async with open_site(tmp_path) as site:
        app: Any = site.app
        async with open_tinker(SETTINGS, below=httpx.ASGITransport(app)) as tinker:
            rest = tinker.create_rest_client()
            assert [found async for found in rest.list_sessions()] == [tinker.session_id]
            admin = tinker.create_admin_client()
            assert (await admin.get_current_checkpoint_storage_usage()).data == ()


@pytest.mark.parametrize(("ours", "theirs"), [(RestClient, SdkRestClient), (AdminClient, SdkAdminClient)])
def test_every_method_of_the_official_client_is_there(ours: type, theirs: type) -> None:
    """Under its name; the twins with ``_async`` and what moved to the other client are deprecated there."""
    names = {name for name, member in vars(theirs).items() if callable(member) and not name.startswith("_")}
    current = {name for name in names if not hasattr(getattr(theirs, name), "__deprecated__")}
    assert current - {"get_telemetry"} <= set(dir(ours))
    assert len(current) > 2


async def test_making_a_rest_client_asks_nothing(autojump_clock: MockClock) -> None:
    """Nor does making a list."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        before = len(fake.seen)
        rest = tinker.create_rest_client()
        assert isinstance(rest.admin, AdminClient)
        rest.list_training_runs()
        rest.search_sessions()
        assert len(fake.seen) == before
    assert autojump_clock.current_time() < 1
