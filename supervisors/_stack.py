"""Where a task is, as text: for what does not answer any more."""

import traceback

import trio


def stack_of(task: trio.lowlevel.Task) -> tuple[str, ...]:
    """The frames a parked task awaits in, outermost first, one line each: ``"file.py:12 in wait"``.

    The runtime's own frames are left out when there are others: users look for their own.
    """
    frames = [(frame.f_code, line) for frame, line in task.iter_await_frames()]
    lines = [
        (code.co_filename, f"{code.co_filename.rpartition('/')[2]}:{line} in {code.co_name}") for code, line in frames
    ]
    here = __file__.rpartition("/")[0] + "/_"
    users = tuple(text for filename, text in lines if not filename.startswith(here))
    return users or tuple(text for _, text in lines)


def text_of(error: BaseException) -> str:
    """The whole traceback, even of an error whose own text raises."""
    try:
        return "".join(traceback.format_exception(error))
    except Exception as broken:  # noqa: BLE001 - a user's broken text must not hurt who reports it
        return f"<{type(error).__name__}, whose text raises {type(broken).__name__}>"
