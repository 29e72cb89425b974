"""What systemd hears, at a socket that stands for its own."""

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.tinkex_actors.daemon.runs import open_world
from tinkex_actors.daemon.citizen import Citizen
from tinkex_actors.daemon.notify import Notifier


@contextmanager
def manager(path: str) -> Generator[socket.socket, None, None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(30)
        yield listener


@pytest.mark.parametrize("is_abstract", [False, True])
async def test_each_word_is_one_datagram(tmp_path: Path, is_abstract: bool) -> None:  # noqa: FBT001 - a parameter
    """In the file system, and in Linux's abstract namespace, which containers use."""
    name = f"{tmp_path}/notify"
    with manager(f"\0{name}" if is_abstract else name) as heard:
        notifier = Notifier.from_environ({"NOTIFY_SOCKET": f"@{name}" if is_abstract else name})
        await notifier.ready("1 run: 1 training")
        await notifier.stopping(30.0)
        await notifier.reloading()
        await notifier.alive()

        assert heard.recv(200) == b"READY=1\nSTATUS=1 run: 1 training"
        assert heard.recv(200) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000"
        assert heard.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert heard.recv(200) == b"WATCHDOG=1"


async def test_nobody_is_told_where_nobody_listens(tmp_path: Path) -> None:
    """No variable, and a socket that is gone: neither stops the training."""
    await Notifier.from_environ({}).ready("")
    await Notifier(str(tmp_path / "gone")).ready("")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_says_so(environ: dict[str, str], seconds: float | None) -> None:
    """The variables are inherited; a child must not answer for its parent."""
    assert Notifier.from_environ(environ).watchdog_seconds == seconds


async def test_a_daemon_tells_that_it_is_ready_and_feeds_the_watchdog(tmp_path: Path) -> None:
    """It is fed as long as every journal answers."""
    async with open_world(tmp_path) as world, world.daemon(world.plan({"sft": world.run(steps=500)})) as daemon:
        with manager(f"{tmp_path}/notify") as heard:
            async with trio.open_nursery() as nursery:
                await nursery.start(Citizen(daemon, Notifier(f"{tmp_path}/notify", 0.2)).live)
                assert (await trio.to_thread.run_sync(heard.recv, 200)).startswith(b"READY=1\nSTATUS=1 run: 1 ")
                assert await trio.to_thread.run_sync(heard.recv, 200) == b"WATCHDOG=1"
                nursery.cancel_scope.cancel()
