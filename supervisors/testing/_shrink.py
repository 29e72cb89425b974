"""Find a short list that still fails. Pure: what failing means is an argument."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrink(items: Sequence[T], fails: Callable[[Sequence[T]], bool], *, most: int) -> tuple[T, ...]:
    """Take items away while *fails* says that the rest still fails: halves first, then ever smaller runs, then single.

    Args:
        items: A list that fails.
        fails: Asked at most *most* times. Need not be monotonous.
        most: When that many questions were asked, what has been found is returned.

    Returns:
        A list that fails, in the order of *items*; unless *most* was reached, no single item can be taken from it.
    """
    best = tuple(items)
    width = max(len(best), 1)
    while width and most > 0:
        start, is_shorter = 0, False
        while start < len(best) and most > 0:
            rest = best[:start] + best[start + width :]
            most -= 1
            if fails(rest):
                best, is_shorter = rest, True
            else:
                start += width
        if width > 1 or not is_shorter:
            width //= 2
    return best
