"""Excerpts of Python on the pages run, each with what stands around it."""

import re
import textwrap
from pathlib import Path

import pytest

from tests.doc_pages import ROOT, Block, blocks

_ON_A_SERVER = """
import os
import trio
from tinkex_actors import Settings, open_tinker
from tinkex_actors.local import open_server
async def main():
    async with open_server() as server:
        os.environ["TINKER_BASE_URL"] = server.url
        {block}
trio.run(main)
"""

CONTEXTS: dict[str, list[str]] = {
    "docs/guides/observer.md": [
        """
from pathlib import Path
import trio
from tinkex_actors import Settings, open_tinker
from tinkex_actors.local import open_server
from tinkex_actors.observer import ObserverSettings, Watch, open_observer
async def main():
    async with open_server() as server:
        settings = Settings.local(server.url)
        {block}
trio.run(main)
"""
    ],
    "docs/guides/production.md": [
        """
from pathlib import Path
import trio
from tinkex_actors.daemon.daemon import open_daemon
from tinkex_actors.daemon.plan import Plan, RunPlan, ServerPlan
Path("data.jsonl").write_text('{"prompt": "a", "completion": "b"}')
run = RunPlan(base_model="tinkex/tiny", data=Path("data.jsonl"), steps=1)
plan = Plan(runs={"sft": run}, server=ServerPlan(local=True))
async def main():
    {block}
    assert endings["sft"].state == "done"
trio.run(main)
"""
    ],
    "docs/guides/sampling.md": [
        _ON_A_SERVER.replace("import Settings,", "import Settings, Tokenizer,")
        .replace("import os\n", "import os\nfrom pathlib import Path\n")
        .replace("{block}", '{block}\n            assert sampler.decode(tokens) == "The sea"')
    ],
    "docs/guides/settings.md": [
        """
import io, os, tomllib
from tinkex_actors import Settings
file = io.BytesIO(b"[tinker]\\nproject_id = 'p'\\n")
{block}
"""
    ],
    "docs/guides/testing.md": [
        """
from collections.abc import AsyncIterator
import pytest
from tinkex_actors import TinkerClient, open_tinker
{block}
assert "pytest_fixture" in repr(tinker)
"""
    ],
    "docs/guides/training.md": [_ON_A_SERVER.replace("{block}", "{block}\n            assert tinker.session_id")],
    "docs/local-server.md": [
        """
import trio
from tinkex_actors import Settings, open_tinker
async def train_one_step(url):
    async with open_tinker(Settings.local(url)) as tinker:
        await (await tinker.create_lora_training_client("tinkex/tiny", rank=1)).optim_step()
async def main():
    {block}
trio.run(main)
""",
    ],
    "docs/supervisors/testing.md": [
        """
import pytest
from supervisors import Actor, open_supervisor
from supervisors.testing import Faults, simulate
class Till(Actor):
    async def pay(self) -> None: ...
async def main():
    async with open_supervisor("root") as root:
        await (await root.start_child(Till)).call(Till.pay)
{block}
test_no_payment_is_lost(0)
""",
        """
from supervisors.testing import Crash, FailStarts, disturb
from tests.supervisors.testing.test_spec_machine import make_shop as make_spec
{block}
""",
    ],
}
"""For each excerpt of a page, in order, the program around it."""


def _whole(context: str, excerpt: str) -> str:
    """Put an excerpt in its place, as deep as its place is."""
    match = re.search(r"^( *)\{block\}", context, re.MULTILINE)
    assert match is not None
    return context.replace(match[0], textwrap.indent(excerpt.rstrip(), match[1]))


EXCERPTS = [block for block in blocks("python") if block.page.name != "README.md"]


@pytest.mark.parametrize("block", EXCERPTS, ids=str)
def test_every_python_block_of_a_page_is_judged(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run, with what stands around it; longer programs are files of their own, and the README's is in test_readme."""
    monkeypatch.setenv("TINKER_API_KEY", "tml-local")
    monkeypatch.setenv("TINKER_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.chdir(tmp_path)
    page = block.page.relative_to(ROOT).as_posix()
    place = [one.line for one in EXCERPTS if one.page == block.page].index(block.line)
    assert page in CONTEXTS, f"{block}: an excerpt that no test runs; make it a program, or say what is around it"
    exec(compile(_whole(CONTEXTS[page][place], block.text), str(block), "exec"), {"__name__": "excerpt"})  # noqa: S102
