"""The shortest list that still fails."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from supervisors.testing._shrink import shrink


@given(st.sets(st.integers(0, 30), max_size=4), st.lists(st.integers(0, 30), unique=True, max_size=20))
def test_exactly_what_is_needed_is_left(needed: set[int], others: list[int]) -> None:
    """When a failure needs certain items and nothing else matters, these are found, in their order."""
    items = others + sorted(needed - set(others))

    found = shrink(items, lambda rest: needed <= set(rest), most=10_000)

    assert list(found) == [item for item in items if item in needed]


def test_a_failure_that_needs_a_pair_is_found() -> None:
    """Neither half fails alone."""
    assert shrink(range(64), lambda rest: {3, 60} <= set(rest), most=10_000) == (3, 60)


def test_it_stops_after_so_many_questions() -> None:
    """A run may be slow: the best so far is better than none."""
    asked: list[Sequence[int]] = []

    def fails(rest: Sequence[int]) -> bool:
        asked.append(rest)
        return len(rest) >= 10

    found = shrink(range(100), fails, most=5)

    assert len(asked) == 5
    assert len(found) < 100
