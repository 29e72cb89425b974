"""What the page may do to an actor when it is allowed to: pause, resume, restart, stop.

Each is an order to the supervisor or the actor, in their own words; the page sees what comes of it like everybody else.
"""

from typing import Any, Literal, get_args

import trio

from supervisors import ActorNotAlive, ChildNotFound, Ref, Supervisor, SupervisorsError, Task
from tinkex_actors.observer.watch import Watch

Action = Literal["pause", "resume", "restart", "stop"]

ACTIONS: tuple[str, ...] = get_args(Action)
_PATIENCE = 5.0
"""Seconds that a pause waits for the operation that runs."""


class ControlRefused(Exception):
    """The order cannot be carried out; the message says why."""


async def control(watch: Watch, path: str, action: str) -> str:
    """Carry out *action* on what has that path, and say what was done.

    Raises:
        ControlRefused: There is nothing of that path, it does not take the order, or it does not get there in time.
    """
    try:
        with trio.fail_after(_PATIENCE):
            return await _act(watch, path, action)
    except trio.TooSlowError as slow:
        raise ControlRefused(f"{path} did not {action} within {_PATIENCE:g} s") from slow
    except (SupervisorsError, ChildNotFound, ActorNotAlive) as error:
        raise ControlRefused(str(error)) from error


async def _act(watch: Watch, path: str, action: str) -> str:
    place, name = watch.split(path)
    if name is None:
        raise ControlRefused(f"{path} is a root; it ends with its program")
    if path in watch.untouchable:
        raise ControlRefused(f"{path} serves this page; it ends with its program")
    child = place.child(name)
    match action:
        case "pause" | "resume":
            if isinstance(child, Supervisor):
                raise ControlRefused(f"{path} is a supervisor; pause the actors below it")
            if isinstance(child, Task):
                raise ControlRefused(f"{path} is a task; it can be stopped, but not paused")
            return await _hold(child, action)
        case "restart":
            return await _restart(place, name, child)
        case "stop":
            await place.terminate_child(name)
            return f"{path} is stopped"
        case _:
            raise ControlRefused(f"expected one of {', '.join(ACTIONS)}, got {action!r}")


async def _hold(ref: Ref[Any], action: str) -> str:
    if action == "pause":
        await ref.suspend()
        return f"{ref.path} is paused"
    ref.resume()
    return f"{ref.path} goes on"


async def _restart(place: Supervisor, name: str, child: "Ref[Any] | Supervisor | Task[Any]") -> str:
    """Stop it and start it again. A child that its supervisor would forget is killed instead, and counts as a restart."""
    if place.which_child(name).status == "down":
        await place.restart_child(name)
        return f"{child.path} is started"
    if _is_forgotten(place, name):
        if not isinstance(child, Ref):
            raise ControlRefused(f"{child.path} would not come back; restart what is below it")
        child.kill()
        return f"{child.path} is killed; its supervisor starts it again if it is one to be kept"
    await place.terminate_child(name)
    await place.restart_child(name)
    return f"{child.path} is restarted"


def _is_forgotten(place: Supervisor, name: str) -> bool:
    """Tell whether the supervisor forgets a child that it stops."""
    return place.which_child(name).spec.restart.value == "temporary" or place.survey().is_dynamic
