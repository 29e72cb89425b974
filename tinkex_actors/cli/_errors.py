"""From an exception to the one sentence a person needs."""

from typing import TypeGuard

from supervisors import StartError


class CommandFailed(Exception):
    """A command cannot do what was asked; the message is the sentence a person is told."""


OPTIONAL = {
    "matplotlib": "demo",
    "prometheus_client": "metrics",
    "h11": "observer",
    "huggingface_hub": "huggingface",
    "tensorboardX": "tensorboard",
    "starlette": "local",
    "safetensors": "local",
    "threadpoolctl": "local",
}
"""Packages that commands need and an extra brings, and its name."""


def describe_failure(error: BaseException) -> str:
    """Say what went wrong, without a traceback.

    A group is told by its first ordinary member, since a person mends one fault at a time.
    """
    cause = _first_leaf(error)
    if isinstance(cause, ModuleNotFoundError) and cause.name in OPTIONAL:
        return f"this command needs {cause.name}; pip install 'tinkex-actors[{OPTIONAL[cause.name]}]'"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror if cause.filename is None else f"{cause.strerror}: {cause.filename}"
    text = str(cause).strip()
    if not text:
        return type(cause).__name__
    return text if _speaks_for_itself(cause) else f"{type(cause).__name__}: {text}"


def _first_leaf(error: BaseException) -> BaseException:
    """Find what a person can do something about: below groups, and below a tree that could not start because of it."""
    while True:
        if _is_group(error):
            error = error.exceptions[0]
        elif isinstance(error, StartError) and error.__cause__ is not None:
            error = error.__cause__
        else:
            return error


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)


def _speaks_for_itself(error: BaseException) -> bool:
    """Our own errors are written as sentences; a foreign one needs its name to be understood."""
    return type(error).__module__.split(".")[0] in {"tinkex_actors", "supervisors"}
