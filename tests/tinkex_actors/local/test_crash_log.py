"""What the log says of crashes."""

import trio
from structlog.testing import capture_logs

from supervisors import Actor, open_supervisor
from tinkex_actors.local.crash_log import CrashLog


class Clumsy(Actor):
    """Crashes when told to."""

    async def fall(self) -> None:
        """Crash."""
        raise LookupError("a bug")


async def test_a_crash_is_written_down_with_its_cause() -> None:
    """The actor is restarted, so nothing else would show it."""
    with capture_logs() as lines:
        async with open_supervisor("test", observers=[CrashLog()]) as root:
            clumsy = await root.start_child(Clumsy, name="clumsy")
            clumsy.cast_nowait(Clumsy.fall)
            with trio.fail_after(1):
                await clumsy.ended()
    [line] = lines
    assert (line["event"], line["log_level"], line["path"]) == ("actor crashed", "error", "test/clumsy")
    assert isinstance(line["exc_info"], LookupError)
