"""Sessions: heartbeats, ends, owners."""

from datetime import UTC, datetime

import pytest

from tinkex_actors.local.keys import Owner
from tinkex_actors.local.refusals import Gone, NotFound
from tinkex_actors.local.sessions import Session, Sessions
from tinkex_actors.types.ids import SessionId

ME = Owner("me")
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def opened(name: str = "s", *, key: str | None = None) -> tuple[Sessions, Session]:
    """One session, born at second 0, that may be silent for 300 s."""
    sessions, session = Sessions(timeout=300.0), Session(SessionId(name), ME, DAY, last_beat=0.0, idempotency_key=key)
    sessions.add(session)
    return sessions, session


def test_a_session_expires_after_the_timeout_without_a_heartbeat() -> None:
    """Models of clients that died must not stay for ever, but a pause of 20 s is normal."""
    sessions, session = opened()
    assert sessions.expired(300.0) == []
    assert sessions.expired(300.1) == [session]


def test_a_heartbeat_prolongs_the_session() -> None:
    """That is what it is for."""
    sessions, _ = opened()
    sessions.beat(SessionId("s"), ME, now=200.0)
    assert sessions.expired(499.0) == []


def test_the_first_end_stands_and_stops_the_heart() -> None:
    """The official client's heartbeat ends silently on 410."""
    sessions, session = opened()
    assert sessions.end(session, "success")
    assert not sessions.end(session, "errored")
    assert session.ended == "success"
    with pytest.raises(Gone, match="has ended"):
        sessions.beat(SessionId("s"), ME, now=1.0)


def test_an_ended_session_does_not_expire() -> None:
    """It would be ended twice."""
    sessions, session = opened()
    sessions.end(session, "success")
    assert sessions.expired(1000.0) == []


def test_another_key_does_not_see_the_session() -> None:
    """Not even that it exists."""
    sessions, _ = opened()
    with pytest.raises(NotFound):
        sessions.find(SessionId("s"), Owner("you"))


def test_a_repeated_creation_finds_the_same_session() -> None:
    """Retries of create_session can only be told by their idempotency key."""
    sessions, session = opened(key="k")
    assert sessions.find_again(ME, "k") is session
    assert sessions.find_again(ME, None) is None
    assert sessions.find_again(Owner("you"), "k") is None


def test_sessions_are_listed_newest_first() -> None:
    """As the production service does."""
    sessions, first = opened()
    second = Session(SessionId("t"), ME, DAY, last_beat=0.0)
    sessions.add(second)
    assert sessions.of(ME) == [second, first]
