"""The restart table and the restart window, against a naive model."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors import Exit, ExitKind, Restart
from supervisors._restart import Decision, RestartWindow, decide, wants_restart

TABLE = {
    Restart.PERMANENT: {ExitKind.NORMAL, ExitKind.SHUTDOWN, ExitKind.KILLED, ExitKind.CRASHED},
    Restart.TRANSIENT: {ExitKind.KILLED, ExitKind.CRASHED},
    Restart.TEMPORARY: set[ExitKind](),
}


@pytest.mark.parametrize(("restart", "kind"), list(itertools.product(Restart, ExitKind)))
def test_the_table_decides_who_is_restarted(restart: Restart, kind: ExitKind) -> None:
    """All twelve cells; nothing else about an exit matters."""
    for exit_ in (Exit(kind), Exit(kind, reason="payload"), Exit(kind, error=ValueError())):
        assert wants_restart(exit_, restart) is (kind in TABLE[restart])


@pytest.mark.parametrize(
    ("restart", "decision"), [(Restart.TRANSIENT, Decision.LEAVE), (Restart.TEMPORARY, Decision.FORGET)]
)
def test_what_is_not_restarted_is_left_or_forgotten_and_not_counted(restart: Restart, decision: Decision) -> None:
    """A clean end costs no budget."""
    window = RestartWindow(0, 1.0)
    for _ in range(10):
        assert decide(Exit(ExitKind.NORMAL), restart, window, 0.0) is decision
    assert decide(Exit(ExitKind.CRASHED), Restart.PERMANENT, window, 0.0) is Decision.GIVE_UP


@given(
    limit=st.integers(0, 5),
    seconds=st.integers(1, 10),
    gaps=st.lists(st.integers(0, 12), max_size=40),
)
def test_the_window_counts_as_a_naive_model_does(limit: int, seconds: int, gaps: list[int]) -> None:
    """The restart being made plus those not older than the window, its boundary included."""
    window = RestartWindow(limit, float(seconds))
    times: list[int] = []
    for now in itertools.accumulate(gaps):
        times.append(now)
        recent = [time for time in times if now - time <= seconds]
        expected = Decision.RESTART if len(recent) <= limit else Decision.GIVE_UP
        assert decide(Exit(ExitKind.CRASHED), Restart.PERMANENT, window, float(now)) is expected
        if expected is Decision.GIVE_UP:
            return


def test_the_window_remembers_no_more_than_it_needs() -> None:
    """A storm under a large budget must not grow without bound."""
    window = RestartWindow(3, 5.0)
    for time in range(1000):
        window.admits(float(time))
    assert len(window._times) <= 6
