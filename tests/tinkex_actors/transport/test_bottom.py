"""What lies below the layers, by choice: the pool, a transport, a client of a user's, a proxy."""

import gzip
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from traceback import format_exception

import httpx
import pytest
import trio
import trustme
import zstandard
from attrs import evolve

from tests.tinkex_actors.transport.lean.stage import OK, Guest, Stage, open_stage, serve_ok
from tests.tinkex_actors.transport.test_auth import jwt
from tinkex_actors.clients import open_tinker
from tinkex_actors.settings import Figures, Settings
from tinkex_actors.transport.bottom import _lane_limits, is_proxied, open_bottom
from tinkex_actors.transport.lean.limits import Limits
from tinkex_actors.transport.lean.transport import LeanTransport
from tinkex_actors.transport.seam import Body, Lane, Route
from tinkex_actors.transport.stack import open_transport
from tinkex_actors.types import ClientConfigResponse
from tinkex_actors.types.errors import APIConnectionError, APIStatusError, APITimeoutError
from tinkex_actors.wire import BodyParts

SECRET = "tml-very-secret"  # noqa: S105 - the tests look for it where it must not be
HOT = Route(name="asample", path="/api/v1/asample", lane=Lane.SAMPLE)
COLD = Route(name="create_session", path="/api/v1/create_session")
Say = Callable[[bytes], bytes]


def settings_for(stage: Stage) -> Settings:
    return Settings.from_environ({}, api_key=SECRET, base_url=stage.url + "/base")


@asynccontextmanager
async def open_server(say: Say = lambda _: OK) -> AsyncGenerator[tuple[Stage, list[bytes]], None]:
    """A server that answers each request with what *say* makes of it, and remembers them."""
    heard: list[bytes] = []

    async def serve(guest: Guest) -> None:
        while request := await guest.hear():
            heard.append(request)
            await guest.stream.send_all(say(request))

    async with open_stage(serve) as stage:
        yield stage, heard


def fields(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


async def test_hot_and_cold_requests_carry_the_same_headers() -> None:
    """Rendered once or made by httpx, a server cannot tell."""
    async with open_server() as (stage, heard), open_bottom(settings_for(stage)) as transport:
        for lane in (Lane.SAMPLE, Lane.CONTROL):
            body = Body(content=b"{}", idempotency_key="k", attempt=3, headers={"X-One": "1"})
            answer = await transport.send(evolve(HOT, lane=lane), body)
            assert (answer.status, answer.content) == (200, b"ok")
    hot, cold = heard
    assert hot.startswith(b"POST /base/api/v1/asample HTTP/1.1\r\nHost: ")
    assert hot.endswith(b"\r\nContent-Length: 2\r\n\r\n{}")
    assert fields(hot) == {
        name: text for name, text in fields(cold).items() if name not in {"accept", "connection"}
    } | {"accept": "application/json"}
    assert fields(hot)["x-api-key"] == SECRET


async def test_hot_requests_carry_the_exchanged_token_and_the_one_after_it() -> None:
    """Their heads are rendered beforehand, with the key in them: the token must stand in its place, and alone."""
    tokens = [jwt(time(), time() + 1000, name) for name in ("first", "second")]
    refusal = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error="invalid_token"\r\nContent-Length: 0\r\n\r\n'
    exchanges = list[bytes]()

    def say(request: bytes) -> bytes:
        if b"/auth/token" in request:
            exchanges.append(request)
            content = b'{"jwt":"%b"}' % tokens[len(exchanges) - 1].encode()
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)
        return refusal if b"revoked" in request and tokens[0].encode() in request else OK

    config = ClientConfigResponse(pjwt_auth_enabled=True)
    async with (
        open_server(say) as (stage, heard),
        open_transport(settings_for(stage), config=lambda: config) as transport,
    ):
        for content in (b"{}", b"revoked", b"{}"):
            assert (await transport.send(HOT, Body(content=content, idempotency_key="k"))).status == 200
    hot = [request for request in heard if request not in exchanges]
    assert [fields(request)["x-api-key"] for request in hot] == [tokens[0], tokens[0], tokens[1], tokens[1]]
    assert all(request.lower().count(b"x-api-key:") == 1 and SECRET.encode() not in request for request in hot)
    assert [fields(request)["x-api-key"] for request in exchanges] == [SECRET, SECRET]


async def test_a_header_of_one_request_wins_over_the_client_s() -> None:
    """A renewed token goes out with the next request, and once."""
    async with open_server() as (stage, heard), open_bottom(settings_for(stage)) as transport:
        await transport.send(HOT, Body(content=b"{}", headers={"x-api-key": "eyJ-new"}))
    assert heard[0].lower().count(b"x-api-key") == 1
    assert fields(heard[0])["x-api-key"] == "eyJ-new"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0", "å"])
async def test_a_header_that_would_be_two_is_never_sent(value: str) -> None:
    """Nor shown: it may be the key."""
    async with open_server() as (stage, heard), open_bottom(settings_for(stage)) as transport:
        for route in (HOT, COLD):
            with pytest.raises(APIConnectionError, match=r"\(LocalProtocolError\)$"):
                await transport.send(route, Body(content=b"{}", headers={"X-Token": value}))
    assert not heard


async def test_a_body_in_pieces_arrives_as_one() -> None:
    """Over the pool as it is, over httpx joined."""
    parts = BodyParts((b"abc", memoryview(b"def")), 6)
    async with open_server() as (stage, heard), open_bottom(settings_for(stage)) as transport:
        await transport.send(HOT, Body(content=parts))
        await transport.send(COLD, Body(content=parts))
    assert [request.partition(b"\r\n\r\n")[2] for request in heard] == [b"abcdef", b"abcdef"]


async def test_compressed_answers_are_decoded_on_both_ways() -> None:
    """As requests ask for."""
    coded = {b"gzip": gzip.compress(b"hello"), b"zstd": zstandard.ZstdCompressor().compress(b"hello")}

    def say(request: bytes) -> bytes:
        assert "zstd" in fields(request)["accept-encoding"]
        name = request.rpartition(b"\r\n\r\n")[2]
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
        return head % (name, len(coded[name])) + coded[name]

    async with open_server(say) as (stage, _), open_bottom(settings_for(stage)) as transport:
        for route in (HOT, COLD):
            for name in coded:
                assert (await transport.send(route, Body(content=name))).content == b"hello"


async def test_a_damaged_answer_is_no_answer() -> None:
    """On both ways the same error, so that it is tried again."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx"
    async with open_server(lambda _: raw) as (stage, _), open_bottom(settings_for(stage)) as transport:
        for route in (HOT, COLD):
            with pytest.raises(APIConnectionError, match="DecodingError"):
                await transport.send(route, Body(content=b"{}"))


async def test_silence_is_a_timeout_on_both_ways() -> None:
    """By the endpoint's own figure."""

    async def silent(guest: Guest) -> None:
        await guest.hear()
        await trio.sleep_forever()

    async with open_stage(silent) as stage:
        settings = settings_for(stage)
        quick = evolve(settings, figures=evolve(settings.figures, request_timeout=0.01))
        async with open_bottom(quick) as transport:
            for route in (HOT, COLD):
                with pytest.raises(APITimeoutError, match=f"{route.name}: no answer from http://127"):
                    await transport.send(route, Body(content=b"{}"))


async def test_a_server_that_moves_is_followed() -> None:
    """A server inside the program may come back at another port."""
    async with open_server() as (one, first), open_server() as (two, second):
        place = [one.url]
        async with open_bottom(settings_for(one), address=lambda: place[0]) as transport:
            await transport.send(HOT, Body(content=b"{}"))
            place[0] = two.url
            await transport.send(HOT, Body(content=b"{}"))
    assert (len(first), len(second)) == (1, 1)


async def test_a_repeatable_request_survives_a_connection_that_died_idle() -> None:
    """It carries its key, so the server knows a repeat; without one it is the caller's to decide."""

    async def serve(guest: Guest) -> None:
        await guest.answer()
        if guest.number == 0:
            await guest.hear()
        else:
            await serve_ok(guest)

    async with open_stage(serve) as stage, open_bottom(settings_for(stage)) as transport:
        await transport.send(HOT, Body(content=b"{}", idempotency_key="k1"))
        assert (await transport.send(HOT, Body(content=b"{}", idempotency_key="k2"))).status == 200
    assert len(stage.guests) == 2


@pytest.mark.parametrize("kind", ["mock", "client", "lean client"])
async def test_a_user_s_transport_or_client_carries_everything(kind: str) -> None:
    """Their mocks, hooks and certificates are theirs; a client stays open when we close."""
    seen: list[str] = []

    async def hook(request: httpx.Request) -> None:
        seen.append(request.url.path)

    async with open_server() as (stage, heard):

        async def answer(request: httpx.Request) -> httpx.Response:
            heard.append(request.headers["x-api-key"].encode())
            await hook(request)
            return httpx.Response(200, content=b"ok")

        mock = httpx.MockTransport(answer)
        lean = LeanTransport(stage.pool)
        client = httpx.AsyncClient(
            transport=lean if kind == "lean client" else mock,
            event_hooks={"request": [hook]} if "lean" in kind else None,
        )
        async with client, open_bottom(settings_for(stage), below=mock if kind == "mock" else client) as transport:
            for route in (HOT, COLD):
                body = Body(content=BodyParts((b"a", b"b"), 2), idempotency_key="k")
                assert (await transport.send(route, body)).content == b"ok"
            assert not client.is_closed
    assert seen == ["/base/api/v1/asample", "/base/api/v1/create_session"]
    assert all(SECRET.encode() in request for request in heard)


async def test_a_proxy_in_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """By httpx's own transport: the pool makes no tunnels."""
    async with open_server() as (stage, heard):
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv("HTTP_PROXY", stage.url)
        settings = Settings.from_environ({}, api_key=SECRET, base_url="http://tinker.example/base")
        async with open_bottom(settings) as transport:
            assert (await transport.send(HOT, Body(content=b"{}"))).status == 200
        assert heard[0].startswith(b"POST http://tinker.example/base/api/v1/asample HTTP/1.1\r\n")
        assert not is_proxied("https://tinker.example")
        assert not is_proxied("http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "tinker.example")
        assert not is_proxied("http://tinker.example")
        monkeypatch.setenv("ALL_PROXY", stage.url)
        assert is_proxied("https://other.example")


@pytest.mark.parametrize("url", ["http://me:sesame@proxy:8o", "gopher://me:sesame@proxy", "socks5://me:sesame@proxy:1"])
async def test_a_proxy_of_the_environment_that_cannot_be_used_is_refused_at_the_door(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has set it, so the variables are named; its password is not."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", url)
    monkeypatch.setitem(sys.modules, "socksio", None)
    settings = Settings.from_environ({}, api_key=SECRET, base_url="https://tinker.example")
    with pytest.raises(ValueError, match=r"a proxy of the environment cannot be used.*check HTTPS_PROXY") as refused:
        async with open_bottom(settings):
            raise AssertionError
    assert "sesame" not in "".join(format_exception(refused.value))


async def test_what_cannot_carry_requests_is_refused_at_the_door() -> None:
    """A client of the other kind, or one that is closed already, would fail as a puzzle in the first request."""
    settings = Settings.local("http://tinker.example")
    closed = httpx.AsyncClient()
    await closed.aclose()
    with httpx.Client() as synchronous:
        for below, message in (
            (synchronous, "below must be an httpx.AsyncClient .*, got Client"),
            (httpx.HTTPTransport(), "got HTTPTransport"),
            (closed, "got one that is closed; open ours inside its block"),
        ):
            with pytest.raises((TypeError, ValueError), match=message):
                async with open_bottom(settings, below=below):  # type: ignore[arg-type]  # the point of the test
                    raise AssertionError


async def test_what_is_for_the_proxy_reaches_the_proxy_alone(tmp_path: Path) -> None:
    """A tunnel: its maker hears our name and our headers, and the server behind it the key, under its own certificate."""
    authority, asked, tunnelled = trustme.CA(), list[bytes](), list[bytes]()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate = authority.issue_cert("tinker.example")
    certificate.configure_cert(server_tls)  # pyright: ignore[reportUnknownMemberType] - pyOpenSSL's part has no types

    async def tunnel(guest: Guest) -> None:
        asked.append(await guest.hear())
        await guest.stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        inside = Guest(trio.SSLStream(guest.stream, server_tls, server_side=True), 0)
        tunnelled.append(await inside.hear())
        await inside.stream.send_all(OK)
        await trio.sleep_forever()

    async with open_stage(tunnel) as stage:
        settings = Settings.from_environ(
            {},
            api_key=SECRET,
            base_url="https://tinker.example",
            proxy=stage.url.replace("://", "://me:sesame@"),
            proxy_headers={"X-Proxy": "opal"},
            ca_file=str(tmp_path / "ca.pem"),
        )
        async with open_transport(settings) as transport:
            assert (await transport.send(HOT, Body(content=b"{}"))).content == b"ok"
    (connect,), (request,) = asked, tunnelled
    assert connect.startswith(b"CONNECT tinker.example:443 HTTP/1.1\r\n")
    assert b"X-Proxy: opal" in connect
    assert b"Proxy-Authorization: Basic " + b64encode(b"me:sesame") in connect
    assert SECRET.encode() not in connect
    assert request.startswith(b"POST /api/v1/asample HTTP/1.1\r\n")
    assert SECRET.encode() in request
    assert b"proxy" not in request.lower()


def test_each_lane_has_the_figures_that_are_its_own() -> None:
    """They are wired by hand, and a lane with another's limit works, slowly."""
    figures = Figures(
        submit_connections=11,
        sample_connections=12,
        retrieve_connections=13,
        control_connections=14,
        idle_connection_timeout=2.5,
    )
    counts = {Lane.SUBMIT: 11, Lane.SAMPLE: 12, Lane.RETRIEVE: 13, Lane.CONTROL: 14, Lane.TELEMETRY: 14}
    assert _lane_limits(figures) == {
        lane.value: Limits(connections=count, idle_seconds=2.5) for lane, count in counts.items()
    }
    assert set(counts) == set(Lane)


@pytest.mark.parametrize("route", [HOT, COLD])
async def test_a_query_of_the_settings_is_on_every_address(route: Route) -> None:
    """Also of hot requests, whose heads are written in advance; a request's own word wins."""
    async with open_server() as (stage, heard):
        settings = evolve(settings_for(stage), default_query={"tenant": "all", "mine": "no"})
        async with open_bottom(settings) as transport:
            await transport.send(route, Body(content=b"{}", query={"mine": "yes"}))
    assert heard[0].startswith(f"POST /base{route.path}?tenant=all&mine=yes HTTP/1.1\r\n".encode())


async def test_nobody_waits_longer_for_a_connection_than_for_an_answer() -> None:
    """A heartbeat has ten seconds in all; a black hole must not take more."""
    seen = list[dict[str, float]]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return httpx.Response(200)

    figures = Figures(request_timeout=3.0, connect_timeout=5.0)
    settings = evolve(Settings.local("http://tinker.example"), figures=figures)
    async with open_bottom(settings, below=httpx.MockTransport(answer)) as transport:
        await transport.send(COLD, Body())
    assert (seen[0]["connect"], seen[0]["read"]) == (3.0, 3.0)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_wants_a_password_is_told_as_such(scheme: str) -> None:
    """With a tunnel or without: no retry would help, and the next step is in the message."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with open_server(lambda _: refusal) as (stage, heard):
        settings = Settings.from_environ(
            {}, api_key=SECRET, base_url=f"{scheme}://tinker.example", proxy=stage.url, telemetry=False
        )
        with pytest.raises(APIStatusError, match=r"407: .*that is the proxy: write its name and password") as refused:
            async with open_tinker(settings):
                raise AssertionError
    assert refused.value.status_code == 407
    assert len(heard) == 1
