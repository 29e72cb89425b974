"""What a credential says about its owner: the claims of a JWT. Its signature is the server's business.

No message made here repeats a token.
"""

from base64 import urlsafe_b64decode
from math import isfinite
from typing import Any

from attrs import frozen

from tinkex_actors.types import WhoamiResponse
from tinkex_actors.wire._json_rules import as_dict
from tinkex_actors.wire.json_codec import parse

_PARTS_AFTER_THE_HEADER = 2


def decode_whoami(token: str) -> WhoamiResponse:
    """Read from a JWT whom it stands for.

    Raises:
        ValueError: It is no JWT, or does not name a user and an organisation.
    """
    claims = _read_claims(token)
    match claims:
        case {"sub": str(user), "org_id": str(organisation)}:
            email = claims.get("email")
        case _:
            raise ValueError("the token must have the claims sub and org_id, got one that has not; log in anew")
    return WhoamiResponse(user, f"tml:organization:{organisation}", email if isinstance(email, str) and email else None)


@frozen
class Lifetime:
    """When a token was made and when it ends, in seconds since the epoch."""

    issued_at: float
    expires_at: float


def decode_lifetime(token: str) -> Lifetime | None:
    """Read how long a JWT lives; ``None`` for what is no JWT, or one without usable times."""
    try:
        claims = _read_claims(token)
    except ValueError:
        return None
    match claims.get("iat", 0), claims.get("exp"):
        case (bool(), _) | (_, bool()):  # numbers to Python, and to nobody else
            return None
        case ((int() | float() as issued), (int() | float() as expires)) if isfinite(issued) and isfinite(expires):
            return Lifetime(issued, expires)
        case _:
            return None


def _read_claims(token: str) -> dict[str, Any]:
    _, *rest = token.split(".")
    if len(rest) == _PARTS_AFTER_THE_HEADER:
        try:
            return as_dict(parse(urlsafe_b64decode(rest[0] + "=" * (-len(rest[0]) % 4))))
        except ValueError:
            pass  # its words would hold pieces of the token
    raise ValueError("the token must be a JWT, got something else; whoami needs one")
