"""A sampling session's ledger: every sample has one fate, and no withdrawn one comes back."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tinkex_actors.actors.errors import ClientBusy, ClientClosed, OperationWithdrawn
from tinkex_actors.actors.ledger import Entry
from tinkex_actors.actors.operation import Operation, Value
from tinkex_actors.actors.pending import Audience, Slot
from tinkex_actors.actors.sample_ledger import SampleLedger
from tinkex_actors.transport.endpoints import SAMPLE
from tinkex_actors.types.errors import RequestFailedError
from tinkex_actors.types.futures import Promise
from tinkex_actors.types.ids import RequestId, SamplingSessionId


def entry() -> Entry:
    return Entry(Operation(row=SAMPLE, request=lambda number: number), Slot[int](Audience("asample")))


def test_a_lost_promise_makes_a_new_request_of_the_same_sample() -> None:
    """It gets a number of its own, and forgets the promise that was lost."""
    ledger, sample = SampleLedger("sampler-0", "key", SamplingSessionId("Q")), entry()
    ledger.enlist(sample)
    assert ledger.begin() == 0
    sample.slot.accept(Promise(RequestId("r")))
    assert ledger.renumber(0) == 1
    assert (sample.number, sample.slot.promise) == (1, None)
    assert ledger.renumber(0) is None


def test_a_failure_is_no_progress() -> None:
    """A server that fails every sample and finishes none is as stuck as one that is silent."""
    ledger = SampleLedger("sampler-0", "key", SamplingSessionId("Q"))
    for _ in range(2):
        ledger.enlist(entry())
    ledger.settle(ledger.begin(), RequestFailedError("no"))
    assert ledger.answered == 0
    ledger.settle(ledger.begin(), Value(1))
    assert ledger.answered == 1


def test_a_withdrawn_sample_is_gone_and_the_server_of_the_ledger_is_told() -> None:
    """Whoever works on it finds it no longer open; its fate cannot change any more."""
    knocks = list[str]()
    ledger, sample = (
        SampleLedger("sampler-0", "key", SamplingSessionId("Q"), knock=lambda: knocks.append("knock")),
        entry(),
    )
    ledger.enlist(sample)
    ledger.begin()
    assert ledger.withdraw(sample)
    ledger.settle(0, Value(1))
    assert isinstance(sample.slot.error, OperationWithdrawn)
    assert not ledger.withdraw(sample)
    assert knocks == ["knock", "knock"]


def test_a_closed_ledger_takes_nothing_in() -> None:
    """Every sample has an answer, and later ones fail at the door."""
    ledger, waiting, opened = SampleLedger("sampler-0", "key", SamplingSessionId("Q")), entry(), entry()
    ledger.enlist(opened)
    ledger.begin()
    ledger.enlist(waiting)
    ledger.close(ClientClosed("closed"))
    assert all(isinstance(sample.slot.error, ClientClosed) for sample in (waiting, opened))
    with pytest.raises(ClientClosed):
        ledger.enlist(entry())


def test_a_full_line_refuses_more_until_somebody_leaves_it() -> None:
    """What is refused has no number and no fate; being sent and being withdrawn both make room."""
    ledger, samples = SampleLedger("sampler-0", "key", SamplingSessionId("Q"), most=2), [entry() for _ in range(5)]
    ledger.enlist(samples[0])
    ledger.enlist(samples[1])
    with pytest.raises(ClientBusy, match="sampler-0: 2 samples wait to be sent"):
        ledger.enlist(samples[2])
    assert (samples[2].number, samples[2].slot.is_settled) == (None, False)
    ledger.begin()
    ledger.enlist(samples[3])
    ledger.withdraw(samples[1])
    ledger.enlist(samples[4])
    assert list(ledger.waiting) == [samples[3], samples[4]]


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, each sample is in exactly one place until it is settled, and then in none."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = SampleLedger("sampler-0", "key", SamplingSessionId("Q"))
        self.samples = list[Entry]()

    @rule()
    def enlist(self) -> None:
        self.samples.append(entry())
        self.ledger.enlist(self.samples[-1])

    @rule()
    def begin(self) -> None:
        if self.ledger.waiting:
            self.ledger.begin()

    @rule(index=st.integers(0, 20))
    def withdraw(self, index: int) -> None:
        if index < len(self.samples):
            was_settled = self.samples[index].slot.is_settled
            assert self.ledger.withdraw(self.samples[index]) is not was_settled

    @rule(number=st.integers(0, 20), fails=st.booleans())
    def settle(self, number: int, *, fails: bool) -> None:
        self.ledger.settle(number, RequestFailedError("no") if fails else Value(number))

    @rule(number=st.integers(0, 20))
    def renumber(self, number: int) -> None:
        self.ledger.renumber(number)

    @invariant()
    def each_is_in_its_place(self) -> None:
        for sample in self.samples:
            places = (sample in self.ledger.waiting) + (sample in self.ledger.open.values())
            assert places == (0 if sample.slot.is_settled else 1)

    @invariant()
    def numbers_are_unique(self) -> None:
        assert all(entry.number == number for number, entry in self.ledger.open.items())


TestAnyOrder = AnyOrder.TestCase
