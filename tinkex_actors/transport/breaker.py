"""A circuit breaker: a server that does not answer is asked by one request at a time until it does.

::

    closed ──failures in a row──► open ──its time is over──► half-open ──success──► closed
                                    ▲                            │
                                    └────────── failure ─────────┘   (open for twice as long, up to a cap)

A lost connection and a 5xx are failures; any other answer is a success, from whenever its request was sent: it shows that
the server is there. What comes of a poll says little about the server (a long poll may time out, and a result may be
broken), so only a connection that cannot be made counts there. Telemetry neither counts nor is held back, and vital
requests, a heartbeat above all, are always let through.

Each client has its own: one address and one key.
"""

from math import inf
from typing import Literal

import trio
from attrs import define

from tinkex_actors.settings import Figures
from tinkex_actors.transport.seam import Answer, Body, Lane, Route, Sending, Transport
from tinkex_actors.types.errors import APIConnectionError, APITimeoutError, CircuitOpen

_FIRST_SERVER_ERROR = 500

State = Literal["closed", "open", "half-open"]


@define(eq=False)
class Breaker:
    """The state and its rules: pure, the time is an argument."""

    figures: Figures
    failures: int = 0
    """Failures in a row while closed."""
    openings: int = 0
    """How often in a row it has opened."""
    open_until: float = -inf
    is_probing: bool = False
    """Whether the one request that a half-open breaker lets through is on its way."""

    def state(self, now: float) -> State:
        """Tell what a request would meet now."""
        if not self.openings:
            return "closed"
        return "open" if now < self.open_until else "half-open"

    def admit(self, now: float) -> bool | None:
        """Let a request through: ``False``; as the probe: ``True``; or not: ``None``."""
        match self.state(now):
            case "closed":
                return False
            case "half-open" if not self.is_probing:
                self.is_probing = True
                return True
            case _:
                return None

    def succeed(self) -> None:
        """The server has answered: whatever was, it is there."""
        self.failures = self.openings = 0
        self.open_until = -inf

    def fail(self, now: float, *, is_probe: bool) -> None:
        """A request has failed. One that was sent before the breaker opened tells nothing new."""
        if self.openings and not is_probe:
            return
        self.failures += 1
        if is_probe or self.failures >= self.figures.breaker_failures:
            window = self.figures.breaker_open_base * 2.0 ** min(self.openings, 64)
            self.open_until = now + min(window, self.figures.breaker_open_max)
            self.openings += 1


class Breaking:
    """Refuses what would not be answered."""

    def __init__(self, below: Transport, breaker: Breaker) -> None:
        """Wrap *below*; *breaker* is the client's."""
        self._below = below
        self._breaker = breaker

    def send(self, route: Route, body: Body, /) -> Sending:
        """Send, if the breaker lets it.

        Raises:
            CircuitOpen: It does not; nothing was sent.
        """
        return self._below.send(route, body) if route.lane is Lane.TELEMETRY else self._send(route, body)

    async def _send(self, route: Route, body: Body) -> Answer:
        breaker = self._breaker
        is_probe = breaker.openings > 0 and breaker.admit(trio.current_time())
        if is_probe is None and not route.is_vital:
            raise self._refusal(route)
        try:
            answer = await self._below.send(route, body)
        except APIConnectionError as lost:
            if not (route.lane is Lane.RETRIEVE and isinstance(lost, APITimeoutError)):
                breaker.fail(trio.current_time(), is_probe=bool(is_probe))
            raise
        finally:
            if is_probe:
                breaker.is_probing = False
        if answer.status < _FIRST_SERVER_ERROR:
            breaker.succeed()
        elif route.lane is not Lane.RETRIEVE:
            breaker.fail(trio.current_time(), is_probe=bool(is_probe))
        return answer

    def _refusal(self, route: Route) -> CircuitOpen:
        left = max(0.0, self._breaker.open_until - trio.current_time())
        when = f"in {left:.1f} s" if left else "when the one request on its way is answered"
        return CircuitOpen(
            f"{route.name} was not sent: the server has stopped answering; it is tried again {when}",
            operation=route.name,
            retry_in=left,
        )
