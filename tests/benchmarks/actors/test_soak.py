"""The soak, shortened and under virtual time: nothing grows; and it would say so."""

import trio
from trio.testing import MockClock

from benchmarks.actors.soak import Count, find_growth, soak


def test_nothing_grows_under_random_crashes() -> None:
    """Half a second of virtual time is some five thousand deeds."""
    first, last, done = trio.run(soak, 0.3, clock=MockClock(autojump_threshold=0))

    assert find_growth(first, last) == []
    assert done["crash"] > 50


def test_growth_is_seen() -> None:
    """A soak that cannot fail proves nothing."""
    first = Count(tasks=10, memory=100_000_000, descriptors=10)

    assert find_growth(first, Count(tasks=11, memory=100_100_000, descriptors=12)) == ["tasks", "descriptors"]
    assert find_growth(first, Count(tasks=9, memory=110_000_000, descriptors=10)) == ["memory"]
