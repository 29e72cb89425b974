"""Reading a token without believing it, and without repeating it."""

from base64 import urlsafe_b64encode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinker.lib.public_interfaces.rest_client import _whoami_response_from_jwt as sdk_whoami

from tinkex_actors.types import WhoamiResponse
from tinkex_actors.wire.token import decode_whoami


def token(claims: object) -> str:
    """Make a token nobody signed."""
    return f"eyJh.{urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip('=')}.signature"


@pytest.mark.parametrize("email", ["a@b.c", "", None])
def test_a_token_names_its_owner_as_the_official_client_reads_it(email: str | None) -> None:
    """An empty address is none."""
    claims = {"sub": "urn:u", "org_id": "o", **({} if email is None else {"email": email}), "exp": 7}
    theirs = sdk_whoami(token(claims))
    assert decode_whoami(token(claims)) == WhoamiResponse(theirs.user_urn, theirs.org_urn, theirs.email)


@pytest.mark.parametrize("bad", ["tml-secret", "a.b", "eyJ.secret.x", token([1]), token({"sub": "secret"}), token({})])
def test_what_is_no_such_token_is_refused_without_repeating_it(bad: str) -> None:
    """It may be the wrong secret."""
    with pytest.raises(ValueError, match="the token must") as refused:
        decode_whoami(bad)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


@given(st.text(alphabet='eyJ.-_=Az09é{}"') | st.binary().map(lambda raw: f"a.{urlsafe_b64encode(raw).decode()}.c"))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never another error."""
    try:
        decode_whoami(text)
    except ValueError as refused:
        assert str(refused).startswith("the token must")  # noqa: PT017 - not raising is fine as well
