"""The dump: as much as was asked for, and no secret, before any log has redacted anything."""

import pytest
import trio
from trio.testing import MockClock

from tinkex_actors.settings import Settings
from tinkex_actors.transport import dump
from tinkex_actors.transport.dump import Dumping
from tinkex_actors.transport.endpoints import AUTH_TOKEN
from tinkex_actors.transport.seam import Answer, Body, Route
from tinkex_actors.types.errors import APIConnectionError
from tinkex_actors.wire import BodyParts

ROUTE = Route(name="get_info", path="/api/v1/get_info")


class Log:
    """Keeps what it is told, as it is told: the library's own would redact it once more."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, object]]] = []

    def debug(self, event: str, **fields: object) -> None:
        self.told.append((event, fields))


class Server:
    """Gives one answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    async def send(self, _route: Route, _body: Body, /) -> Answer:
        return self.answer


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(dump, "_log", log)
    return log


def settings_for(dump_bytes: int, **headers: str) -> Settings:
    return Settings.from_environ({}, api_key="tml-x", dump_headers=True, dump_bytes=dump_bytes, default_headers=headers)


async def test_headers_that_only_sound_like_secrets_are_masked_both_ways(autojump_clock: MockClock, log: Log) -> None:
    """Their names are anybody's to invent; an answer sets cookies."""
    answer = Answer(status=200, headers={"x-sso-authority": "ruby", "set-cookie": "agate", "x-request-id": "r-1"})
    settings = settings_for(0, **{"X-Sso-Keyring": "opal", "X-Colour": "seen"})
    await Dumping(Server(answer), settings).send(ROUTE, Body(headers={"X-Signature-2": "onyx"}))
    text = repr(log.told)
    assert not any(secret in text for secret in ("opal", "onyx", "ruby", "agate"))
    assert all(word in text for word in ("X-Sso-Keyring", "seen", "r-1"))
    assert autojump_clock.current_time() == 0


@pytest.mark.parametrize("asked", [b"question", BodyParts((b"quest", b"ion"), 8)])
async def test_of_a_body_as_many_bytes_are_shown_as_the_settings_say(
    autojump_clock: MockClock, log: Log, asked: bytes | BodyParts
) -> None:
    """A training batch has megabytes; its size is told."""
    layer = Dumping(Server(Answer(status=200, content=b"replied")), settings_for(3))
    await layer.send(ROUTE, Body(content=asked))
    assert [(fields["content"], fields["content_bytes"]) for _, fields in log.told] == [("que", 8), ("rep", 7)]
    assert autojump_clock.current_time() == 0


async def test_of_a_tokens_exchange_no_byte_of_a_body_is_shown(autojump_clock: MockClock, log: Log) -> None:
    """Whatever it looks like: it is a secret."""
    layer = Dumping(Server(Answer(status=200, content=b"pearl")), settings_for(1000))
    await layer.send(AUTH_TOKEN, Body(content=b"jade"))
    assert "pearl" not in repr(log.told)
    assert "jade" not in repr(log.told)
    assert autojump_clock.current_time() == 0


async def test_a_request_without_an_answer_says_so(autojump_clock: MockClock, log: Log) -> None:
    """Whoever looks at the wire sees every attempt end."""

    class Nobody:
        async def send(self, route: Route, _body: Body, /) -> Answer:
            await trio.sleep(2)
            raise APIConnectionError("no answer from http://x (ReadTimeout)", operation=route.name)

    with pytest.raises(APIConnectionError):
        await Dumping(Nobody(), settings_for(0)).send(ROUTE, Body())
    event, fields = log.told[-1]
    assert event == "< no answer /api/v1/get_info"
    assert (fields["seconds"], fields["error"]) == (2.0, "no answer from http://x (ReadTimeout)")
    assert autojump_clock.current_time() == 2
