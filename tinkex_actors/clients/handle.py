"""A sampling client as plain data, to be opened again in another process; see `tinkex_actors.clients.sampler_copy`."""

from collections.abc import Mapping

from attrs import field, frozen

from tinkex_actors.types import ClientConfigResponse, ClientDynamicConfigResponse
from tinkex_actors.types.ids import SamplingSessionId, SessionId
from tinkex_actors.wire.handles import HandleServer, HandleText, decode_handle, encode_handle


@frozen(kw_only=True)
class SamplerHandle:
    """A sampling client as plain data: pickle it, or write it as text."""

    session_id: SessionId
    sampling_session_id: SamplingSessionId
    base_model: str
    base_url: str
    """Travels with the handle; the environment of the other process does not change it."""
    default_headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    config: ClientConfigResponse = field(factory=ClientConfigResponse, repr=False)
    dynamic_config: ClientDynamicConfigResponse = field(factory=ClientDynamicConfigResponse, repr=False)
    record_stability_info: bool = False
    api_key: str = field(default="", repr=False)
    """Is in a pickle, and not in a text."""

    def to_text(self) -> str:
        """Write it as text without the key. The official SDK's ``from_sampler_handle`` reads the same."""
        server = HandleServer(self.base_url, dict(self.default_headers) or None, self.config, self.dynamic_config)
        text = HandleText(
            self.session_id, self.sampling_session_id, self.base_model, server, self.record_stability_info
        )
        return encode_handle(text)

    @classmethod
    def from_text(cls, text: str) -> "SamplerHandle":
        """Read what `to_text`, or the official SDK's ``get_sampler_handle``, wrote.

        Raises:
            RequestInvalid: It is no such text.
        """
        said = decode_handle(text)
        return cls(
            session_id=said.session_id,
            sampling_session_id=said.sampling_session_id,
            base_model=said.base_model,
            base_url=said.holder.base_url,
            default_headers=said.holder.default_headers_overrides or {},
            config=said.holder.client_config,
            dynamic_config=said.holder.client_dynamic_config,
            record_stability_info=said.record_stability_info,
        )
