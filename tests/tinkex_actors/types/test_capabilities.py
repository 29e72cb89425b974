"""What a server can do, as plain data; and the page that tells it is the code's own."""

from pathlib import Path

import pytest
from attrs import fields

from tinkex_actors.types.service import Capabilities

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "servers.md"


def test_the_page_has_a_row_for_each_capability() -> None:
    """Its table is the fields with what they say of themselves, in their order; nothing else, nothing less."""
    rows = [
        f"| `{field.name}` | {field.metadata['what']} | {field.metadata['otherwise']} |"
        for field in fields(Capabilities)
    ]
    table = PAGE.read_text().partition("|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == rows


def test_a_capability_is_a_name_and_nothing_else() -> None:
    """A misspelt one would be presumed for ever."""
    assert not Capabilities().without("finish").finish
    assert Capabilities().having("bulk_poll").bulk_poll
    with pytest.raises(ValueError, match=r"must be one of protobuf_requests, .*, got 'speed'"):
        Capabilities().without("speed")
