"""Searches that make no sense are refused where they are written."""

import re
from collections.abc import Callable

import pytest

from tinkex_actors.types import FinishReason, SearchOwner, SessionStatusQuery


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SessionStatusQuery("done"), "must be one of active, cancelled, failed, client_finished, got 'done'"),  # type: ignore[arg-type]  # the point
        (lambda: SessionStatusQuery("active", (FinishReason.SUCCESS,)), "only for client_finished"),
        (lambda: SessionStatusQuery("client_finished", ()), "reasons must be at least one"),
        (lambda: SearchOwner("mine"), "owner must be own, accessible or a list of users, got 'mine'"),  # type: ignore[arg-type]  # the point
        (lambda: SearchOwner("user"), "owner_urns belongs to owner user and only there"),
        (lambda: SearchOwner("own", ("u",)), "owner_urns belongs to owner user and only there"),
        (lambda: SearchOwner("user", ()), "owner_urns must be 1 to 10, got 0"),
        (lambda: SearchOwner("user", ("u",) * 11), "owner_urns must be 1 to 10, got 11"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(make: Callable[[], object], message: str) -> None:
    """Before the service answers it with 422."""
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
