"""Back-pressure for samples: a 429 is not an error but a pause that everyone sampling here keeps.

The pause only ever grows: a request admitted before a 429 and answered after it does not lift it. Its length is the larger
of what the server asks for (up to a cap) and what the sample's size suggests. For a while after a pause, submissions stay
throttled: few at once, each weighing many times its estimate in the byte budget below.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from math import inf

import trio
from attrs import evolve

from tinkex_actors.settings import Figures
from tinkex_actors.transport.policy import retry_after
from tinkex_actors.transport.seam import Answer, Body, Lane, Route, Sending, Transport

_TOO_MANY = 429


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Paced:
    """Sends samples, waits out every pause the server asks for, and sends again; other lanes pass untouched."""

    def __init__(self, below: Transport, figures: Figures, *, now: Callable[[], datetime] = _utc_now) -> None:
        """Wrap *below*; *now* reads dates in ``Retry-After``."""
        self._below = below
        self._figures = figures
        self._now = now
        self._paused_until = -inf
        self._throttle = trio.CapacityLimiter(figures.throttled_at_once)

    @property
    def paused_until(self) -> float:
        """When sampling goes on, on trio's clock; in the past, or minus infinity, if it is not paused."""
        return self._paused_until

    def send(self, route: Route, body: Body, /) -> Sending:
        """Send; on a 429 wait and send the same request again, without a limit: only the caller's cancelling ends it."""
        return self._send(route, body) if route.lane is Lane.SAMPLE else self._below.send(route, body)

    async def _send(self, route: Route, body: Body) -> Answer:
        attempt = body.attempt
        while True:
            again = evolve(body, attempt=attempt) if attempt != body.attempt else body
            if trio.current_time() - self._paused_until >= self._figures.throttled_window:
                answer = await self._below.send(route, again)
            else:
                answer = await self._send_after_the_pause(route, again)
            if answer.status != _TOO_MANY:
                return answer
            self._pause(answer, body)
            attempt += 1

    async def _send_after_the_pause(self, route: Route, body: Body) -> Answer:
        # Another 429 may move the end while we sleep.
        while trio.current_time() < self._paused_until:
            body.standing.wait("the end of the pause that the server asked for (429)", self._paused_until)
            await trio.sleep_until(self._paused_until)
        if trio.current_time() - self._paused_until >= self._figures.throttled_window:
            return await self._below.send(route, body)
        body.standing.wait("one of the few places after a pause")
        async with self._throttle:
            return await self._below.send(
                route, evolve(body, weight_bytes=body.weight_bytes * self._figures.throttled_weight)
            )

    def _pause(self, answer: Answer, body: Body) -> None:
        figures = self._figures
        body.standing.last_error = "the server has too much to do (429)"
        by_size = figures.pause_large if body.weight_bytes > figures.pause_large_bytes else figures.pause_small
        asked = retry_after(answer.headers, self._now(), longest=figures.retry_after_max) or 0.0
        self._paused_until = max(self._paused_until, trio.current_time() + max(by_size, asked))
