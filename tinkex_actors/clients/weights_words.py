"""What clients say of saved weights, and what servers answer: checked before anything is sent, and when it has come."""

from tinkex_actors.transport.endpoints import SAVE_WEIGHTS_FOR_SAMPLER
from tinkex_actors.types import ResponseInvalid, SaveWeightsForSamplerResponse, TinkerPath

_ONE_HOUR = 3600


# object: these are the doors, and what comes in may be anything.
def check_name(name: object, ttl_seconds: object) -> None:
    """Refuse a name or a time to live that no server takes.

    Raises:
        TypeError: The name is no text, or the time no whole number.
        ValueError: The name is empty or holds a slash, or the time is below an hour.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be text, got {type(name).__name__}")
    if not name or "/" in name:
        raise ValueError(f"name must not be empty nor contain '/', got {name!r}")
    if ttl_seconds is not None and (isinstance(ttl_seconds, bool) or not isinstance(ttl_seconds, int)):
        raise TypeError(f"ttl_seconds must be an int or None, got {type(ttl_seconds).__name__}")
    if ttl_seconds is not None and ttl_seconds < _ONE_HOUR:
        raise ValueError(f"ttl_seconds must be >= {_ONE_HOUR} or None, got {ttl_seconds}")


def check_path(path: object) -> TinkerPath:
    """Refuse what is no path of the service.

    Raises:
        TypeError: It is no text.
        ValueError: It begins otherwise.
    """
    if not isinstance(path, str):
        raise TypeError(f"path must be text, got {type(path).__name__}")
    if not path.startswith("tinker://"):
        raise ValueError(f"path must begin with 'tinker://', got {path!r}")
    return TinkerPath(path)


def require_path(saved: SaveWeightsForSamplerResponse) -> TinkerPath:
    """Return where named weights were saved.

    Raises:
        ResponseInvalid: The server does not say it.
    """
    if saved.path is None:
        raise missing("path")
    return saved.path


def missing(field: str) -> ResponseInvalid:
    """Make the error for an answer to a save that lacks *field*."""
    return ResponseInvalid(path=field, expected="text", got="nothing", operation=SAVE_WEIGHTS_FOR_SAMPLER.name)
