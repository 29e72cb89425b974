"""The page about the server keeps its word: the official SDK gets through its program, which prints what the page shows."""

import os
import sys
from pathlib import Path

import trio

from tests.tinkex_actors.local.processes import open_process

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "sdk"


async def test_the_official_sdk_gets_through_the_quick_start() -> None:
    """Against a server process, told by the environment alone where it is."""
    async with open_process() as remote:
        environment = {**os.environ, "TINKER_BASE_URL": str(remote.http.base_url), "TINKER_API_KEY": "tml-local"}
        with trio.fail_after(120):
            program = await trio.run_process(
                [sys.executable, str(EXAMPLES / "quick_start.py")], capture_stdout=True, env=environment
            )
    assert program.stdout.decode() == (EXAMPLES / "quick_start.out").read_text()
