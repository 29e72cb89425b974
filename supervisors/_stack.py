"""Where a task is, as text: for what does not answer any more."""

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
