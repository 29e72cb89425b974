"""What an answer to a poll means, as tables."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.actors.operation import Operation, Retrieval, Value
from tinkex_actors.actors.polling import AskAgain, Failed, PollRules, Progress, decide_poll
from tinkex_actors.settings import Figures
from tinkex_actors.transport.endpoints import FORWARD_BACKWARD, OPTIM_STEP
from tinkex_actors.transport.seam import Answer
from tinkex_actors.types.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    PromiseExpired,
    RequestErrorCategory,
    RequestFailedError,
    ResponseInvalid,
)
from tinkex_actors.types.futures import Promise, QueueState
from tinkex_actors.types.ids import RequestId
from tinkex_actors.types.training import OptimStepResponse

RULES = PollRules(figures=Figures(), chance=lambda: 0.0, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
STEP: Retrieval[Any] = Retrieval(Operation(row=OPTIM_STEP, request=lambda number: number), Promise(RequestId("r")))
GRADIENT: Retrieval[Any] = Retrieval(
    Operation(row=FORWARD_BACKWARD, request=lambda number: number), Promise(RequestId("r"))
)
TRY_AGAIN = b'{"type": "try_again", "request_id": "r", "queue_state": "paused_capacity", "queue_state_reason": "busy"}'


def answer(status: int, content: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, content=content, headers=named)


def poll(
    outcome: Answer | APIConnectionError, progress: Progress | None = None, retrieval: Retrieval[Any] = STEP
) -> Any:
    return decide_poll(retrieval, outcome, progress or Progress(), RULES)


def test_a_result_is_a_value_of_the_operations_type() -> None:
    """The poll reads what the operation's row promises."""
    assert poll(answer(200, b'{"metrics": {"a": 1.0}}')) == Value(OptimStepResponse({"a": 1.0}))


@given(st.sampled_from([None, 0, 500, 9000]), st.sampled_from(["active", "paused_capacity"]), st.floats(0, 0.99))
def test_chance_spreads_polls_that_were_answered_together(hint: int | None, state: str, chance: float) -> None:
    """A thousand polls that a server ends at one moment do not all come back at one moment; and none before its time."""
    body = {"type": "try_again", "request_id": "r", "queue_state": state, "retry_after_ms": hint}
    asked = [
        decide_poll(STEP, answer(408, orjson.dumps(body)), Progress(), evolve(RULES, chance=partial(float, luck)))
        for luck in (0.0, chance)
    ]
    assert all(isinstance(verdict, AskAgain) for verdict in asked)
    earliest, drawn = (verdict.delay for verdict in asked if isinstance(verdict, AskAgain))
    assert drawn == pytest.approx(earliest + chance * max(0.25, 0.25 * earliest))


@pytest.mark.parametrize("hint", [-5, 0, 500, 10**9])
def test_the_servers_delay_is_obeyed_within_reason(hint: int) -> None:
    """A negative one is none, and one of a week would be a lost operation."""
    asked = poll(answer(408, b'{"type": "try_again", "retry_after_ms": %d}' % hint))
    assert isinstance(asked, AskAgain)
    assert asked.delay == {-5: 0.0, 0: 0.0, 500: 0.5, 10**9: 60.0}[hint]


@pytest.mark.tinkex("T47")
@pytest.mark.parametrize("status", [200, 408])
def test_try_again_in_both_its_forms_waits_a_moment_while_the_queue_is_paused(status: int) -> None:
    """The server has held the poll already; what it says about its queue is kept."""
    again = poll(answer(status, TRY_AGAIN), Progress(polls=3, failures=2, bad_requests=1))
    progress = Progress(polls=4, queue_state=QueueState.PAUSED_CAPACITY, queue_state_reason="busy")
    assert again == AskAgain(1.0, progress)


@pytest.mark.tinkex("T43")
def test_a_server_that_does_not_hold_the_poll_is_asked_once_a_second() -> None:
    """It says "pending" at once; asking at once again would be a thousand requests a second."""
    assert poll(answer(200, b'{"status": "pending"}')) == AskAgain(1.0, Progress(polls=1))


@pytest.mark.tinkex("T37")
def test_the_delays_between_polls_are_figures_of_the_settings() -> None:
    """For who knows the server: a base, a cap and a share of chance."""
    figures = Figures(poll_delay_base=0.025, poll_delay_max=0.04)
    rules = evolve(RULES, figures=figures)
    first = decide_poll(STEP, answer(503), Progress(), rules)
    assert isinstance(first, AskAgain)
    assert first.delay == 0.025
    second = decide_poll(STEP, answer(503), first.progress, rules)
    assert isinstance(second, AskAgain)
    assert second.delay == 0.04


@pytest.mark.tinkex("T34")
def test_a_408_with_any_body_is_try_again() -> None:
    """Servers of other kinds put a detail there, or nothing."""
    for content in (b"", b"<html>", b'{"detail": "not ready"}'):
        assert poll(answer(408, content)) == AskAgain(0.0, Progress(polls=1))


@pytest.mark.tinkex("T42")
def test_a_large_result_is_announced_once_and_then_sent() -> None:
    """The second poll asks for the payload; a second announcement would be a loop."""
    announced = answer(200, b'{"status": "complete_metadata", "response_payload_size": 9}')
    again = poll(announced)
    assert again == AskAgain(0.0, Progress(polls=1, payload_bytes=9))
    assert isinstance(poll(announced, again.progress).error, ResponseInvalid)


@pytest.mark.tinkex("T44")
def test_a_failure_carries_the_servers_words_and_category() -> None:
    """Whose fault it was decides what a person does next."""
    failed = poll(answer(200, b'{"error": "bad shape", "category": "USER"}'))
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, RequestFailedError)
    assert (str(failed.error), failed.error.category, failed.error.operation) == (
        "bad shape",
        RequestErrorCategory.USER,
        "optim_step",
    )


@pytest.mark.tinkex("T38")
@pytest.mark.parametrize("status", [404, 410])
def test_a_lost_promise_says_what_was_lost(status: int) -> None:
    """The caller must know that nobody will ever answer."""
    failed = poll(answer(status, b'{"detail": "unknown"}'))
    assert isinstance(failed.error, PromiseExpired)
    assert "optim_step" in str(failed.error)
    assert isinstance(failed.error.__cause__, APIStatusError)
    assert failed.error.__cause__.status_code == status


@pytest.mark.tinkex("T39")
def test_a_400_that_explains_itself_is_a_failed_operation() -> None:
    """Servers of the JSON generation report failures so; asking again would bring the same."""
    failed = poll(answer(400, b'{"detail": "loss is NaN"}'))
    assert isinstance(failed.error, RequestFailedError)
    assert "loss is NaN" in str(failed.error)


@pytest.mark.tinkex("T45", "F185")
def test_an_empty_400_is_endured_three_times() -> None:
    """It is a proxy's; but a fourth in a row is somebody's last word."""
    progress = Progress()
    for _ in range(3):
        progress = poll(answer(400), progress).progress
    assert isinstance(poll(answer(400), progress), Failed)


@pytest.mark.parametrize("status", [401, 403, 409, 422])
def test_a_refusal_to_be_asked_is_final(status: int) -> None:
    """A wrong key does not become right by asking."""
    failed = poll(answer(status, b'{"detail": "no"}'))
    assert isinstance(failed, Failed)
    assert (status == 401) == isinstance(failed.error, AuthenticationError)


def test_a_result_that_cannot_be_read_is_final() -> None:
    """It will not read better next time."""
    for content, kind in ((b"<html>", "application/json"), (b"\xff", "application/x-protobuf")):
        assert isinstance(poll(answer(200, content, content_type=kind), retrieval=GRADIENT).error, ResponseInvalid)


@pytest.mark.parametrize("outcome", [answer(500), answer(503), APIConnectionError("lost"), answer(429)])
@pytest.mark.tinkex("T35")
def test_failed_polls_come_further_and_further_apart(outcome: Answer | APIConnectionError) -> None:
    """A server in trouble is not attacked by those who wait for it."""
    progress, delays = Progress(), list[float]()
    for _ in range(8):
        again = poll(outcome, progress)
        progress = again.progress
        delays.append(again.delay)
    assert delays[:4] == [0.5, 1.0, 2.0, 4.0]
    assert delays[-1] in {10.0, 30.0}


def test_a_poll_that_was_held_too_long_is_begun_again_at_once() -> None:
    """Some servers hold a poll for 300 s: their silence was the delay, and the result may be there any moment."""
    progress = Progress()
    for _ in range(8):
        again = poll(APITimeoutError("late"), progress)
        progress = again.progress
        assert again.delay == 0.5


def test_the_servers_wish_to_be_left_alone_is_kept() -> None:
    """Retry-After counts for polls too, where it is longer than our own delay."""
    assert poll(answer(503, retry_after="20")).delay == 20.0
    assert poll(answer(503, retry_after_ms="1")).delay == 0.5


@given(
    status=st.integers(200, 599),
    content=st.sampled_from([b"", b"{}", b"null", b"[]", b'{"error": null}', TRY_AGAIN, b"\x00", b'{"metrics": 1}']),
    failures=st.integers(0, 10**6),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_every_answer_has_a_verdict(status: int, content: bytes, failures: int, chance: float) -> None:
    """Whatever a server says, polling goes on after a bounded delay, or ends."""
    rules = evolve(RULES, chance=lambda: chance)
    for retrieval in (STEP, GRADIENT):
        verdict = decide_poll(retrieval, answer(status, content), Progress(failures=failures), rules)
        if isinstance(verdict, AskAgain):
            assert 0 <= verdict.delay <= 30
