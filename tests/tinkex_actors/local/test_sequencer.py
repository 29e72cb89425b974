"""The order of one model's requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.local.sequencer import Sequencer, StaleNumberError
from tinkex_actors.types.ids import RequestId


def drained(sequencer: Sequencer) -> list[str]:
    """Take whatever can be taken."""
    taken: list[str] = []
    while (request_id := sequencer.take()) is not None:
        taken.append(request_id)
    return taken


@given(st.permutations(range(8)))
def test_requests_come_out_in_the_order_of_their_numbers(arrivals: list[int]) -> None:
    """A chunk group arrives in any order; the model must see one order only."""
    sequencer, taken = Sequencer(), list[str]()
    for number in arrivals:
        sequencer.add(number, RequestId(str(number)))
        taken += drained(sequencer)
    assert taken == [str(number) for number in range(8)]


def test_a_request_behind_a_missing_number_waits() -> None:
    """Otherwise an optimizer step could overtake the gradients it needs."""
    sequencer = Sequencer()
    sequencer.add(1, RequestId("optim"))
    assert sequencer.take() is None
    assert sequencer.is_blocked


def test_a_number_is_known_for_ever() -> None:
    """A retry may come long after the operation is done and must find the same promise."""
    sequencer = Sequencer()
    sequencer.add(0, RequestId("create"))
    drained(sequencer)
    assert sequencer.find(0) == "create"
    assert sequencer.find(1) is None


def test_giving_up_returns_what_waits_and_goes_on_behind_it() -> None:
    """A gap that never fills must not block the model for ever."""
    sequencer = Sequencer()
    for number in (5, 2):
        sequencer.add(number, RequestId(str(number)))
    assert sequencer.give_up() == ["2", "5"]
    assert sequencer.next_number == 6
    assert not sequencer.is_blocked


def test_giving_up_nothing_changes_nothing() -> None:
    """The timer of a gap may fire just after the gap was filled."""
    sequencer = Sequencer()
    assert sequencer.give_up() == []
    assert sequencer.next_number == 0


def test_a_number_of_a_given_up_gap_is_refused() -> None:
    """What came after it is decided: carrying it out now would change the order."""
    sequencer = Sequencer()
    sequencer.add(3, RequestId("late"))
    sequencer.give_up()
    with pytest.raises(StaleNumberError, match="seq_id must be >= 4, got 2"):
        sequencer.add(2, RequestId("too late"))
