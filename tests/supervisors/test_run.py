"""Signals become an ordered stop: the same promises as for whole processes, looked at from inside one."""

import signal

import trio

from supervisors import Actor, Exit, open_supervisor, run


class Stubborn(Actor):
    """Takes an hour to stop, and asks for help."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    async def on_stop(self, reason: Exit, /) -> None:
        """Have the program be told twice."""
        self._log.append(f"stopping: {reason}")
        signal.raise_signal(signal.SIGINT)
        try:
            await trio.sleep(3600)
        finally:
            self._log.append("killed")


def test_a_first_signal_stops_in_order_and_a_second_at_once() -> None:
    """And the handlers that were there before are there again."""
    log: list[str] = []
    before = signal.getsignal(signal.SIGINT)

    async def main() -> None:
        async with open_supervisor() as root:
            await root.start_child(lambda: Stubborn(log), shutdown=7200)
            signal.raise_signal(signal.SIGTERM)
            await trio.sleep_forever()

    assert run(main) is None
    assert log == ["stopping: shutdown", "killed"]
    assert signal.getsignal(signal.SIGINT) is before
