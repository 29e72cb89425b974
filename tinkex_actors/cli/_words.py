"""Values in words for people: sizes, times, yes and no."""

from datetime import UTC, datetime, timedelta

_STEP = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_MOST_DAYS = 30
_SPANS = ((60, "second"), (60, "minute"), (24, "hour"), (7, "day"), (10**9, "week"))

NOTHING = "-"
"""What stands for a value that is not there."""


def say_size(size_bytes: int | None) -> str:
    """Write a size in powers of 1,024 with one decimal: ``1.5 MiB``."""
    if size_bytes is None:
        return NOTHING
    size, unit = float(size_bytes), 0
    while size >= _STEP and unit < len(_UNITS) - 1:
        size, unit = size / _STEP, unit + 1
    return f"{size_bytes} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def say_time(moment: datetime | None, now: datetime) -> str:
    """Write how long ago, or in how long; beyond thirty days, the date."""
    if moment is None:
        return NOTHING
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    distance = abs(now - moment)
    if distance > timedelta(days=_MOST_DAYS):
        return f"{moment.astimezone(UTC):%Y-%m-%d}"
    amount = int(distance.total_seconds())
    if amount < _SPANS[0][0]:
        return "just now" if moment <= now else f"in {amount} s"
    span = _say_span(amount)
    return f"{span} ago" if moment < now else f"in {span}"


def say_yes(claim: object) -> str:
    """Write whether something is so; what is not known is neither."""
    return NOTHING if claim is None else "yes" if claim else "no"


def say(value: object) -> str:
    """Write any other value; what is not there is a dash."""
    return NOTHING if value is None or value == "" else str(value)


def _say_span(amount: int) -> str:
    unit = "second"
    for size, unit in _SPANS:
        if amount < size or unit == "week":
            break
        amount //= size
    return f"{amount} {unit}{'' if amount == 1 else 's'}"
