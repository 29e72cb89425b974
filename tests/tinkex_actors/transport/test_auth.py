"""The credential of each request: plain, printed by a command, or exchanged; and never in what people can read."""

import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import trio
from attrs import define, evolve, field
from structlog.testing import capture_logs
from trio.testing import MockClock

from tinkex_actors.settings import Figures, Settings
from tinkex_actors.transport.auth import Authorized
from tinkex_actors.transport.dump import Dumping
from tinkex_actors.transport.seam import Answer, Body, Route
from tinkex_actors.types import (
    APIStatusError,
    AuthenticationError,
    ClientConfigResponse,
    CredentialError,
    InternalServerError,
    TinkerError,
)

ROUTE = Route(name="get_info", path="/api/v1/get_info")
SETTINGS = Settings.from_environ({}, api_key="tml-raw-secret")
TOKENS = ClientConfigResponse(pjwt_auth_enabled=True)
REJECTION = Answer(status=401, headers={"www-authenticate": 'Bearer error="invalid_token"'})


def jwt(issued: float, expires: object, name: str = "a") -> str:
    claims = urlsafe_b64encode(orjson.dumps({"iat": issued, "exp": expires, "sub": name})).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{claims}.c2lnbmF0dXJl"


@define
class Server:
    """Exchanges credentials and notes what each request carried."""

    make: Callable[[int], Answer]
    answers: list[Answer] = field(factory=list[Answer])
    exchanges: list[str] = field(factory=list[str])
    keys: list[str] = field(factory=list[str])
    latency: float = 0.0

    async def send(self, route: Route, body: Body, /) -> Answer:
        key = body.headers.get("X-API-Key", "(the client's)")
        await trio.sleep(self.latency)
        if route.path == "/api/v1/auth/token":
            self.exchanges.append(key)
            return self.make(len(self.exchanges))
        self.keys.append(key)
        return self.answers.pop(0) if self.answers else Answer(status=200)


def token_of(life: float = 1000.0) -> Callable[[int], Answer]:
    """Each exchange brings another token that lives so long."""
    return lambda count: Answer(
        status=200,
        content=orjson.dumps({"jwt": jwt(trio.current_time(), trio.current_time() + life, f"token-{count}")}),
    )


def authorized(server: Server, settings: Settings = SETTINGS, config: ClientConfigResponse = TOKENS) -> Authorized:
    return Authorized(server, settings, lambda: config, chance=lambda: 0.5, now=trio.current_time)


async def test_a_plain_key_costs_nothing(autojump_clock: MockClock) -> None:
    """It is among the client's headers already."""
    server = Server(token_of())
    await authorized(server, config=ClientConfigResponse()).send(ROUTE, Body())
    assert (server.keys, server.exchanges) == (["(the client's)"], [])
    assert autojump_clock.current_time() == 0


async def test_a_token_is_used_to_the_middle_of_its_life_and_replaced_once(autojump_clock: MockClock) -> None:
    """A crowd of requests makes one exchange; those that come during it use the old token."""
    server = Server(token_of(1000.0), latency=1.0)
    layer = authorized(server)
    for pause in (0, 400, 200):
        await trio.sleep(pause)
        async with trio.open_nursery() as crowd:
            for _ in range(10):
                crowd.start_soon(layer.send, ROUTE, Body())
    assert server.exchanges == ["tml-raw-secret"] * 2
    assert [len(set(server.keys[i : i + 10])) for i in (0, 10)] == [1, 1]
    assert server.keys[0] == server.keys[10]
    assert len(set(server.keys[20:])) == 2
    assert autojump_clock.current_time() > 600


async def test_an_exchange_that_fails_leaves_the_old_token_in_use_until_its_end(autojump_clock: MockClock) -> None:
    """The service's token office may be closed while the rest works."""
    good = token_of(1000.0)
    server = Server(lambda count: good(count) if count == 1 else Answer(status=503))
    layer = authorized(server)
    await layer.send(ROUTE, Body())
    await trio.sleep(600)
    await layer.send(ROUTE, Body())
    assert len(set(server.keys)) == 1
    await trio.sleep(400)
    with pytest.raises(InternalServerError):
        await layer.send(ROUTE, Body())
    assert len(server.exchanges) == 3
    assert autojump_clock.current_time() == 1000


async def test_a_rejected_token_is_replaced_once_for_all_and_the_request_sent_once_more(
    autojump_clock: MockClock,
) -> None:
    """A plain 401 is final, and so is a second rejection."""
    server = Server(token_of(), latency=1.0)
    layer = authorized(server)
    await layer.send(ROUTE, Body())
    server.answers = [REJECTION] * 5
    async with trio.open_nursery() as crowd:
        for _ in range(5):
            crowd.start_soon(layer.send, ROUTE, Body())
    assert len(server.exchanges) == 2
    server.answers = [Answer(status=401)]
    assert (await layer.send(ROUTE, Body())).status == 401
    server.answers = [REJECTION, REJECTION]
    assert (await layer.send(ROUTE, Body())).status == 401
    assert len(server.exchanges) == 3
    assert autojump_clock.current_time() > 0


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=401, content=b'{"detail": "unknown key"}'), AuthenticationError),
        (Answer(status=200, content=b"{}"), TinkerError),
        (Answer(status=200, content=b'{"jwt": 7}'), TinkerError),
        (Answer(status=200, content=b"<html>"), TinkerError),
        (Answer(status=302), APIStatusError),
    ],
)
async def test_an_office_that_gives_no_token_is_a_typed_error(
    answer: Answer, error: type[TinkerError], autojump_clock: MockClock
) -> None:
    """Whatever it says instead."""
    with pytest.raises(error) as failed:
        await authorized(Server(lambda _: answer)).send(ROUTE, Body())
    assert "tml-raw" not in repr(failed.value) + str(failed.value)
    assert autojump_clock.current_time() == 0


@pytest.mark.parametrize("ends", ["soon", None, True, 1e400, -1, [], 10**30])
async def test_a_token_with_strange_times_is_used_for_a_while(ends: object, autojump_clock: MockClock) -> None:
    """Its signature and its times are the server's business."""
    text = orjson.dumps({"jwt": jwt(0, ends if ends != 10**30 else 1e30)})
    server = Server(lambda _: Answer(status=200, content=text))
    layer = authorized(server)
    await layer.send(ROUTE, Body())
    await layer.send(ROUTE, Body())
    assert len(server.exchanges) == 1
    assert autojump_clock.current_time() == 0


def command(script: str) -> Settings:
    return Settings.from_environ(
        {}, credential_command=f'"{sys.executable}" -c "{script}"', figures=Figures(credential_timeout=20)
    )


async def test_a_command_is_asked_again_when_its_key_is_old(tmp_path: Path) -> None:
    """A process for each request would cost more than the request."""
    count = tmp_path / "count"
    settings = command(f"open('{count}', 'a').write('x'); print('tml-printed')")
    now, server = [0.0], Server(token_of())
    layer = Authorized(server, settings, ClientConfigResponse, chance=lambda: 0.0, now=lambda: now[0])
    for at in (0.0, 299.0, 301.0):
        now[0] = at
        await layer.send(ROUTE, Body())
    assert server.keys == ["tml-printed"] * 3
    assert count.read_text() == "xx"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("pass", "must begin with 'tml-' or 'eyJ', got 0 characters"),
        ("print('hunter2')", "got 7 characters that do not"),
        ("print('tml-a tml-b')", "printable ASCII without spaces"),
        ("import sys; print('tml-secret'); sys.stderr.write('hunter2'); sys.exit(3)", "ended with status 3"),
        (f"print('{jwt(0, 1)}')", "expired"),
    ],
)
async def test_a_command_that_prints_no_key_is_a_typed_error_without_a_secret(script: str, message: str) -> None:
    """What it printed may be the wrong secret."""
    settings = command(script)
    layer = Authorized(Server(token_of()), settings, ClientConfigResponse, chance=lambda: 0.0)
    with pytest.raises(CredentialError, match=message) as failed:
        await layer.send(ROUTE, Body())
    shown = str(failed.value) + repr(settings)
    assert not any(secret in shown for secret in ("hunter2", "tml-secret", "tml-a", "eyJhb"))


async def test_a_command_that_hangs_is_killed() -> None:
    """A password prompt that nobody sees must not stop the client for ever."""
    settings = evolve(command("import time; time.sleep(100)"), figures=Figures(credential_timeout=0.2))
    layer = Authorized(Server(token_of()), settings, ClientConfigResponse, chance=lambda: 0.0)
    with pytest.raises(CredentialError, match=r"must end within 0\.2 s"):
        await layer.send(ROUTE, Body())


async def test_the_server_may_want_the_command_in_spite_of_a_key(autojump_clock: MockClock) -> None:
    """An organisation that forbids long-lived keys says so in its configuration."""
    server = Server(token_of())
    config = evolve(TOKENS, credential_default_source="credential_cmd")
    with pytest.raises(CredentialError, match="set TINKER_CREDENTIAL_CMD"):
        await authorized(server, config=config).send(ROUTE, Body())
    given = Settings.from_environ({}, api_key=jwt(0, 500))
    await authorized(server, given, config).send(ROUTE, Body())
    assert server.exchanges == [given.api_key]
    await trio.sleep(600)
    with pytest.raises(CredentialError, match="has expired"):
        await authorized(server, given, config).send(ROUTE, Body())
    assert autojump_clock.current_time() == 600


@pytest.mark.tinkex("T61")
async def test_no_secret_shows_in_a_dump(autojump_clock: MockClock) -> None:
    """Headers and bodies are shown for debugging; keys, tokens and the exchange are not."""
    server = Server(token_of())
    settings = evolve(
        SETTINGS,
        access_headers={"CF-Access-Client-Secret": "sesame"},
        default_headers={"X-Custom": "seen", "Authorization": "Bearer hidden"},
        dump_headers=True,
        dump_bytes=100,
    )
    layer = Authorized(Dumping(server, settings), settings, lambda: TOKENS, chance=lambda: 0.0)
    server.answers = [Answer(status=200, headers={"set-cookie": "crumb", "x-request-id": "r-1"}, content=b"told")]
    with capture_logs() as logs:
        await layer.send(ROUTE, Body(content=b"asked"))
    text = repr(logs)
    assert not any(secret in text for secret in ("tml-raw", "eyJ", "sesame", "hidden", "crumb"))
    assert all(word in text for word in ("asked", "told", "seen", "r-1", "> POST /api/v1/get_info", "< 200"))
    assert autojump_clock.current_time() == 0
