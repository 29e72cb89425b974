"""Addresses that open one file for a while, without a key: what a download link is.

A ticket names a checkpoint, a file of it and its last second, under a signature that only this process can make. Whoever
has the link can fetch the file until then; nobody can change what it names.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hashlib import sha256
from hmac import compare_digest, new

import orjson
from attrs import field, frozen

from tinkex_actors.local.paths import CheckpointPath
from tinkex_actors.local.refusals import Gone, NotFound


@frozen
class Ticket:
    """One file of one checkpoint, until a moment in seconds since 1970."""

    path: str
    file: str
    expires: float

    @property
    def checkpoint(self) -> CheckpointPath:
        """The checkpoint it opens."""
        return CheckpointPath.parse(self.path)


@frozen
class TicketOffice:
    """Makes and checks tickets."""

    _secret: bytes = field(factory=lambda: secrets.token_bytes(32), repr=False)

    def issue(self, ticket: Ticket) -> str:
        """Write *ticket* so that it can stand in a URL."""
        content = urlsafe_b64encode(orjson.dumps([ticket.path, ticket.file, ticket.expires])).decode()
        return f"{content}.{self._sign(content)}"

    def check(self, text: str, *, now: float) -> Ticket:
        """Read a ticket.

        Raises:
            NotFound: Not one of ours.
            Gone: Its time is over.
        """
        content, _, signature = text.partition(".")
        try:
            is_ours = compare_digest(signature.encode(), self._sign(content).encode())
            path, file, expires = orjson.loads(urlsafe_b64decode(content)) if is_ours else ("", "", 0.0)
        except (Base64Error, ValueError):
            is_ours, path, file, expires = False, "", "", 0.0
        if not is_ours:
            raise NotFound("this is no download link of this server")
        if now > expires:
            raise Gone("this download link has expired; ask for a new one")
        return Ticket(path, file, expires)

    def _sign(self, content: str) -> str:
        return new(self._secret, content.encode(), sha256).hexdigest()
