"""Where the page is, and how others find it."""

import os
import socket
import stat
from pathlib import Path

import pytest

from tests.tinkex_actors.observer.scene import open_scene
from tinkex_actors.observer import ObserverSettings, Watch, open_observer
from tinkex_actors.observer.client import ObserverUnreachable, ask_state, find_observer
from tinkex_actors.observer.server import OpenedObserver


async def test_the_address_is_written_for_its_owner_and_taken_back(tmp_path: Path) -> None:
    """``tinkex observe`` and ``tinkex top`` find the page by it, token included."""
    file = tmp_path / "run" / "observer.json"
    async with open_scene(ObserverSettings(allow_control=True, address_file=file)) as scene:
        mode = stat.S_IMODE(file.stat().st_mode)
        found = await find_observer(tmp_path)
        state = await ask_state(scene.page)

    assert found == scene.page
    assert mode == 0o600
    assert state["trees"][0]["path"] == "root"
    assert not file.exists()


async def test_a_file_that_a_killed_process_left_is_nobody(tmp_path: Path) -> None:
    """Its port may be free, or somebody else's."""
    (tmp_path / "observer.json").write_text('{"base_url": "http://127.0.0.1:9", "token": "", "pid": 1}')
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "observer.json").write_text("{")

    assert await find_observer(tmp_path) is None
    with pytest.raises(ObserverUnreachable, match="does not answer"):
        await ask_state(OpenedObserver("http://127.0.0.1:9", ""))


async def test_a_wrong_token_is_told(tmp_path: Path) -> None:
    """By the observer's own words."""
    del tmp_path
    async with open_scene(ObserverSettings(token="right-token-of-letters")) as scene:  # noqa: S106 - a test's
        with pytest.raises(ObserverUnreachable, match="401"):
            await ask_state(OpenedObserver(scene.page.base_url, "wrong"))


async def test_an_address_that_is_taken_is_named() -> None:
    """Before anything runs."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with open_observer(Watch(), ObserverSettings(port=port)):
                pass


async def test_the_descriptors_are_given_back() -> None:
    """A page that is opened and closed a few times a day leaves nothing behind."""

    async def visit() -> int:
        async with open_scene() as scene:
            await scene.get("/api/state")
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the kernel's list, not a folder

    first = await visit()
    assert await visit() <= first
