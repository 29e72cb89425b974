from datetime import UTC, datetime, timedelta

import pytest

from tinkex_actors.cli._words import say_size, say_time

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "words"), [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**3, "5.0 GiB")]
)
def test_sizes_are_powers_of_1024_with_one_decimal(size: int | None, words: str) -> None:
    """As the official command writes them."""
    assert say_size(size) == words


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=15), "2 weeks ago"),
        (timedelta(days=31), "2026-10-22"),
        (-timedelta(hours=3), "in 3 hours"),
        (-timedelta(seconds=40), "in 40 s"),
    ],
)
def test_times_are_told_by_their_distance(ago: timedelta, words: str) -> None:
    """What is long ago has a date, what is to come says so."""
    assert say_time(NOW - ago, NOW) == words
