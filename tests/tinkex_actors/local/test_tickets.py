"""Links that work for a while."""

import pytest

from tinkex_actors.local.refusals import Gone, NotFound
from tinkex_actors.local.tickets import Ticket, TicketOffice

TICKET = Ticket("tinker://s:train:0/external_weights/a", "file", 100.0)


def test_a_ticket_says_what_was_written_on_it() -> None:
    """Until its last second."""
    office = TicketOffice()
    assert office.check(office.issue(TICKET), now=100.0) == TICKET


def test_a_ticket_expires() -> None:
    """A link that leaks is not a leak for ever."""
    office = TicketOffice()
    with pytest.raises(Gone, match="expired"):
        office.check(office.issue(TICKET), now=100.1)


@pytest.mark.parametrize("text", ["", ".", "x.y", "W10=.", "é.é"])
def test_what_this_office_has_not_issued_is_refused(text: str) -> None:
    """Including what only looks like a ticket."""
    with pytest.raises(NotFound):
        TicketOffice().check(text, now=0)


def test_a_ticket_of_another_office_is_refused() -> None:
    """Every server signs with a secret of its own."""
    with pytest.raises(NotFound):
        TicketOffice().check(TicketOffice().issue(TICKET), now=0)
