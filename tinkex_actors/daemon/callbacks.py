"""Functions of the plan that are told when a run has failed: within a deadline, and without a say in what follows."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from tinkex_actors.daemon.references import Reference
from tinkex_actors.log import get_log

_log = get_log()


@frozen(kw_only=True)
class Recovery:
    """What a callback of a plan is told."""

    run: str
    life: int
    """The life that failed."""
    attempts: int
    """Failed ones in a row, this one included."""
    error: BaseException
    """Why it failed."""


async def call_back(reference: Reference | None, told: Recovery, *, base: Path, seconds: float) -> None:
    """Call a function of the plan, within its deadline; what it does wrong is told and changes nothing."""
    if reference is None:
        return
    with trio.move_on_after(seconds) as scope:
        try:
            await _invoke(reference.resolve(base), told)
        except Exception as error:  # noqa: BLE001 - the plan's own code must not end the run that it watches
            _log.warning(
                "a callback failed", run=told.run, callback=reference.text, error=f"{type(error).__name__}: {error}"
            )
    if scope.cancelled_caught:
        _log.warning("a callback took too long", run=told.run, callback=reference.text, seconds=seconds)


async def _invoke(function: Callable[..., Any], told: Recovery) -> None:
    if inspect.iscoroutinefunction(function):
        await function(told)
    else:
        # A thread, so that a slow callback holds nobody up; at its deadline it is left behind.
        await trio.to_thread.run_sync(function, told, abandon_on_cancel=True)
