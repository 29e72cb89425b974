"""The retry rules, as tables: what is sent again, after how long, and when it is enough."""

from datetime import UTC, datetime

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.settings import Figures
from tinkex_actors.transport.policy import (
    Again,
    Enough,
    Tries,
    backoff_delay,
    decide_retry,
    is_retryable,
    retry_after,
)
from tinkex_actors.transport.seam import Answer, Persistence

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIGURES = Figures()


def decide(
    answer: Answer | None, *, made: int = 1, elapsed: float = 0.0, persistence: Persistence = Persistence.RETRIES
) -> Again | Enough:
    return decide_retry(answer, persistence, Tries(made=made, elapsed=elapsed), FIGURES, now=NOW, chance=0.0)


def refusal(status: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=named, content=b'{"detail": "no"}')


@pytest.mark.tinkex("T52")
def test_only_statuses_that_may_pass_are_retried() -> None:
    """Asking again for what is wrong in itself only costs time."""
    retried = {status for status in range(200, 600) if is_retryable(status)}
    assert retried == {408, 409, 429} | set(range(500, 600))
    assert retried == {status for status in range(200, 600) if isinstance(decide(refusal(status)), Again)}


@pytest.mark.tinkex("T51", "T84")
def test_the_delay_doubles_up_to_a_cap_and_chance_only_shortens_it() -> None:
    """The spread keeps clients that failed together from returning together."""
    assert [backoff_delay(made, FIGURES, 0.0) for made in (1, 2, 3, 6, 11)] == [0.5, 1.0, 2.0, 10.0, 10.0]
    assert backoff_delay(1, FIGURES, 0.999) == pytest.approx(0.375, abs=1e-3)
    assert backoff_delay(10**6, FIGURES, 0.999) == pytest.approx(7.5, abs=1e-2)


@given(made=st.integers(1, 10**6), chance=st.floats(0, 1, exclude_max=True))
def test_every_delay_is_positive_and_within_the_cap(made: int, chance: float) -> None:
    """No attempt, however late, spins or sleeps for ever."""
    assert 0 < backoff_delay(made, FIGURES, chance) <= FIGURES.retry_delay_max


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "500"}, 0.5),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "500", "retry-after": "9"}, 0.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:02:00 GMT"}, None),
        ({"retry-after": "61"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "later"}, None),
        ({}, None),
    ],
)
def test_what_the_server_asks_for_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds win over seconds, dates are understood, and nonsense or an hour's wait is ignored."""
    assert retry_after(headers, NOW, longest=60.0) == seconds


@pytest.mark.tinkex("T54")
def test_the_server_may_overrule_the_status() -> None:
    """Only the server knows that its 503 is final or its 400 is not."""
    assert decide(refusal(503, x_should_retry="false")) == Enough()
    assert decide(refusal(400, x_should_retry="true")) == Again(0.5)
    assert decide(refusal(400)) == Enough()


def test_a_400_without_a_word_is_a_proxys_and_is_tried_again() -> None:
    """The service always explains a refusal; a chunked 400 that does explain is an answer."""
    assert decide(Answer(status=400)) == Again(0.5)
    assert decide(refusal(400, transfer_encoding="chunked")) == Enough()


@pytest.mark.tinkex("T53")
def test_the_servers_delay_replaces_ours() -> None:
    """It knows when it will be ready."""
    assert decide(refusal(429, retry_after_ms="10")) == Again(0.01)
    assert decide(refusal(429, retry_after="600")) == Again(0.5)


@pytest.mark.tinkex("T55", "T83")
def test_retries_end_with_their_number_and_patience_with_its_time() -> None:
    """A lookup fails after its retries; a submission goes on until the patience is used up."""
    last = FIGURES.max_retries + 1
    assert decide(None, made=last - 1) == Again(10.0)
    assert decide(None, made=last) == Enough()
    assert decide(None, made=last, elapsed=100.0, persistence=Persistence.PATIENCE) == Again(1.0)
    assert decide(None, made=last + 9, elapsed=200.0, persistence=Persistence.PATIENCE) == Again(30.0)
    assert decide(None, made=last + 9, elapsed=299.0, persistence=Persistence.PATIENCE) == Again(1.0)
    assert decide(None, made=last, elapsed=300.0, persistence=Persistence.PATIENCE) == Enough()
    assert decide(refusal(503), persistence=Persistence.ONCE) == Enough()


def test_a_conflict_is_not_waited_for_patiently() -> None:
    """A clash of names does not pass with time; five minutes of asking would only hide it."""
    assert decide(refusal(409), made=1, persistence=Persistence.PATIENCE) == Again(0.5)
    assert decide(refusal(409), made=FIGURES.max_retries + 1, persistence=Persistence.PATIENCE) == Enough()


def test_a_success_is_always_enough() -> None:
    """Even one that says it should be retried."""
    assert decide(evolve(refusal(503, x_should_retry="true"), status=200)) == Enough()


def test_a_conflict_that_is_an_answer_is_handed_over_at_once() -> None:
    """Publishing what is public already would otherwise take a minute."""
    tries, persistence = Tries(made=1, elapsed=0.0), Persistence.PATIENCE
    for status, expected in ((409, Enough), (503, Again)):
        answer = Answer(status=status)
        decided = decide_retry(answer, persistence, tries, FIGURES, now=NOW, chance=0.0, is_conflict_final=True)
        assert isinstance(decided, expected)
