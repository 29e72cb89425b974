"""Who asks: the check of the ``X-API-Key`` header.

A key begins with ``tml-``, like those of the production service, because the official SDK sends no other. With keys
configured only those are accepted, compared in constant time; without, any such key is, and each is an owner of its own.
The owner is a digest: a key is never stored, logged or shown.
"""

from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest
from typing import NewType

from attrs import frozen

from tinkex_actors.local.refusals import Unauthorized

PREFIX = "tml-"

Owner = NewType("Owner", str)
"""The digest of a key: whose a session, a run or a checkpoint is."""


def key_to_owner(key: str) -> Owner:
    """Name the owner of *key*: 16 hexadecimal digits, the same in every process."""
    return Owner(sha256(key.encode()).hexdigest()[:16])


@frozen
class Keys:
    """The keys that open this server."""

    _accepted: tuple[bytes, ...]

    @classmethod
    def of(cls, keys: Iterable[str] = ()) -> "Keys":
        """Accept *keys* only, or, when there are none, whatever has the right prefix.

        Raises:
            ValueError: A key lacks the prefix.
        """
        keys = tuple(keys)
        if any(not key.startswith(PREFIX) for key in keys):
            raise ValueError(f"an API key must start with {PREFIX!r}; choose one such as {PREFIX}local")
        return cls(tuple(key.encode() for key in keys))

    @property
    def are_configured(self) -> bool:
        """Whether only certain keys are accepted."""
        return bool(self._accepted)

    def check(self, key: str | None) -> Owner:
        """Return whose *key* it is.

        Raises:
            Unauthorized: Missing, without the prefix, or not one of the configured keys.
        """
        if not key:
            raise Unauthorized(f"the header X-API-Key is missing; send a key such as {PREFIX}local")
        if not key.startswith(PREFIX):
            raise Unauthorized(f"an API key must start with {PREFIX!r}")
        # Every configured key is compared, so the time does not tell which one came near.
        matches = [compare_digest(key.encode(), accepted) for accepted in self._accepted]
        if self._accepted and not any(matches):
            raise Unauthorized("this API key is not accepted here")
        return key_to_owner(key)
