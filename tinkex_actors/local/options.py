"""How a server is to be: everything `open_server` can be told."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from attrs import field, frozen

from tinkex_actors.local.faults import FaultPlan
from tinkex_actors.local.keys import Keys
from tinkex_actors.local.limits import Limits
from tinkex_actors.types.service import ClientConfigResponse, ClientDynamicConfigResponse

TINY = "tinkex/tiny"
"""The name of the model that ships with the package."""


def tiny_model_path() -> Path:
    """Where the model that ships with the package is."""
    return Path(__file__).parent / "models" / "tiny"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach *host*."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _default_models() -> Mapping[str, Path]:
    return {TINY: tiny_model_path()}


@frozen(kw_only=True)
class ServerOptions:
    """How a server is to be.

    Raises:
        ValueError: No model; a key without the ``tml-`` prefix; or others could reach the server without a key.
    """

    models: Mapping[str, Path] = field(factory=_default_models, hash=False)
    """Directories of base models by the names clients ask for."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free port."""
    data: Path | None = None
    """Where state outlives the process; without it, memory and a temporary folder."""
    seed: int = 0
    """What every random draw begins from that a client gives no seed for."""
    api_keys: tuple[str, ...] = ()
    """The keys that are accepted; without any, every key that starts with ``tml-``."""
    limits: Limits = field(factory=Limits)
    flags: ClientConfigResponse = field(factory=lambda: ClientConfigResponse(use_pyqwest_transport=False))
    """What ``client/config`` answers."""
    dynamic_flags: ClientDynamicConfigResponse = field(
        factory=lambda: ClientDynamicConfigResponse(sample_cancel_enabled=True)
    )
    """What ``client/dynamic_config`` answers."""
    faults: FaultPlan = field(factory=FaultPlan)
    """What is to go wrong; nothing by default. It may be changed while the server runs."""
    logs_requests: bool = False
    """Whether every request is logged, through structlog, as ``tinkex_actors.local.access``."""
    notes_weights: bool = False
    """Whether the audit log names the weights after each change of them."""

    def __attrs_post_init__(self) -> None:
        if not self.models:
            raise ValueError("models must name at least one model directory, got none")
        Keys.of(self.api_keys)
        if not self.api_keys and not is_loopback(self.host):
            raise ValueError(f"a server on {self.host!r} needs an API key; give one, or use host 127.0.0.1")
