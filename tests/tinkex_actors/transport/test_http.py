"""What goes over the wire, what comes back, and that no secret leaks on the way."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tinkex_actors.settings import Figures, Settings
from tinkex_actors.transport.bottom import open_bottom
from tinkex_actors.transport.refusal import status_error
from tinkex_actors.transport.seam import Answer, Body, Route, Transport
from tinkex_actors.transport.stack import open_transport
from tinkex_actors.types.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    InternalServerError,
    RequestErrorCategory,
)

SECRET = "tml-very-secret"  # noqa: S105 - the tests look for it where it must not be
SETTINGS = Settings.from_environ({"TINKER_API_KEY": SECRET, "TINKER_BASE_URL": "https://host/services/tinker-prod/"})
ROUTE = Route(name="optim_step", path="/api/v1/optim_step")
Handler = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def http(handler: Handler, settings: Settings = SETTINGS) -> AsyncGenerator[Transport, None]:
    async with open_bottom(settings, below=httpx.MockTransport(handler)) as transport:
        yield transport


async def test_a_request_carries_the_headers_of_the_protocol() -> None:
    """Servers tell clients, attempts and duplicates apart by them."""
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"ok": True}, headers={"X-Request-Id": "r"})

    async with http(answer) as transport:
        got = await transport.send(ROUTE, Body(content=b"{}", idempotency_key="key", attempt=2, headers={"X-One": "1"}))
    (request,) = seen
    assert str(request.url) == "https://host/services/tinker-prod/api/v1/optim_step"
    expected = {"X-API-Key": SECRET, "X-Idempotency-Key": "key", "Content-Type": "application/json", "X-One": "1"}
    assert expected.items() <= {name: request.headers[name] for name in expected}.items()
    assert request.headers["x-stainless-retry-count"] == "2"
    assert request.headers["x-stainless-read-timeout"] == "60"
    assert (got.json(), got.headers["x-request-id"]) == ({"ok": True}, "r")


async def test_a_query_is_encoded_and_follows_the_path() -> None:
    """A time zone's plus is a plus, and not a space."""
    seen = list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return httpx.Response(200)

    async with http(answer) as transport:
        await transport.send(Route(name="r", path="/r", method="GET"), Body(query={"a": "1+1 & b", "c": "é"}))
    assert seen == ["/services/tinker-prod/r?a=1%2B1+%26+b&c=%C3%A9"]


async def test_a_signed_link_is_fetched_without_the_key() -> None:
    """Storage that the server points to is not the server."""
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.host == "host":
            return httpx.Response(302, headers={"location": "https://storage/log?signature=s"})
        return httpx.Response(200, content=b"there")

    async with http(answer) as transport:
        plain = await transport.send(Route(name="r", path="/r", method="GET"), Body())
        followed = await transport.send(Route(name="r", path="/r", method="GET", follows_redirect=True), Body())
    assert (plain.status, followed.content) == (302, b"there")
    assert str(seen[-1].url) == "https://storage/log?signature=s"
    assert SECRET not in str(seen[-1].headers)


@pytest.mark.parametrize("place", ["ftp://storage/log", "http://storage/log", "http://[", "https://storage:port/log"])
async def test_a_redirect_to_nowhere_is_a_lost_connection(place: str) -> None:
    """Or to a place without TLS."""
    async with http(lambda _: httpx.Response(302, headers={"location": place})) as transport:
        with pytest.raises(APIConnectionError, match="r: no answer from https://host"):
            await transport.send(Route(name="r", path="/r", method="GET", follows_redirect=True), Body())


async def test_a_get_has_no_body_and_no_key_of_its_own() -> None:
    """Reading twice is harmless; and ``:`` stays itself in a path while a space does not."""
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    route = Route(name="samplers", path="/api/v1/samplers/{sampler}", method="GET")
    async with http(answer) as transport:
        await transport.send(route, Body(path_values={"sampler": "s:sample:0 x"}))
    assert seen[0].url.raw_path == b"/services/tinker-prod/api/v1/samplers/s:sample:0%20x"
    assert "content-type" not in seen[0].headers
    assert "x-idempotency-key" not in seen[0].headers


@pytest.mark.tinkex("T60")
async def test_access_headers_are_sent_and_given_headers_win() -> None:
    """A service behind an access proxy needs them on every request."""
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    settings = evolve(
        SETTINGS, access_headers={"CF-Access-Client-Id": "a"}, default_headers={"cf-access-client-id": "b"}
    )
    async with http(answer, settings) as transport:
        await transport.send(ROUTE, Body())
    assert seen[0].headers.get_list("CF-Access-Client-Id") == ["b"]


@pytest.mark.tinkex("T57")
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (httpx.ConnectError("refused"), APIConnectionError),
        (httpx.RemoteProtocolError("closed mid-response"), APIConnectionError),
        (httpx.ReadTimeout("silent"), APITimeoutError),
        (httpx.ConnectTimeout("silent"), APITimeoutError),
        (httpx.DecodingError("bad gzip"), APIConnectionError),
    ],
)
async def test_every_way_to_get_no_answer_is_one_error(fault: Exception, error: type[APIConnectionError]) -> None:
    """Callers react to the lack of an answer, not to the library below."""

    def fail(request: httpx.Request) -> httpx.Response:
        del request
        raise fault

    async with http(fail) as transport:
        with pytest.raises(error, match="optim_step: no answer from https://host") as failure:
            await transport.send(ROUTE, Body())
    assert type(failure.value) is error
    assert SECRET not in str(failure.value)


async def test_a_header_that_cannot_be_sent_does_not_show_the_key() -> None:
    """The library below quotes the offending header in its message; ours must not."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.LocalProtocolError(f"Illegal header value {request.headers['X-API-Key']}")

    async with http(fail) as transport:
        with pytest.raises(APIConnectionError) as failure:
            await transport.send(ROUTE, Body())
    assert SECRET not in str(failure.value)


async def test_a_redirect_is_not_followed() -> None:
    """The key goes to the address in the settings and nowhere else."""
    hosts = list[str]()

    def redirect(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(302, headers={"location": "https://elsewhere.example/"})

    async with http(redirect) as transport:
        assert (await transport.send(ROUTE, Body())).status == 302
    assert hosts == ["host"]


async def test_an_answer_that_is_not_json_is_still_text() -> None:
    """A proxy's page of HTML ends in an error message, not in a second failure."""
    answer = Answer(status=502, content=b"<html>bad gateway" + b"!" * 1000)
    error = status_error(ROUTE, answer)
    assert isinstance(error, InternalServerError)
    assert "<html>bad gateway" in str(error)
    assert len(str(error)) < 600


def test_a_refusal_says_who_why_and_what_next() -> None:
    """Status, body and attempts travel with it."""
    error = status_error(ROUTE, Answer(status=401, content=b'{"detail": "unknown key"}', attempts=3))
    assert isinstance(error, AuthenticationError)
    assert str(error) == "optim_step was answered with 401: unknown key; check the API key"
    assert (error.status_code, error.body, error.attempts) == (401, {"detail": "unknown key"}, 3)


def test_a_key_that_the_server_quotes_is_not_in_the_error() -> None:
    """An error's text lands in bug reports; what the server said about fields of a request stays."""
    said = b'{"detail": "tml-very-secret is revoked; so is Bearer eyJhbGciOi.x.y; unknown key: beta3"}'
    error = status_error(ROUTE, Answer(status=403, content=said))
    assert "403: tml-*** is revoked; so is Bearer ***; unknown key: beta3" in str(error)
    assert "setting proxy" in str(status_error(ROUTE, Answer(status=407, content=b"")))


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (422, b'{"detail":[{"loc":["body","lora","rank"],"msg":"too low","input":"tml-secret-1"},{"msg":"bad"}]}',
         "body.lora.rank: too low; bad"),
        (400, b'{"detail":[1]}', "{'detail': [1]}"),
        (400, b'{"detail":[{"msg":"bad"},7]}', "bad; another fault"),
        (400, b'{"detail":{"error":{"message":"deep"}}}', "deep"),
        (400, b'{"error":{"message":"as others say it","code":7}}', "as others say it"),
        (400, b'{"detail":null}', "no explanation"),
        (403, b'{"detail":"tml-secret-1 is not yours"}', "tml-*** is not yours; the key may not do this"),
        (401, b"Bearer eyJhbGciOi.eyJzdWIi.sig: expired", "Bearer *** expired; check the API key"),
        (502, b"<html>\n<head><TITLE> 502 Bad Gateway </TITLE></head>" + b"<p>nginx" * 9999, "a page of HTML, '502 Bad Gateway'"),
        (400, b"invalid token: 99999 of 512", "invalid token: 99999 of 512"),
    ],
)  # fmt: skip
def test_a_refusal_is_a_sentence_whatever_the_server_says(status: int, body: bytes, sentence: str) -> None:
    """The server's words, found where frameworks put them; no page of markup, and no secret that it repeats to us."""
    assert str(status_error(ROUTE, Answer(status=status, content=body))) == (
        f"optim_step was answered with {status}: {sentence}"
    )


def test_a_redirect_says_where_to() -> None:
    """It is not followed, so the reader has to: without what may be secret in the address."""
    answer = Answer(status=308, headers={"location": "https://a:b@other.example/services/x?sig=secret"})
    assert str(status_error(ROUTE, answer)) == (
        "optim_step was answered with 308: no explanation; it points to 'https://***@other.example/services/x'; "
        "if the server is there, set base_url to it"
    )


@pytest.mark.tinkex("T56", "F103", "F234")
@pytest.mark.parametrize(
    ("status", "body", "category"),
    [
        (400, b'{"detail": "x", "category": "Server"}', RequestErrorCategory.SERVER),
        (503, b'{"category": "user"}', RequestErrorCategory.USER),
        (422, b'{"detail": "x"}', RequestErrorCategory.USER),
        (404, b"", RequestErrorCategory.USER),
        (500, b"<html>", RequestErrorCategory.SERVER),
        (503, b'{"category": 7}', RequestErrorCategory.SERVER),
    ],
)
def test_a_refusal_has_the_category_of_its_body_or_of_its_status(
    status: int, body: bytes, category: RequestErrorCategory
) -> None:
    """Whose fault it was, where a program decides by that."""
    assert status_error(ROUTE, Answer(status=status, content=body)).category is category


async def test_the_whole_stack_rides_out_a_storm(autojump_clock: MockClock) -> None:
    """Drops, garbage, timeouts and errors below; one success above."""
    storm: list[int | Exception] = [
        httpx.ConnectError("down"),
        httpx.ReadTimeout("slow"),
        500,
        429,
        httpx.ReadError("reset"),
        200,
    ]

    def play(request: httpx.Request) -> httpx.Response:
        del request
        match storm.pop(0):
            case int() as status:
                return httpx.Response(status, json={})
            case Exception() as fault:
                raise fault

    async with open_transport(SETTINGS, below=httpx.MockTransport(play)) as transport:
        answer = await transport.send(ROUTE, Body())
    assert (answer.status, answer.attempts) == (200, 6)
    assert autojump_clock.current_time() > 0


async def test_cancelling_a_request_leaves_no_connection() -> None:
    """A real socket: after the cancelled request the server sees the end of the stream."""
    closed = trio.Event()

    async def swallow(stream: trio.SocketStream) -> None:
        async for _ in stream:
            arrived.set()
        closed.set()

    arrived = trio.Event()
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, swallow, 0, host="127.0.0.1")
        listeners: list[trio.SocketListener] = await nursery.start(serve)
        port = listeners[0].socket.getsockname()[1]
        settings = evolve(Settings.local(f"http://127.0.0.1:{port}"), figures=Figures(max_retries=0))
        async with open_transport(settings) as transport, trio.open_nursery() as doomed:
            doomed.start_soon(transport.send, ROUTE, Body())
            await arrived.wait()
            doomed.cancel_scope.cancel()
        with trio.fail_after(2):
            await closed.wait()
        nursery.cancel_scope.cancel()


async def test_a_server_that_is_not_there_is_named() -> None:
    """The sentence a person sees names the address."""
    settings = evolve(Settings.local("http://127.0.0.1:1"), figures=Figures(max_retries=0))
    async with open_transport(settings) as transport:
        with pytest.raises(APIConnectionError, match=r"no answer from http://127\.0\.0\.1:1 \(ConnectError"):
            await transport.send(ROUTE, Body())
