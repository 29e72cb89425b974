"""Who may ask."""

import pytest

from tinkex_actors.local.keys import Keys, key_to_owner
from tinkex_actors.local.refusals import Unauthorized


@pytest.mark.parametrize("key", [None, "", "sk-1", "TML-x"])
def test_a_key_without_the_prefix_is_refused(key: str | None) -> None:
    """The message tells what to send instead."""
    with pytest.raises(Unauthorized, match="tml-"):
        Keys.of().check(key)


def test_without_configured_keys_each_key_is_an_owner_of_its_own() -> None:
    """Two people on one machine do not see each other's checkpoints."""
    keys = Keys.of()
    assert keys.check("tml-a") == keys.check("tml-a")
    assert keys.check("tml-a") != keys.check("tml-b")


def test_with_configured_keys_only_those_are_accepted() -> None:
    """A server that others can reach must not open to any key."""
    keys = Keys.of(["tml-a", "tml-b"])
    assert keys.check("tml-b") == key_to_owner("tml-b")
    with pytest.raises(Unauthorized, match="not accepted"):
        keys.check("tml-c")


def test_the_owner_does_not_show_the_key() -> None:
    """It is written to disk and shown on pages."""
    assert "secret" not in key_to_owner("tml-secret")


def test_a_configured_key_without_the_prefix_is_refused_at_the_start() -> None:
    """No client could ever send it."""
    with pytest.raises(ValueError, match="must start with 'tml-'"):
        Keys.of(["secret"])
