"""Scenarios of tinkex that are about a whole client, and their neighbours, that no other test keeps."""

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import (
    FIGURES,
    POISON,
    SETTINGS,
    FakeTinker,
    LoseRequest,
    Say,
    Stall,
    a_datum,
    make_trainer,
    open_fake,
)
from tinkex_actors.clients import TinkerClient
from tinkex_actors.clients.sampling import estimate_bytes
from tinkex_actors.types import (
    BadRequestError,
    Datum,
    InternalServerError,
    ModelInput,
    RequestErrorCategory,
    RequestFailedError,
    SampleResponse,
)

PROMPT = ModelInput.from_ints([1, 2])
TRY_AGAIN = b'{"type": "try_again", "request_id": "R0", "queue_state": "active"}'


@pytest.mark.tinkex("T07")
async def test_a_session_that_opens_slowly_is_waited_for(autojump_clock: MockClock) -> None:
    """As long as the settings say, not as long as some other timeout does."""
    fake = FakeTinker()
    fake.fail("create_session", Stall(19.0))
    async with open_fake(fake) as tinker:
        assert tinker.session_id == "S0"
    assert 19 <= autojump_clock.current_time() < 21


@pytest.mark.tinkex("T33")
async def test_samplers_made_side_by_side_take_as_long_as_one(autojump_clock: MockClock) -> None:
    """Only the numbering is one after the other."""
    fake = FakeTinker(latency=8.0)
    made = list[str]()
    async with open_fake(fake) as tinker:

        async def make() -> None:
            made.append((await tinker.create_sampling_client(base_model="m")).sampling_session_id)

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(make)
        assert trio.current_time() - began == 4.0
    assert sorted(made) == ["Q0", "Q1", "Q2"]
    assert autojump_clock.current_time() < 60


@pytest.mark.tinkex("T40")
@pytest.mark.parametrize("not_yet", [Say(408, TRY_AGAIN), Say(200, TRY_AGAIN), Say(408, b"")])
async def test_not_yet_is_asked_again_once_and_not_underneath(not_yet: Say, autojump_clock: MockClock) -> None:
    """Two requests, a quarter to half a second apart: neither the transport nor impatience adds another."""
    fake = FakeTinker(latency=0.0)
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.times.clear()
        fake.fail("retrieve_future", not_yet)
        await trainer.optim_step()
    first, second = fake.times["retrieve_future"]
    assert FIGURES.poll_interval_min <= second - first < 2 * FIGURES.poll_interval_min
    assert autojump_clock.current_time() < 5


@pytest.mark.tinkex("T41")
async def test_a_poll_that_was_lost_is_repeated_once(autojump_clock: MockClock) -> None:
    """After a delay, and only as often as it was lost."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.times.clear()
        fake.fail("retrieve_future", LoseRequest())
        await trainer.optim_step()
    assert len(fake.times["retrieve_future"]) == 2
    assert autojump_clock.current_time() < 5


@pytest.mark.tinkex("T49", "F175", "F183")
async def test_whoever_waits_too_long_stops_waiting_and_nothing_else(autojump_clock: MockClock) -> None:
    """A deadline is the caller's own; the operation goes on, and its result can be awaited again."""
    fake = FakeTinker(latency=10.0)
    async with open_fake(fake) as tinker:
        update = (await make_trainer(tinker)).optim_step()
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            await update
        assert (await update).metrics == {"step": 1.0}
    assert autojump_clock.current_time() < 100


@pytest.mark.tinkex("T36", "T48")
@pytest.mark.parametrize(
    ("answer", "told"), [(Say(408, b""), None), (Say(200, TRY_AGAIN), None), (Say(503), "a poll was answered with 503")]
)
async def test_what_is_asked_about_without_end_ends_with_the_callers_deadline(
    answer: Say, told: str | None, autojump_clock: MockClock
) -> None:
    """The deadline is an error of its own; what the server said last stands in the snapshot."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        update = (await make_trainer(tinker)).optim_step()
        fake.fail("retrieve_future", *[answer] * 1000)
        with pytest.raises(trio.TooSlowError), trio.fail_after(20):
            await update
        (wait,) = tinker.snapshot().waits
        assert (wait.waits_for, wait.last_error) == ("the result", told)
        fake.faults.clear()
        assert (await update).metrics == {"step": 1.0}
    assert autojump_clock.current_time() < 100


@pytest.mark.tinkex("T46")
async def test_an_operation_that_failed_is_not_asked_about_again(autojump_clock: MockClock) -> None:
    """Whatever its category: the server has given it up, and will say the same for ever."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.times.clear()
        fake.fail("retrieve_future", Say(200, b'{"error": "out of memory", "category": "server"}'))
        with pytest.raises(RequestFailedError, match="out of memory") as failure:
            await trainer.optim_step()
        assert failure.value.category is RequestErrorCategory.SERVER
    assert len(fake.times["retrieve_future"]) == 1
    assert autojump_clock.current_time() < 20


@pytest.mark.tinkex("T64")
async def test_a_sample_that_found_a_server_in_trouble_is_sent_again_as_the_same_sample(
    autojump_clock: MockClock,
) -> None:
    """One schedule for all requests, and never a second number for one sample."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        fake.fail("asample", Say(502), Say(503))
        assert len((await sampler.sample(PROMPT)).sequences) == 1
    keys = [headers["x-idempotency-key"] for name, headers in fake.headers if name == "asample"]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert [body["seq_id"] for body in fake.sent("asample")] == [0]
    assert autojump_clock.current_time() < 20


@pytest.mark.tinkex("T69", "F151")
async def test_a_429_to_one_sampler_pauses_the_others_of_its_client(autojump_clock: MockClock) -> None:
    """They are one tenant to the server."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        first, second = [await tinker.create_sampling_client(base_model="m") for _ in range(2)]
        fake.fail("asample", Say(429, b"", {"retry-after": "7"}))
        answers = [first.sample(PROMPT)]
        await trio.sleep(1)
        answers.append(second.sample(PROMPT))
        for answer in answers:
            await answer
    began, *others = fake.times["asample"]
    assert len(others) == 2
    assert all(at - began >= 7 for at in others)
    assert autojump_clock.current_time() < 30


@pytest.mark.tinkex("T05", "F084")
async def test_heartbeats_that_reach_nobody_are_told_and_keep_the_session(autojump_clock: MockClock) -> None:
    """The session is kept, the log warns, and whoever looks sees how many beats were missed."""
    fake = FakeTinker()
    with capture_logs() as logs:
        async with open_fake(fake) as tinker:
            fake.fail("session_heartbeat", *[LoseRequest()] * 14)
            await trio.sleep(145)
            snapshot = tinker.snapshot()
            assert (snapshot.session_id, snapshot.missed_beats) == ("S0", 14)
            assert "14 heartbeats missed" in str(snapshot)
    assert "the server has not heard our heartbeat" in {line["event"] for line in logs}
    assert autojump_clock.current_time() > 140


@pytest.mark.tinkex("T50", "F176")
async def test_one_failure_among_many_is_one_failure(autojump_clock: MockClock) -> None:
    """Results stand where their operations stood."""
    poisoned = Datum(ModelInput.from_ints([POISON]), {"target_tokens": [1], "weights": [1.0]})
    async with open_fake(FakeTinker()) as tinker:
        trainer = await make_trainer(tinker)
        batches = [[a_datum()], [poisoned], [a_datum(), a_datum()]]
        pendings = [trainer.forward_backward(batch, "cross_entropy") for batch in batches]
        assert len((await pendings[2]).loss_fn_outputs) == 2
        with pytest.raises(RequestFailedError, match="poisoned"):
            await pendings[1]
        assert len((await pendings[0]).loss_fn_outputs) == 1
    assert autojump_clock.current_time() < 5


@pytest.mark.tinkex("T70")
async def test_one_at_a_time_is_one_at_a_time(autojump_clock: MockClock) -> None:
    """With room for one submission, the second leaves when the first has been answered."""
    fake, inside = FakeTinker(latency=4.0), list[int]()
    settings = evolve(SETTINGS, figures=evolve(FIGURES, submissions_at_once=1))
    fake.before = lambda route: inside.append(1) if route == "asample" else None
    fake.after = lambda route: inside.append(-1) if route == "asample" else None
    async with open_fake(fake, settings) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        for pending in [sampler.sample(PROMPT) for _ in range(3)]:
            await pending
    assert inside == [1, -1] * 3
    assert autojump_clock.current_time() < 100


@pytest.mark.tinkex("T81")
@pytest.mark.parametrize(("status", "error"), [(500, InternalServerError), (400, BadRequestError)])
async def test_without_retries_the_first_refusal_is_the_answer(
    status: int, error: type[Exception], autojump_clock: MockClock
) -> None:
    """For who wants to decide alone: one request, and what the server said."""
    fake = FakeTinker()
    settings = evolve(SETTINGS, figures=evolve(FIGURES, max_retries=0, retry_patience=0.0))
    async with open_fake(fake, settings) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        fake.fail("asample", Say(status))
        with pytest.raises(error):
            await sampler.sample(PROMPT)
    assert len(fake.times["asample"]) == 1
    assert autojump_clock.current_time() < 5


@pytest.mark.tinkex("T111")
async def test_without_tracing_no_request_names_a_span(autojump_clock: MockClock) -> None:
    """Whatever the program around it does: headers are as they were."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        await (await make_trainer(tinker)).optim_step()
        sampler = await tinker.create_sampling_client(base_model="m")
        await sampler.sample(PROMPT)
    assert len(fake.headers) > 5
    assert all("traceparent" not in headers for _, headers in fake.headers)
    assert autojump_clock.current_time() < 5


@pytest.mark.tinkex("T148")
def test_a_prompt_weighs_ten_bytes_a_token() -> None:
    """The service's own estimate, which its limits are made for."""
    assert estimate_bytes(ModelInput.from_ints([1, 2, 3, 4, 5])) == 50


async def live(tinker: TinkerClient, size: int) -> tuple[list[float], list[SampleResponse]]:
    """Train and sample at once."""
    trainer = await make_trainer(tinker)
    sampler = await tinker.create_sampling_client(base_model="fake/model")
    samples = [sampler.sample(PROMPT, size) for _ in range(3)]
    losses = list[float]()
    for _ in range(3):
        gradients, update = trainer.forward_backward([a_datum()] * size, "cross_entropy"), trainer.optim_step()
        losses.append((await gradients).metrics["loss:sum"])
        await update
    return losses, [await sample for sample in samples]


@pytest.mark.tinkex("T32", "T152")
async def test_two_tenants_train_and_sample_at_once_and_never_meet(autojump_clock: MockClock) -> None:
    """Their first requests fail, each in its way; no reply, number or pause of one is the other's."""
    fakes, found = [FakeTinker(), FakeTinker()], dict[int, tuple[list[float], list[SampleResponse]]]()
    for fake in fakes:
        fake.fail("forward_backward", Say(500))
    fakes[0].fail("asample", Say(429))

    async def tenant(place: int) -> None:
        async with open_fake(fakes[place]) as tinker:
            found[place] = await live(tinker, place + 1)

    async with trio.open_nursery() as nursery:
        for place in range(2):
            nursery.start_soon(tenant, place)
    for place, (losses, answers) in found.items():
        assert losses == [pytest.approx((place + 1) / step) for step in (1, 2, 3)]
        assert [len(answer.sequences) for answer in answers] == [place + 1] * 3
    assert [len(fake.sent("asample")) for fake in fakes] == [3, 3]
    assert len(fakes[1].times["asample"]) == 3
    assert [fake.model.numbers for fake in fakes] == [[1, 2, 3, 4, 5, 6]] * 2
    assert autojump_clock.current_time() < 60
