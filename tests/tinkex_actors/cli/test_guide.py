"""The command reference of the docs, against the commands there are."""

import re
from pathlib import Path

from tinkex_actors.cli._groups import leaves
from tinkex_actors.cli._main import tinkex

_GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "command-line.md"


def test_the_guide_names_each_command_with_its_sentence_and_no_other() -> None:
    """A command that no page names is found by nobody; a page that names what is gone lies."""
    rows = re.findall(r"^\| `tinkex ([^`]+)` \| (.+) \|$", _GUIDE.read_text(), re.MULTILINE)

    assert rows == [(name, leaf.help) for name, leaf in leaves(tinkex.branch)]
