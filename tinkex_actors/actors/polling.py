"""What an answer to a poll means, and when to ask again: pure, the dice are an argument.

A server holds a poll for up to 40 s and answers when the operation is done, or says "try again" (408, or 200 with that
body); one that holds it longer than the client trusts a silent connection is simply asked again. Everything else is
weather: after 5xx, 429 and lost connections the next poll waits, longer each time in a row, with jitter; asking at once
again, as fast as a server refuses, would be an attack on a server in trouble.

A 410 or 404 means that the promise is lost. A 400 that explains itself is a failed operation, as servers of the JSON
generation report it; an empty one is a proxy's and is endured a few times.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from attrs import evolve, frozen

from tinkex_actors.actors.operation import Retrieval, Value
from tinkex_actors.settings import Figures
from tinkex_actors.transport.endpoints import RETRIEVE_FUTURE
from tinkex_actors.transport.policy import is_proxy_refusal, is_retryable, retry_after
from tinkex_actors.transport.refusal import status_error
from tinkex_actors.transport.seam import Answer
from tinkex_actors.types.errors import (
    APIConnectionError,
    APITimeoutError,
    BadRequestError,
    PromiseExpired,
    RequestFailedError,
    ResponseInvalid,
    TinkerError,
)
from tinkex_actors.types.futures import PAUSED, FutureFailure, MetadataOnly, QueueState, TryAgain
from tinkex_actors.wire.futures import decode_retrieved, decode_try_again

R = TypeVar("R")

_BAD_REQUEST = 400
_TIMEOUT = 408
_CONFLICT = 409
"""Passes where something is made; a question about a promise has nothing to clash with."""
_TOO_MANY = 429
_LOST = frozenset({404, 410})


@frozen(kw_only=True)
class Progress:
    """How far the polling of one promise has come."""

    polls: int = 0
    """Answers and failures so far."""
    failures: int = 0
    """Failures in a row."""
    bad_requests: int = 0
    """Empty 400s in a row."""
    payload_bytes: int | None = None
    """The size of a large result that the server has announced; from now on it is to be sent."""
    queue_state: QueueState = QueueState.UNKNOWN
    queue_state_reason: str | None = None


@frozen
class Failed:
    """The operation's end is a failure."""

    error: TinkerError


@frozen
class AskAgain:
    """Nothing yet: ask again after *delay* seconds."""

    delay: float
    progress: Progress


Verdict = Value[R] | Failed | AskAgain


@frozen(kw_only=True)
class PollRules:
    """What decides besides the answer."""

    figures: Figures
    chance: Callable[[], float]
    """Gives numbers in ``[0, 1)``; they decide the jitter."""
    now: Callable[[], datetime]
    """Asked only to understand a ``Retry-After`` that is a date."""


def decide_poll(
    retrieval: Retrieval[R], outcome: Answer | APIConnectionError, progress: Progress, rules: PollRules
) -> Verdict[R]:
    """Decide what one poll means."""
    if isinstance(outcome, Answer) and outcome.is_success:
        return _read_success(retrieval, outcome, progress, rules)
    progress = _asked_again(progress)
    if isinstance(outcome, APITimeoutError):
        # Some servers hold a poll longer than a silent connection is trusted; the timeout itself was the delay.
        return AskAgain(rules.figures.poll_delay_base, progress)
    if isinstance(outcome, APIConnectionError):
        return _later(progress, rules, rules.figures.poll_backoff_max)
    if outcome.status == _TIMEOUT:
        return _not_yet(decode_try_again(outcome.content), progress, rules)
    return _read_refusal(retrieval, outcome, progress, rules)


def _read_success(retrieval: Retrieval[R], answer: Answer, progress: Progress, rules: PollRules) -> Verdict[R]:
    operation, request_id = retrieval.operation, retrieval.promise.request_id
    content_type = answer.headers.get("content-type", "")
    try:
        found = decode_retrieved(
            operation.row.result,
            answer.content,
            content_type=content_type,
            operation=operation.name,
            request_id=request_id,
        )
    except ResponseInvalid as error:
        return Failed(error)
    match found:
        case TryAgain():
            return _not_yet(found, _asked_again(progress), rules)
        case MetadataOnly() if progress.payload_bytes is not None:
            return Failed(
                ResponseInvalid(
                    path="$",
                    expected="the result",
                    got="its size, a second time",
                    operation=operation.name,
                    request_id=request_id,
                )
            )
        case MetadataOnly(size):
            return AskAgain(0.0, evolve(_asked_again(progress), payload_bytes=max(0, size)))
        case FutureFailure(words, category):
            return Failed(RequestFailedError(words, request_id=request_id, category=category, operation=operation.name))
        case _:
            return Value(found)


def _asked_again(progress: Progress) -> Progress:
    return evolve(progress, polls=progress.polls + 1)


def _not_yet(found: TryAgain, progress: Progress, rules: PollRules) -> AskAgain:
    """Ask again when the server says, within reason; a queue that is paused is not asked at once.

    The delay is drawn out by chance: polls that began together are answered together, and need not come back together.
    """
    figures, is_paused = rules.figures, found.queue_state in PAUSED
    asked = figures.poll_paused_delay if is_paused else 0.0
    if found.retry_after_ms is not None:
        asked = min(max(0, found.retry_after_ms) / 1000, figures.retry_after_max)
    asked += rules.chance() * max(figures.retry_jitter * asked, figures.poll_interval_min)
    calm = evolve(
        progress,
        failures=0,
        bad_requests=0,
        queue_state=found.queue_state,
        queue_state_reason=found.queue_state_reason,
    )
    return AskAgain(asked, calm)


def _read_refusal(retrieval: Retrieval[R], answer: Answer, progress: Progress, rules: PollRules) -> Verdict[R]:
    figures = rules.figures
    if is_proxy_refusal(answer) and progress.bad_requests < figures.poll_bad_requests:
        return _later(evolve(progress, bad_requests=progress.bad_requests + 1), rules, figures.poll_delay_max)
    if is_retryable(answer.status) and answer.status != _CONFLICT:
        longest = figures.poll_backoff_max if answer.status == _TOO_MANY else figures.poll_delay_max
        again = _later(progress, rules, longest)
        asked = retry_after(answer.headers, rules.now(), longest=figures.retry_after_max)
        return again if asked is None else evolve(again, delay=max(asked, again.delay))
    return Failed(_explain(retrieval, answer))


def _explain(retrieval: Retrieval[R], answer: Answer) -> TinkerError:
    name, request_id = retrieval.operation.name, retrieval.promise.request_id
    refusal = status_error(RETRIEVE_FUTURE, answer, request_id=request_id)
    if answer.status in _LOST:
        lost = PromiseExpired(
            f"the server no longer knows what became of {name} ({answer.status}); submit it again if it still matters",
            request_id=request_id,
            operation=name,
        )
        lost.__cause__ = refusal
        return lost
    if isinstance(refusal, BadRequestError) and answer.content:
        failed = RequestFailedError(f"{name} failed: {refusal.message}", request_id=request_id, operation=name)
        failed.__cause__ = refusal
        return failed
    return refusal


def _later(progress: Progress, rules: PollRules, longest: float) -> AskAgain:
    """Wait before the next poll: doubling with each failure in a row, capped, shortened by up to the jitter's share."""
    figures = rules.figures
    full = min(figures.poll_delay_base * 2.0 ** min(progress.failures, 64), longest)
    delay = full * (1.0 - figures.retry_jitter * rules.chance())
    return AskAgain(delay, evolve(progress, failures=progress.failures + 1))
