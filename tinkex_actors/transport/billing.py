"""A 402 is a pause first and an error later: somebody may be topping up the account.

The first 402 begins an incident. While it is younger than the server allows, submissions and polls wait and are sent again,
with a warning a minute; afterwards a 402 is the answer. An incident that nothing was heard of for a while is over, and the
next 402 begins another.
"""

from collections.abc import Callable
from math import inf

import trio
from attrs import evolve

from tinkex_actors.log import get_log
from tinkex_actors.settings import Figures
from tinkex_actors.transport.seam import Answer, Body, Lane, Route, Sending, Transport

_log = get_log()
_CANNOT_PAY = 402
_PAUSED = frozenset({Lane.SUBMIT, Lane.SAMPLE, Lane.RETRIEVE})


class Billed:
    """Waits until the account can pay again."""

    def __init__(self, below: Transport, figures: Figures, longest: Callable[[], float]) -> None:
        """Wrap *below*; *longest* tells how long a 402 may be a pause, in seconds."""
        self._below = below
        self._figures = figures
        self._longest = longest
        self._began = -inf
        self._told = -inf

    def send(self, route: Route, body: Body, /) -> Sending:
        """Send; on a 402 wait and send the same request again, until the pause has been too long."""
        return self._send(route, body) if route.lane in _PAUSED else self._below.send(route, body)

    async def _send(self, route: Route, body: Body) -> Answer:
        attempt = body.attempt
        while True:
            answer = await self._below.send(route, evolve(body, attempt=attempt) if attempt != body.attempt else body)
            if answer.status != _CANNOT_PAY or not self._is_a_pause(route):
                return answer
            delay, before = self._figures.billing_delay, body.standing.waits_for
            body.standing.last_error = f"{route.name} was answered with 402"
            body.standing.wait("the account to be able to pay (402)", trio.current_time() + delay)
            await trio.sleep(delay)
            body.standing.wait(before)
            attempt += 1

    def _is_a_pause(self, route: Route) -> bool:
        now, figures = trio.current_time(), self._figures
        if now - self._told > figures.billing_forget:
            self._began = now
        longest = self._longest()
        is_pause = now - self._began < longest
        if not is_pause or now - self._told >= figures.billing_log_interval:
            self._told = now
            say = _log.warning if is_pause else _log.error
            say(
                "the account cannot pay (402); check its billing",
                operation=route.name,
                paused_seconds=round(now - self._began),
                longest_pause=longest,
            )
        return is_pause
