"""How a server is to be."""

import pytest

from tinkex_actors.local.options import is_loopback


@pytest.mark.parametrize(
    ("host", "is_mine"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("box", False)],
)
def test_only_the_loopback_needs_no_key(host: str, *, is_mine: bool) -> None:
    """A name that is not known to be this machine's own counts as reachable by others."""
    assert is_loopback(host) is is_mine
