"""A ledger's numbers have no gaps and no doubles, whatever is refused, withdrawn, lost or repeated."""

from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tinkex_actors.actors.errors import ClientBusy, ClientClosed, ClientFenced, OperationWithdrawn
from tinkex_actors.actors.ledger import Call, Entry, Ledger
from tinkex_actors.actors.operation import Operation, Value
from tinkex_actors.actors.pending import Audience, Slot
from tinkex_actors.transport.endpoints import OPTIM_STEP
from tinkex_actors.types.errors import BadRequestError, RequestFailedError
from tinkex_actors.types.futures import Promise
from tinkex_actors.types.ids import ModelId, RequestId
from tinkex_actors.types.training import AdamParams
from tinkex_actors.wire.requests import OptimStepRequest

STEP = Operation(row=OPTIM_STEP, request=lambda number: OptimStepRequest.for_params(ModelId("m"), number, AdamParams()))


def call_of(size: int = 1) -> Call:
    audience = Audience(STEP.name)
    return Call([Entry(STEP, Slot[int](audience)) for _ in range(size)])


def numbers(call: Call | None) -> list[int | None]:
    assert call is not None
    return [entry.number for entry in call.entries]


def promises(call: Call, which: Sequence[int] | None = None) -> dict[int, Promise]:
    taken = [entry.number or 0 for entry in call.entries] if which is None else which
    return {number: Promise(RequestId(f"r{number}")) for number in taken}


def refusal() -> BadRequestError:
    return BadRequestError("bad", status_code=400)


def test_numbers_begin_at_one_and_follow_the_order_of_the_calls() -> None:
    """The order in which users call is the order in which the server executes."""
    ledger = Ledger("trainer", "key", next_number=1)
    calls = [call_of(2), call_of(1)]
    for call in calls:
        ledger.enlist(call)
    assert ledger.begin() is calls[0]
    assert numbers(calls[0]) == [1, 2]
    ledger.accept(promises(calls[0]))
    assert numbers(ledger.begin()) == [3]


def test_a_call_in_doubt_comes_first_again_under_its_numbers() -> None:
    """After a crash nobody knows whether it arrived; the same numbers make it the same request."""
    ledger = Ledger("trainer", "key", next_number=1)
    ledger.enlist(call_of(2))
    ledger.enlist(call_of(1))
    assert numbers(ledger.begin()) == numbers(ledger.begin()) == [1, 2]


def test_a_refused_call_gives_its_numbers_to_the_next() -> None:
    """A bad loss name costs one call, not the model: the server waits for no number that was never taken."""
    ledger, bad, good = Ledger("trainer", "key", next_number=1), call_of(2), call_of(1)
    ledger.enlist(bad)
    ledger.enlist(good)
    ledger.begin()
    ledger.refuse(refusal())
    assert numbers(ledger.begin()) == [1]
    assert isinstance(bad.entries[0].slot.error, BadRequestError)
    assert not good.entries[0].slot.is_settled


def test_a_half_accepted_call_fences_the_client() -> None:
    """Its accepted part can never be executed, so everything behind it would wait for ever."""
    ledger, half, later = Ledger("trainer", "key", next_number=1), call_of(3), call_of(1)
    ledger.enlist(half)
    ledger.enlist(later)
    ledger.begin()
    ledger.accept(promises(half, [2, 3]))
    ledger.refuse(refusal())
    errors = [entry.slot.error for call in (half, later) for entry in call.entries]
    assert all(isinstance(error, ClientFenced) for error in errors)
    assert isinstance(errors[0] and errors[0].__cause__, BadRequestError)
    assert not ledger.open
    with pytest.raises(ClientFenced, match=r"trainer: request 1 \(optim_step\)"):
        ledger.enlist(call_of(1))


def test_a_fence_leaves_earlier_requests_alone() -> None:
    """What the server had taken before the hole is still executed and answered."""
    ledger, early, lost = Ledger("trainer", "key", next_number=1), call_of(1), call_of(1)
    ledger.enlist(early)
    ledger.enlist(lost)
    ledger.begin()
    ledger.accept(promises(early))
    ledger.begin()
    ledger.fence(refusal())
    assert list(ledger.open) == [1]
    ledger.settle(1, Value(42))
    assert early.entries[0].slot.is_settled
    assert early.entries[0].slot.error is None


def test_a_withdrawn_call_takes_no_number() -> None:
    """Cancelling what was not sent leaves no hole."""
    ledger, first, second = Ledger("trainer", "key", next_number=1), call_of(1), call_of(1)
    ledger.enlist(first)
    ledger.enlist(second)
    assert ledger.withdraw(first)
    assert isinstance(first.entries[0].slot.error, OperationWithdrawn)
    assert numbers(ledger.begin()) == [1]
    assert not ledger.withdraw(second)


def test_closing_fails_everything_once_and_lets_nothing_in() -> None:
    """No waiter is ever left hanging."""
    ledger, open_, doubtful, waiting = Ledger("trainer", "key", next_number=1), call_of(1), call_of(1), call_of(1)
    for call in (open_, doubtful, waiting):
        ledger.enlist(call)
    ledger.begin()
    ledger.accept(promises(open_))
    ledger.begin()
    ledger.close(ClientClosed("closed"))
    errors = [call.entries[0].slot.error for call in (open_, doubtful, waiting)]
    assert [type(error) for error in errors] == [ClientClosed] * 3
    with pytest.raises(ClientClosed):
        ledger.enlist(call_of(1))


def test_enlisting_knocks_at_the_door_of_whoever_serves() -> None:
    """Nobody polls the ledger; and without a living server nothing breaks."""
    ledger, knocks = Ledger("trainer", "key", next_number=1), list[None]()
    ledger.enlist(call_of(1))
    ledger.knock = partial(knocks.append, None)
    ledger.enlist(call_of(1))
    assert len(knocks) == 1


class LedgerAgainstAServer(RuleBasedStateMachine):
    """A naive server that takes each number once and in order; the ledger must never jam it nor repeat itself to it."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger("model", "key", next_number=1)
        self.taken: dict[int, Call] = {}

    @rule(target=calls, size=st.integers(1, 3))
    def enlist(self, size: int) -> Call:
        call = call_of(size)
        self.ledger.enlist(call)
        return call

    @rule(call=consumes(calls))
    def withdraw(self, call: Call) -> None:
        was_sent = call.entries[0].number is not None
        assert self.ledger.withdraw(call) is not was_sent

    @rule(loses_the_answer=st.booleans())
    def send(self, *, loses_the_answer: bool) -> None:
        call = self.ledger.begin()
        if call is None:
            return
        for entry in call.entries:
            assert entry.number is not None
            # The same number is the same call, also after a lost answer.
            assert self.taken.setdefault(entry.number, call) is call
        if not loses_the_answer:
            self.ledger.accept(promises(call))

    @rule()
    def send_and_be_refused(self) -> None:
        call = self.ledger.begin()
        if call is not None and not any(entry.number in self.taken for entry in call.entries):
            self.ledger.refuse(refusal())

    @rule(fails=st.booleans())
    def answer(self, *, fails: bool) -> None:
        if self.ledger.open:
            number = next(iter(self.ledger.open))
            self.ledger.settle(number, RequestFailedError("no") if fails else Value(number))

    @rule()
    def crash(self) -> None:
        """A new life has nothing but the ledger."""
        self.ledger.begin()

    @invariant()
    def numbers_have_no_gap(self) -> None:
        assert sorted(self.taken) == list(range(1, len(self.taken) + 1))

    @invariant()
    def nobody_is_forgotten(self) -> None:
        doubtful: Sequence[Entry] = self.ledger.in_doubt.entries if self.ledger.in_doubt else ()
        known = {id(e) for c in self.ledger.waiting for e in c.entries}
        known |= {id(e) for e in self.ledger.open.values()} | {id(e) for e in doubtful}
        lost = [e for c in self.taken.values() for e in c.entries if not e.slot.is_settled and id(e) not in known]
        assert not lost


TestLedgerAgainstAServer = LedgerAgainstAServer.TestCase


async def nothing() -> None:
    """A preparation that has nothing to do."""


def test_a_call_that_is_not_prepared_holds_back_what_is_behind_it() -> None:
    """It has no number yet, so one that is dropped leaves no hole and the next moves up."""
    ledger, first, held, later = Ledger("trainer", "key", next_number=1), call_of(), call_of(2), call_of()
    held.preparation = nothing
    for call in (first, held, later):
        ledger.enlist(call)
    assert ledger.begin() is first
    assert ledger.unprepared is None
    ledger.accept(promises(first))
    assert ledger.begin() is None
    assert ledger.unprepared is held
    ledger.drop(held, RuntimeError("no"))
    assert isinstance(held.entries[1].slot.error, RuntimeError)
    assert numbers(ledger.begin()) == [2]


def test_a_call_that_is_prepared_takes_its_numbers_in_its_turn() -> None:
    """Released or withdrawn, it happens once: what no longer waits is not touched."""
    ledger, held = Ledger("trainer", "key", next_number=1), call_of(2)
    held.preparation = nothing
    ledger.enlist(held)
    ledger.release(held)
    assert numbers(ledger.begin()) == [1, 2]
    ledger.drop(held, RuntimeError("too late"))
    assert not held.entries[0].slot.is_settled


def test_a_ledger_that_is_full_takes_in_nothing_until_something_is_answered() -> None:
    """A loop that submits and never awaits must not fill the memory."""
    ledger, first = Ledger("trainer", "key", next_number=1, most=2), call_of()
    ledger.enlist(first)
    assert ledger.begin() is first
    ledger.accept(promises(first))
    ledger.enlist(call_of(5))
    with pytest.raises(ClientBusy, match="trainer: 2 operations are not answered yet, the most it holds; await some"):
        ledger.enlist(call_of())
    ledger.settle(1, Value(1))
    ledger.enlist(call_of())
    assert len(ledger.waiting) == 2
