"""The heartbeat has a thread of its own: nothing the program does in its loop costs it its session."""

import threading
from collections.abc import Iterator

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs

from supervisors import ChildStarted
from supervisors.testing import EventLog
from tests.tinkex_actors.real_server import RealServer, real_server
from tinkex_actors.actors.heartbeat import HEARTBEAT_NAME, THREAD_NAME
from tinkex_actors.clients import open_tinker
from tinkex_actors.settings import Figures


@pytest.fixture
def server() -> Iterator[RealServer]:
    with real_server() as running:
        yield running


def beating_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == THREAD_NAME]


@pytest.mark.parametrize("block", [RealServer.block_until_beats, RealServer.compute_until_beats])
async def test_a_blocked_loop_does_not_cost_the_session_a_beat(block: object, server: RealServer) -> None:
    """A blocking call or minutes of pure Python in the user's loop: the server hears us all the same."""
    assert callable(block)
    async with open_tinker(server.settings()) as tinker:
        assert beating_threads() == [THREAD_NAME]
        block(server, 10)
        assert set(server.beats) == {"S1"} == {tinker.session_id}


async def test_what_blocks_the_loop_is_told_once_with_its_stack(server: RealServer) -> None:
    """The next question is always: where; and a log line a second would hide the answer."""
    figures = Figures(blocked_loop_warning=0.05, blocked_loop_check=0.01)
    with capture_logs() as logs:
        async with open_tinker(server.settings(figures)):
            await trio.lowlevel.checkpoint()
            server.block_until_beats(10)
            while not any("turns again" in line["event"] for line in logs):
                await trio.lowlevel.checkpoint()
    (blocked,) = [line for line in logs if "block_until_beats" in line.get("stack", "")]
    turning = next(line for line in logs if "turns again" in line["event"])
    assert (blocked["event"], blocked["log_level"]) == ("the event loop has been blocked for 0 s", "warning")
    assert turning["blocked_seconds"] >= 0.05


async def test_no_thread_outlives_its_client(server: RealServer) -> None:
    """Closed, cancelled or broken off by an error: the thread ends with the block."""
    async with open_tinker(server.settings()):
        assert beating_threads()
    assert not beating_threads()

    with trio.CancelScope() as scope:
        async with open_tinker(server.settings()):
            scope.cancel()
            await trio.sleep_forever()
    assert not beating_threads()

    with pytest.raises(KeyError, match="bug"):
        async with open_tinker(server.settings()):
            raise KeyError("bug")
    assert not beating_threads()


@pytest.mark.tinkex("T137")
async def test_the_heartbeat_and_everything_else_use_the_proxy(server: RealServer) -> None:
    """A setting that is validated and then forgotten is worse than none."""
    settings = evolve(server.settings(), base_url="http://far.example/tinker", proxy=server.url)
    async with open_tinker(settings):
        server.block_until_beats(1)
    asked = {path.rpartition("/")[2] for path in server.proxied}
    assert all(path.startswith("http://far.example/tinker/api/v1/") for path in server.proxied)
    assert asked >= {"config", "create_session", "session_heartbeat", "finish"}


async def test_a_crashed_heartbeat_beats_on_in_its_next_life(server: RealServer) -> None:
    """One thread before, one after, and the same session."""
    log = EventLog()
    async with open_tinker(server.settings(), observers=[log]) as tinker:
        path = tinker._tree.root.whereis(HEARTBEAT_NAME).path
        tinker.crash("heartbeat", "to see it come back")
        await log.wait_for(ChildStarted, path=path, count=2)
        server.block_until_beats(3)
        assert beating_threads() == [THREAD_NAME]
        assert server.opened == 1


async def test_a_session_that_the_server_ends_is_replaced_under_a_beating_thread(server: RealServer) -> None:
    """The thread notices the 410; the tree opens the next session and beats for it."""
    log = EventLog()
    async with open_tinker(server.settings(), observers=[log]) as tinker:
        path = tinker._tree.root.whereis(HEARTBEAT_NAME).path
        server.ended.add("S1")
        await log.wait_for(ChildStarted, path=path, count=2)
        server.beats.clear()
        server.compute_until_beats(2)
        assert (tinker.session_id, set(server.beats)) == ("S2", {"S2"})
        assert beating_threads() == [THREAD_NAME]
