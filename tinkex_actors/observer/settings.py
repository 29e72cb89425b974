"""Where the page is served, to whom, and what it may do."""

import secrets
from ipaddress import ip_address
from pathlib import Path

from attrs import Factory, field, frozen


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches *host*."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _make_token(settings: "ObserverSettings") -> str:
    """Make a token where one is needed: nothing that others reach, or that changes anything, goes without."""
    is_needed = settings.allow_control or not is_loopback(settings.host)
    return secrets.token_urlsafe(24) if is_needed else ""


@frozen(kw_only=True)
class ObserverSettings:
    """How a page is served.

    Raises:
        ValueError: The port is none, an interval is not above 0, or a token is too short to be one.
    """

    host: str = "127.0.0.1"
    """Where to listen."""
    port: int = field(default=0)
    """0 is any free one."""
    allow_control: bool = False
    """Whether the page may pause, resume, restart and stop actors."""
    token: str = field(default=Factory(_make_token, takes_self=True), repr=lambda token: repr("***" if token else ""))
    """What a browser must show; made when it is needed and not given. Empty for none."""
    runs: tuple[Path, ...] = field(default=(), converter=tuple[Path, ...])
    """Run folders, or folders of them."""
    interval: float = 1.0
    """Seconds between two looks while somebody watches; what happens in the trees is shown at once."""
    address_file: Path | None = None
    """Where the address is written for ``tinkex observe`` and ``tinkex top``, readable by its owner only."""

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.port <= 65535:  # noqa: PLR2004 - the ports there are
            raise ValueError(f"port must be 0 to 65535, got {self.port}")
        if not self.interval > 0:
            raise ValueError(f"interval must be > 0 s, got {self.interval}")
        if not self.token and (self.allow_control or not is_loopback(self.host)):
            raise ValueError(
                "a token is needed to control actors, or to listen beyond this machine; leave it out to have one made"
            )
        if self.token and (len(self.token) < 16 or not self.token.isascii()):  # noqa: PLR2004 - or it is guessed
            raise ValueError("token must be at least 16 ASCII characters; leave it out to have one made")
