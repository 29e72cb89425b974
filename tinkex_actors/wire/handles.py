"""A sampling client as text that travels: URL-safe base64 of compact JSON, as the official SDK writes and reads it.

The text holds no key. The server's switches travel along, since whoever restores the client asks for none.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from attrs import field, frozen

from tinkex_actors.types import ClientConfigResponse, ClientDynamicConfigResponse, RequestInvalid
from tinkex_actors.types.ids import SamplingSessionId, SessionId
from tinkex_actors.wire.json_codec import decode_request, encode_json
from tinkex_actors.wire.requests import NULLABLE


@frozen
class HandleServer:
    """Where the sampling session is, and what its server said."""

    base_url: str
    default_headers_overrides: dict[str, str] | None = field(default=None, hash=False, repr=False, metadata=NULLABLE)
    client_config: ClientConfigResponse = field(factory=ClientConfigResponse)
    client_dynamic_config: ClientDynamicConfigResponse = field(factory=ClientDynamicConfigResponse)
    api_key: None = field(default=None, metadata=NULLABLE)
    """Always null: a text is read by many."""


@frozen
class HandleText:
    """What the text says."""

    session_id: SessionId
    sampling_session_id: SamplingSessionId
    base_model: str
    holder: HandleServer
    record_stability_info: bool = False


def encode_handle(handle: HandleText) -> str:
    """Write the text."""
    return urlsafe_b64encode(encode_json(handle)).decode()


def decode_handle(text: str) -> HandleText:
    """Read the text.

    Raises:
        RequestInvalid: It is none.
    """
    try:
        body = urlsafe_b64decode(text.encode("ascii"))
    except (Error, UnicodeEncodeError) as error:
        raise RequestInvalid(path="$", expected="the text of a sampling client", got="something else") from error
    return decode_request(HandleText, body, operation="a sampler handle")
