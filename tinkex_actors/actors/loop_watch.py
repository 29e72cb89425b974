"""Notices from another thread that a loop does not turn, and says what blocks it.

The loop is asked to answer every now and then, one question at a time. If it does not for a while, something runs in it
that neither awaits nor returns: a computation, a blocking call. That is told once, with the stack of what was running, and
once more when the loop turns again. A stack is file names and lines; no value of any variable is in it.
"""

import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

import trio
from trio.lowlevel import TrioToken, current_trio_token

from tinkex_actors.actors.own_loop import Owner
from tinkex_actors.log import get_log
from tinkex_actors.settings import Figures

_log = get_log()


async def watch_loop(owner: Owner, figures: Figures) -> None:
    """Watch the owner's loop until cancelled."""
    here = current_trio_token()
    while True:
        answered = trio.Event()
        asked = trio.current_time()
        owner.call_soon(_answerer(here, answered))
        with trio.move_on_after(figures.blocked_loop_warning):
            await answered.wait()
        if not answered.is_set():
            _report(owner.thread_id, trio.current_time() - asked)
            await answered.wait()
            _log.warning("the event loop turns again", blocked_seconds=round(trio.current_time() - asked, 1))
        await trio.sleep(figures.blocked_loop_check)


def _answerer(asker: TrioToken, answered: trio.Event) -> Callable[[], None]:
    def answer() -> None:
        # The asker may have ended meanwhile.
        with suppress(trio.RunFinishedError):
            asker.run_sync_soon(answered.set)

    return answer


def _report(thread_id: int, seconds: float) -> None:
    frame = sys._current_frames().get(thread_id)  # noqa: SLF001 - the documented way to another thread's stack
    stack = "".join(traceback.format_stack(frame)) if frame is not None else "(gone)"
    _log.warning(f"the event loop has been blocked for {seconds:.0f} s", stack=stack)
