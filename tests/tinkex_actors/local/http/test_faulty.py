"""Faults as clients see them."""

from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.tinkex_actors.local.site import Site, open_site
from tinkex_actors.local import ServerOptions, open_server
from tinkex_actors.local.faults import Fault, FaultKind, FaultPlan
from tinkex_actors.local.http.faulty import Faulty


def with_faults(site: Site, *faults: Fault) -> Site:
    """The same server, with faults."""
    return Site(Faulty(site.app, FaultPlan(list(faults))), site.service)


async def test_an_error_on_demand_carries_nothing_out(tmp_path: Path) -> None:
    """The next request passes."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        faulty = with_faults(site, Fault(kind=FaultKind.STATUS, status=503, count=1))
        assert (await faulty.step(model_id, 1)).status == 503
        assert site.service.shop.audit.count("optim_step") == 0
        assert (await faulty.fetch(await faulty.step(model_id, 1))).status == 200


async def test_a_duplicated_request_is_executed_once(tmp_path: Path) -> None:
    """Proxies send twice; the server must not do it twice."""
    async with open_site(tmp_path) as site:
        model_id = await site.model(await site.session())
        faulty = with_faults(site, Fault(kind=FaultKind.DUPLICATE, route="POST optim_step"))
        await faulty.fetch(await faulty.step(model_id, 1))
        assert site.service.shop.audit.count("optim_step") == 1


async def test_delays_take_their_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Before the request is carried out, or while its answer is sent."""
    async with open_site(tmp_path) as site:
        for kind in (FaultKind.DELAY, FaultKind.SLOW_BODY):
            started = autojump_clock.current_time()
            answered = await with_faults(site, Fault(kind=kind, seconds=5)).get("get_server_capabilities")
            assert answered.json["supported_models"]
            assert autojump_clock.current_time() - started == pytest.approx(5, rel=0.3)


async def test_garbage_has_the_length_and_status_of_the_answer(tmp_path: Path) -> None:
    """Only the bytes are wrong."""
    async with open_site(tmp_path) as site:
        right = await site.get("get_server_capabilities")
        wrong = await with_faults(site, Fault(kind=FaultKind.GARBAGE)).get("get_server_capabilities")
        assert (wrong.status, len(wrong.body)) == (200, len(right.body))
        assert wrong.body != right.body


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (FaultKind.DROP, httpx.RemoteProtocolError),
        (FaultKind.RESET, httpx.ReadError),
        (FaultKind.DROP_ANSWER, httpx.RemoteProtocolError),
        (FaultKind.STALL, httpx.RemoteProtocolError),
    ],
)
async def test_a_connection_breaks_over_a_real_socket(kind: FaultKind, seen: type[Exception]) -> None:
    """The client sees no answer at all, not a status; only one of them has carried the request out."""
    faults = FaultPlan([Fault(kind=kind, route="POST create_session", seconds=0.01, count=1)])
    async with open_server(ServerOptions(faults=faults)) as server, httpx.AsyncClient(base_url=server.url) as http:
        request = http.build_request(
            "POST",
            "/api/v1/create_session",
            json={"tags": [], "user_metadata": {}, "sdk_version": "0"},
            headers={"x-api-key": "tml-test"},
        )
        with trio.fail_after(10), pytest.raises(seen, match=r"without sending a response|reset by peer"):
            await http.send(request)
        sessions = (await http.get("/api/v1/sessions", headers={"x-api-key": "tml-test"})).json()["sessions"]
        assert len(sessions) == (1 if kind is FaultKind.DROP_ANSWER else 0)
        assert (await http.send(request)).status_code == 200


async def test_a_stall_ends_when_its_client_leaves() -> None:
    """Nobody is held up any more; a server that stops must not wait for it."""
    faults = FaultPlan([Fault(kind=FaultKind.STALL, seconds=3600.0)])
    with trio.fail_after(5):
        async with open_server(ServerOptions(faults=faults)) as server, httpx.AsyncClient(base_url=server.url) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.get("/api/v1/sessions", timeout=0.05)
