"""The layer that sends again: it obeys :func:`~tinkex_actors.transport.policy.decide_retry` and owns nothing else.

Every attempt carries the same idempotency key and the number of attempts before it. An attempt that the breaker below
refuses costs its place in the schedule and nothing else: it was not sent, and what is handed over in the end is what came
of the last one that was.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import trio
from attrs import evolve

from tinkex_actors.settings import Figures
from tinkex_actors.transport.policy import Again, Enough, Tries, decide_retry, leaves_doubt
from tinkex_actors.transport.seam import Answer, Body, Persistence, Route, Sending, Transport
from tinkex_actors.types.errors import APIConnectionError, CircuitOpen


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Retrying:
    """Sends again what failed in a way that may pass."""

    def __init__(
        self, below: Transport, figures: Figures, *, chance: Callable[[], float], now: Callable[[], datetime] = _utc_now
    ) -> None:
        """Wrap *below*; *chance* gives numbers in ``[0, 1)`` for the jitter, *now* reads dates in ``Retry-After``."""
        self._below = below
        self._figures = figures
        self._chance = chance
        self._now = now

    def send(self, route: Route, body: Body, /) -> Sending:
        """Send until an answer is final or the route's persistence is used up; then hand over what came last."""
        if route.persistence is Persistence.ONCE:
            return self._below.send(route, body)
        return self._send(route, body)

    async def _send(self, route: Route, body: Body) -> Answer:
        began = trio.current_time()
        made = sent = 0
        outcome: Answer | APIConnectionError
        heard: Answer | APIConnectionError | None = None
        is_doubtful = False
        while True:
            try:
                outcome = await self._below.send(route, evolve(body, attempt=sent) if sent else body)
            except APIConnectionError as lost:
                outcome = lost
            made += 1
            if not isinstance(outcome, CircuitOpen):
                sent, heard = sent + 1, outcome
                body.standing.attempts = sent
            if isinstance(outcome, Answer) and outcome.is_success:
                return _final(outcome, sent)
            tries = Tries(made=made, elapsed=trio.current_time() - began)
            match self._decide(route, outcome, tries):
                case Again(delay):
                    is_doubtful = is_doubtful or leaves_doubt(outcome)
                    body.standing.last_error = _sentence(outcome)
                    body.standing.wait("the next attempt", trio.current_time() + delay)
                    await trio.sleep(delay)
                case Enough():
                    return _final(heard or outcome, sent, is_doubtful=is_doubtful)

    def _decide(self, route: Route, outcome: Answer | APIConnectionError, tries: Tries) -> Again | Enough:
        answer = outcome if isinstance(outcome, Answer) else None
        return decide_retry(
            answer,
            route.persistence,
            tries,
            self._figures,
            now=self._now(),
            chance=self._chance(),
            is_conflict_final=route.is_conflict_final,
        )


def _sentence(outcome: Answer | APIConnectionError) -> str:
    return f"answered with {outcome.status}" if isinstance(outcome, Answer) else str(outcome)


def _final(outcome: Answer | APIConnectionError, made: int, *, is_doubtful: bool = False) -> Answer:
    if isinstance(outcome, Answer):
        is_so = outcome.attempts == made and not is_doubtful
        return outcome if is_so else evolve(outcome, attempts=made, is_after_doubt=is_doubtful)
    outcome.attempts = made
    raise outcome
