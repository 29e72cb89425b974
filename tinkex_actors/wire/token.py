"""What a credential says about its owner: the claims of a JWT. Its signature is the server's business.

No message made here repeats a token.
"""

from base64 import urlsafe_b64decode
from typing import Any

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


def _read_claims(token: str) -> dict[str, Any]:
    _, *rest = token.split(".")
    if len(rest) == _PARTS_AFTER_THE_HEADER:
        try:
            return as_dict(parse(urlsafe_b64decode(rest[0] + "=" * (-len(rest[0]) % 4))))
        except ValueError:
            pass  # its words would hold pieces of the token
    raise ValueError("the token must be a JWT, got something else; whoami needs one")
