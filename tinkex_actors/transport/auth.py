"""The layer that gives each request its credential.

A plain key is already among the client's headers, and nothing is done. With a credential command, the key is what it
prints. Where the server wants tokens (``pjwt_auth_enabled``), the credential is exchanged for one, which is used until the
middle of its life, give or take; then the next request exchanges it again while the others go on with the old one. A token
about to end is replaced before anything else is sent; one that the server rejects is replaced once, for all, and the
request is sent once more.
"""

from collections.abc import Callable
from math import inf
from time import time

import trio
from attrs import evolve, frozen

from tinkex_actors.settings import Settings
from tinkex_actors.transport.credentials import Source
from tinkex_actors.transport.endpoints import AUTH_TOKEN
from tinkex_actors.transport.refusal import status_error
from tinkex_actors.transport.seam import Answer, Body, Route, Sending, Transport
from tinkex_actors.types.errors import AuthenticationError, TinkerError
from tinkex_actors.types.service import ClientConfigResponse
from tinkex_actors.wire.json_codec import decode_answer
from tinkex_actors.wire.token import decode_lifetime

_UNAUTHORIZED = 401
_FALLBACK_LIFE = 60.0
"""How long a token is used that does not say."""


@frozen(repr=False)
class Token:
    """What a credential was exchanged for. Times are in seconds since the epoch."""

    value: str
    refresh_at: float
    """From when on a request should replace it."""
    ends_at: float
    """From when on it must not be sent."""


_NO_TOKEN = Token("", -inf, -inf)


class Authorized:
    """Sends with the right credential."""

    def __init__(
        self,
        below: Transport,
        settings: Settings,
        config: Callable[[], ClientConfigResponse],
        *,
        chance: Callable[[], float],
        now: Callable[[], float] = time,
    ) -> None:
        """Wrap *below*.

        Args:
            below: Carries the requests, and the exchange.
            settings: The key, the command and the figures.
            config: Whether the server wants tokens.
            chance: In ``[0, 1)``: when in the middle of its life a token is replaced.
            now: Seconds since the epoch; tokens end by everybody's clock.
        """
        self._below = below
        self._figures = settings.figures
        self._has_plain_key = bool(settings.api_key) and not settings.credential_command
        self._config = config
        self._chance = chance
        self._now = now
        self._source = Source(settings, lambda: config().credential_default_source == "credential_cmd", now)
        self._token = _NO_TOKEN
        self._exchange_lock = trio.Lock()

    def send(self, route: Route, body: Body, /) -> Sending:
        """Send with a credential.

        Raises:
            CredentialError: There is none that can be used.
            AuthenticationError: The server does not take it for an exchange.
        """
        wants_token = self._config().pjwt_auth_enabled
        if not wants_token and self._has_plain_key and not self._is_enforced():
            return self._below.send(route, body)
        return self._send(route, body, wants_token=wants_token)

    async def _send(self, route: Route, body: Body, *, wants_token: bool) -> Answer:
        value = await self._get_token() if wants_token else await self._source.get()
        answer = await self._below.send(route, _with_key(body, value))
        if wants_token and _is_rejected(answer):
            await self._replace(value)
            answer = await self._below.send(route, _with_key(body, self._token.value))
        return answer

    def _is_enforced(self) -> bool:
        return self._config().credential_default_source == "credential_cmd"

    async def _get_token(self) -> str:
        token, now = self._token, self._now()
        if now < token.refresh_at or (now < token.ends_at and self._exchange_lock.locked()):
            return token.value
        try:
            await self._replace(token.value)
        except AuthenticationError:
            raise
        except TinkerError:
            # The old one still works; the next request tries again.
            if self._now() >= token.ends_at:
                raise
        return self._token.value

    async def _replace(self, old: str) -> None:
        """Exchange the credential, unless somebody has done so since *old* was read."""
        async with self._exchange_lock:
            if self._token.value == old:
                self._token = await self._exchange()

    async def _exchange(self) -> Token:
        body = _with_key(Body(content=b"{}"), await self._source.get())
        answer = await self._below.send(AUTH_TOKEN, body)
        if not answer.is_success:
            raise status_error(AUTH_TOKEN, answer)
        value = decode_answer(AUTH_TOKEN.answer, answer.content, operation=AUTH_TOKEN.name).jwt
        now, lifetime = self._now(), decode_lifetime(value)
        if lifetime is None or lifetime.expires_at <= now:
            return Token(value, now + _FALLBACK_LIFE, now + _FALLBACK_LIFE)
        life = max(0.0, lifetime.expires_at - (lifetime.issued_at or now))
        middle = now + life * (0.45 + 0.1 * self._chance())
        # A token that lives shorter than the margin is used all the same, to its middle.
        end = max(lifetime.expires_at - self._figures.credential_margin, middle)
        return Token(value, middle, end)


def _with_key(body: Body, value: str) -> Body:
    return evolve(body, headers={**body.headers, "X-API-Key": value})


def _is_rejected(answer: Answer) -> bool:
    return answer.status == _UNAUTHORIZED and 'error="invalid_token"' in answer.headers.get("www-authenticate", "")
