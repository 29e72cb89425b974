"""Where the credential of a request comes from: a key, a command that prints one, and the token it is exchanged for.

A command runs again once what it printed is old: a JWT near its end, a key after some minutes. No message made here holds
a credential, nor what the command wrote to its error stream.
"""

import subprocess
from collections.abc import Callable
from math import inf

import trio
from attrs import frozen

from tinkex_actors.settings import Figures, Settings, check_credential
from tinkex_actors.types.errors import CredentialError
from tinkex_actors.wire.token import decode_lifetime


@frozen(repr=False)
class Held:
    """A credential, and until when it may be used, in seconds since the epoch."""

    value: str
    until: float = inf


class Source:
    """Gives the raw credential of one client."""

    def __init__(self, settings: Settings, is_command_wanted: Callable[[], bool], now: Callable[[], float]) -> None:
        """Read from *settings*.

        Args:
            settings: The key, the command and the figures.
            is_command_wanted: Whether the server wants the command to be asked, even if there is a key.
            now: Seconds since the epoch.
        """
        self._settings = settings
        self._is_command_wanted = is_command_wanted
        self._now = now
        self._printed = Held("", -inf)
        self._one_at_a_time = trio.Lock()

    async def get(self) -> str:
        """Return a credential that can be used now.

        Raises:
            CredentialError: There is none.
        """
        settings = self._settings
        # A JWT that was given stands for someone; a command could only say the same.
        has_jwt = settings.api_key.startswith("eyJ")
        if has_jwt or (settings.api_key and not self._is_command_wanted()):
            return self._check_end(settings.api_key, "api_key")
        if not settings.credential_command:
            raise CredentialError(
                "the server wants the key of a credential command; set TINKER_CREDENTIAL_CMD or credential_command"
            )
        async with self._one_at_a_time:
            if self._now() >= self._printed.until:
                self._printed = await self._ask_command(settings.figures)
        return self._printed.value

    def _check_end(self, value: str, name: str) -> str:
        lifetime = decode_lifetime(value)
        if lifetime is not None and lifetime.expires_at <= self._now():
            raise CredentialError(f"{name} must be a token that is still valid, got one that has expired; log in anew")
        return value

    async def _ask_command(self, figures: Figures) -> Held:
        value = (await self._run(figures.credential_timeout)).strip()
        try:
            check_credential(value, "what the credential command prints", "run it by hand to see")
        except ValueError as fault:
            raise CredentialError(str(fault)) from fault
        lifetime = decode_lifetime(self._check_end(value, "what the credential command prints"))
        keep = self._now() + figures.credential_keep
        return Held(value, keep if lifetime is None else lifetime.expires_at - figures.credential_margin)

    async def _run(self, timeout: float) -> str:  # noqa: ASYNC109 - of a process, which is killed then
        try:
            with trio.fail_after(timeout):
                done = await trio.run_process(  # noqa: S604 - a shell command is what the user was asked for
                    self._settings.credential_command,
                    shell=True,
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    capture_stdout=True,
                    check=False,
                )
        except trio.TooSlowError:
            raise CredentialError(
                f"the credential command must end within {timeout:g} s; run it by hand to see"
            ) from None
        if done.returncode:
            raise CredentialError(f"the credential command ended with status {done.returncode}; run it by hand to see")
        return done.stdout.decode("utf-8", errors="replace")
