"""The program of the page about servers does the same everywhere, told by one setting where the server is."""

import os
import sys
from pathlib import Path

import pytest
import trio

from tests.tinkex_actors.servers.listening import open_port
from tests.tinkex_actors.servers.test_scenarios import KINDS

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "docs" / "examples" / "servers" / "train_anywhere.py"


async def run(**environment: str) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TINKER_")}
    with trio.fail_after(120):
        done = await trio.run_process([sys.executable, str(PROGRAM)], capture_stdout=True, env=plain | environment)
    return done.stdout.decode()


@pytest.mark.parametrize("kind", [*KINDS, "embedded"])
async def test_the_program_does_the_same_on_every_server(kind: str) -> None:
    """In a process of its own, over real sockets; it prints what the page shows, whoever answers."""
    if kind == "embedded":
        printed = await run()
    else:
        async with open_port(KINDS[kind]().handle) as url:
            printed = await run(TINKER_BASE_URL=url, TINKER_API_KEY="tml-local")
    assert printed == PROGRAM.with_suffix(".out").read_text()


def test_the_page_shows_the_program_and_what_it_prints() -> None:
    """A program that no page includes is not documentation."""
    page = (ROOT / "docs" / "guides" / "servers.md").read_text()
    assert "examples/servers/train_anywhere.py" in page
    assert "examples/servers/train_anywhere.out" in page
