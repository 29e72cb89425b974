"""What the service is told of a failure: what kind, where in this package, and whose fault; never a word of the error.

An error's words may quote a user's data, and so may the lines of the user's files. Told are the names of classes, and of
the functions of this package that the error came through.
"""

import traceback
from collections.abc import Iterator
from typing import cast

from tinkex_actors.types.errors import APIStatusError, RequestErrorCategory, RequestFailedError

_OURS = "tinkex_actors"
_TIMEOUT = 408
_USER_ERRORS = range(400, 500)


def find_user_error(error: BaseException) -> APIStatusError | RequestFailedError | None:
    """Find in *error*, its causes, its contexts and the members of its groups one that the user's request caused."""
    for one in walk(error):
        match one:
            case RequestFailedError(category=RequestErrorCategory.USER):
                return one
            case APIStatusError(status_code=status) if status in _USER_ERRORS and status != _TIMEOUT:
                return one
            case _:
                continue
    return None


def walk(error: BaseException) -> Iterator[BaseException]:
    """Visit an error and everything behind it, each once, however they refer to each other."""
    seen, ahead = set[int](), [error]
    while ahead:
        one = ahead.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        # What an isinstance makes of a group has a parameter that nobody knows.
        group = cast("BaseExceptionGroup[BaseException]", one) if isinstance(one, BaseExceptionGroup) else None
        members = group.exceptions if group is not None else ()
        behind = [one.__context__, one.__cause__]
        ahead += [*reversed(members), *(each for each in behind if each is not None)]


def list_frames(error: BaseException) -> str:
    """Name the functions of this package that *error* came through, outermost first."""
    frames = traceback.walk_tb(error.__traceback__)
    names = [(frame.f_globals.get("__name__", ""), frame.f_code.co_name, line) for frame, line in frames]
    return "\n".join(f"{module}.{function}:{line}" for module, function, line in names if module.startswith(_OURS))
