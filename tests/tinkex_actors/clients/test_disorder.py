"""Submit, await, cancel and crash in any order: the server sees every call once and in order, and nothing is left behind.

Hypothesis writes the plans. The figures are tiny, so that a place or a byte that is not given back would jam what comes
later; the last thing each plan does is to train and to sample once more.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import trio
from attrs import define, evolve, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from supervisors import ChildNotFound, Name
from tests.tinkex_actors.clients.streaming import StreamingTinker
from tests.tinkex_actors.fake_tinker import (
    FIGURES,
    SETTINGS,
    FakeTinker,
    Fault,
    LoseAnswer,
    LoseRequest,
    Say,
    Stall,
    open_fake,
)
from tinkex_actors.actors.crash_door import Crashable
from tinkex_actors.actors.errors import OperationWithdrawn
from tinkex_actors.actors.ledger import Ledger
from tinkex_actors.clients import Pending, SamplingClient, TinkerClient, TrainingClient
from tinkex_actors.types import AdamParams, Datum, ModelInput, TinkerError

TIGHT = evolve(
    SETTINGS,
    figures=evolve(
        FIGURES,
        submissions_at_once=2,
        sample_in_flight=3,
        sample_dispatch_bytes=50,
        train_dispatch_bytes=50,
        response_bytes=50,
        breaker_failures=10_000,
    ),
)
ACTORS = ["session", "heartbeat", "poller", "roster", "trainer-0", "sampler-0"]
ROUTES = [
    "forward_backward",
    "optim_step",
    "save_weights",
    "asample",
    "stream_sample",
    "retrieve_future",
    "cancel_future",
]
WEATHER: list[Fault] = [LoseRequest(), LoseAnswer(), Say(503), Say(429), Say(408), Stall(3.0)]


@frozen
class Submit:
    """Begin something; a batch has *size* data, in slices of two."""

    what: Literal["batch", "step", "save", "sample"]
    size: int


@frozen
class Await:
    """Wait for one of the operations, a short time."""

    which: int
    seconds: float


@frozen
class Cancel:
    """Withdraw one of the operations, if that can be done."""

    which: int


@frozen
class Crash:
    """End an actor, with or without a last word."""

    actor: str
    is_killed: bool


@frozen
class Weather:
    """Something goes wrong on the way."""

    route: str
    fault: Fault


@frozen
class Sleep:
    """Let time pass."""

    seconds: float


@frozen
class Stream:
    """Open a stream, read some of its tokens, and leave: by the door, or by running out of time."""

    tokens: int
    seconds: float


Action = Submit | Await | Cancel | Crash | Weather | Sleep | Stream
ACTIONS = st.one_of(
    st.builds(Submit, st.sampled_from(["batch", "step", "save", "sample"]), st.integers(1, 5)),
    st.builds(Await, st.integers(0, 100), st.floats(0.0, 2.0)),
    st.builds(Cancel, st.integers(0, 100)),
    st.builds(Crash, st.sampled_from(ACTORS), st.booleans()),
    st.builds(Weather, st.sampled_from(ROUTES), st.sampled_from(WEATHER)),
    st.builds(Sleep, st.floats(0.0, 1.0)),
    st.builds(Stream, st.integers(0, 3), st.floats(0.0, 4.0)),
)


@define
class Run:
    """What a plan has begun so far."""

    tinker: TinkerClient
    trainer: TrainingClient
    sampler: SamplingClient
    calls: dict[int, Pending[Any]] = field(factory=dict[int, Pending[Any]])
    samples: list[Pending[Any]] = field(factory=list[Pending[Any]])
    withdrawn: set[int] = field(factory=set[int])

    def submit(self, what: str, size: int) -> None:
        """Begin it; a training call carries its place in the order of calls."""
        if what == "sample":
            self.samples.append(self.sampler.sample(ModelInput.from_ints([1] * size)))
            return
        place = len(self.calls)
        datum = Datum(ModelInput.from_ints([place]), {"target_tokens": [1], "weights": [1.0]})
        begin: dict[str, Callable[[], Pending[Any]]] = {
            "batch": lambda: self.trainer.forward_backward([datum] * size, "cross_entropy"),
            "step": lambda: self.trainer.optim_step(AdamParams(learning_rate=float(place))),
            "save": lambda: self.trainer.save_state(f"s{place}"),
        }
        self.calls[place] = begin[what]()

    def pick(self, which: int) -> Pending[Any] | None:
        """One of the operations begun."""
        every = [*self.calls.values(), *self.samples]
        return every[which % len(every)] if every else None

    def crash(self, actor: str, *, is_killed: bool) -> None:
        """End an actor that is there."""
        try:
            ref = self.tinker._tree.root.whereis(Name(actor, Crashable))
        except ChildNotFound:
            return
        if is_killed:
            ref.kill()
        else:
            ref.cast_nowait(Crashable.crash_on_purpose, "planned")

    async def perform(self, action: Action, fake: FakeTinker) -> None:
        """Do one thing of the plan."""
        match action:
            case Submit(what, size):
                self.submit(what, size)
            case Await(which, seconds):
                with trio.move_on_after(seconds):
                    await settle(self.pick(which))
            case Cancel(which):
                pending = self.pick(which)
                places = [place for place, call in self.calls.items() if call is pending]
                if pending is not None and pending.cancel():
                    self.withdrawn.update(places)
            case Stream(tokens, seconds):
                with trio.move_on_after(seconds):
                    await self.read(tokens)
            case Sleep(seconds):
                await trio.sleep(seconds)
            case Crash() | Weather():
                self.disturb(action, fake)

    def disturb(self, action: Crash | Weather, fake: FakeTinker) -> None:
        """Have something go wrong."""
        match action:
            case Crash(actor, is_killed):
                self.crash(actor, is_killed=is_killed)
            case Weather(route, fault):
                fake.fail(route, fault)

    async def read(self, tokens: int) -> None:
        """Read so many tokens of a stream."""
        async with self.sampler.sample_stream(ModelInput.from_ints([1])) as stream:
            for _ in range(tokens):
                await anext(stream, None)


async def settle(pending: Awaitable[Any] | None) -> bool:
    """Wait for the fate, and say whether it is a result."""
    try:
        await pending if pending is not None else None
    except OperationWithdrawn:
        return False
    return True


def place_of(route: str, request: Any) -> int:
    """Which call a request that the server carried out belongs to."""
    if route == "forward_backward":
        return int(request.forward_backward_input.data[0].model_input.to_ints()[0])
    return int(request["adam_params"]["learning_rate"]) if route == "optim_step" else int(request["path"][1:])


def tasks() -> int:
    """How many tasks there are."""
    count, rest = 0, [trio.lowlevel.current_root_task()]
    while rest:
        task = rest.pop()
        if task is not None:
            count += 1
            rest += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return count


async def carry_out(plan: list[Action]) -> None:
    fake, before = StreamingTinker(config={"fwdbwd_max_chunk_len": 2}, large_bytes=60), tasks()
    async with open_fake(fake, TIGHT) as tinker:
        trainer = await tinker.create_lora_training_client("fake/model", rank=8)
        run = Run(tinker, trainer, await tinker.create_sampling_client(base_model="fake/model"))
        for action in plan:
            await run.perform(action, fake)
        fake.faults.clear()
        for what in ("batch", "step", "sample"):
            run.submit(what, 5)
        with trio.fail_after(2_000):
            done = {place for place, call in run.calls.items() if await settle(call)}
            assert [await settle(sample) for sample in run.samples][-1]
        check(fake, run, done)
    assert fake.inside == 0
    assert tasks() == before


def check(fake: FakeTinker, run: Run, done: set[int]) -> None:
    """Order, numbers, and nothing that still waits."""
    model = fake.model
    carried_out = [place_of(route, request) for route, request, _ in (model.arrived[n] for n in sorted(model.arrived))]
    assert model.numbers == list(range(1, len(model.numbers) + 1)) == sorted(model.arrived)
    assert carried_out == sorted(carried_out)
    assert set(carried_out) == done == set(run.calls) - run.withdrawn
    numbers = [number for _, number in fake.samples]
    assert len(numbers) == len(set(numbers))
    for ledger in run.tinker._tree.ledgers.values():
        assert not ledger.open
        assert not ledger.waiting
        assert isinstance(ledger, Ledger) or not ledger.streams


# A plan takes a quarter of a second: the thousands of the deep profile are for `make deep` alone.
EXAMPLES = settings().max_examples


@settings(max_examples=EXAMPLES if EXAMPLES > 1000 else min(EXAMPLES, 60))
@given(plan=st.lists(ACTIONS, max_size=40))
def test_any_disorder_ends_in_order(plan: list[Action]) -> None:
    """Whatever is submitted, awaited, withdrawn, crashed and lost: each call once, in order, and the next one goes through."""
    trio.run(carry_out, plan, clock=MockClock(autojump_threshold=0))


async def test_cancelling_a_queued_operation_does_not_stop_those_behind_it(autojump_clock: MockClock) -> None:
    """The official client never advances its turn after that, and every later operation hangs for ever."""
    fake = FakeTinker(latency=2.0)
    async with open_fake(fake) as tinker:
        trainer = await tinker.create_lora_training_client("fake/model", rank=8)
        first = trainer.optim_step()
        with trio.move_on_after(0.1) as scope:
            await trainer.optim_step()
        queued = trainer.optim_step()
        assert scope.cancelled_caught
        assert queued.cancel()
        with trio.fail_after(60):
            await trainer.optim_step()
            await first
    assert fake.model.numbers == [1, 2, 3]
    assert autojump_clock.current_time() < 60


async def test_a_name_that_is_taken_does_not_stop_those_behind_it(autojump_clock: MockClock) -> None:
    """The official client takes a 409 for something that passes, and holds the turn of everything else for five minutes."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await tinker.create_lora_training_client("fake/model", rank=8)
        fake.fail("save_weights", Say(409, b'{"detail": "the checkpoint exists"}'))
        taken, update = trainer.save_state("x"), trainer.optim_step()
        await update
        assert autojump_clock.current_time() < 1
        try:
            await taken
        except TinkerError as error:
            assert "the checkpoint exists" in str(error)  # noqa: PT017 - what it says is all that is left to ask
        else:
            raise AssertionError
    assert fake.model.executed == [(1, "optim_step")]
