"""One model's requests: in the order of the calls, each exactly once, whatever the weather."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import (
    FIGURES,
    SETTINGS,
    FakeTinker,
    Fault,
    Garble,
    LoseAnswer,
    LoseRequest,
    Say,
    a_datum,
    make_trainer,
    open_fake,
)
from tinkex_actors.actors.errors import ClientClosed, ClientFenced, OperationWithdrawn
from tinkex_actors.types import (
    AdamParams,
    BadRequestError,
    DimuonParams,
    InternalServerError,
    RequestFailedError,
)


@pytest.mark.tinkex("T15", "F018", "F019", "F022")
async def test_a_step_is_two_requests_in_line(autojump_clock: MockClock) -> None:
    """The update is submitted behind the gradient before either is awaited, and both come back typed."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        gradients = trainer.forward_backward([a_datum(), a_datum()], "cross_entropy")
        update = trainer.optim_step(AdamParams(learning_rate=0.5))
        assert (await update).metrics == {"step": 1.0}
        assert (await gradients).metrics["loss:sum"] == 2.0
        assert [len(output["logprobs"].data) for output in (await gradients).loss_fn_outputs] == [3, 3]
    assert fake.model.executed == [(1, "forward_backward"), (2, "optim_step")]
    assert fake.sent("optim_step")[0]["adam_params"]["learning_rate"] == 0.5
    assert autojump_clock.current_time() < 1


@pytest.mark.tinkex("F007", "F030", "F031", "F058")
async def test_a_client_is_made_as_asked_and_knows_its_model(autojump_clock: MockClock) -> None:
    """Model, adapter and metadata go to the server; what it says of the model is kept, and any saved weights can be sampled."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        metadata = {"why": "test"}
        trainer = await tinker.create_lora_training_client(
            "fake/model", rank=4, seed=3, train_mlp=False, user_metadata=metadata
        )
        assert trainer.get_info().model_data.model_name == "fake/model"
        sampler = await trainer.create_sampling_client("tinker://r/sampler_weights/x")
        assert sampler.get_base_model() == "fake/model"
        with pytest.raises(TypeError):
            await tinker.create_lora_training_client(rank=4)  # type: ignore[call-arg]  # the point of the test
    (made,) = fake.sent("create_model")
    adapter = {"rank": 4, "seed": 3, "train_mlp": False, "train_attn": True, "train_unembed": True}
    assert (made["base_model"], made["lora_config"], made["user_metadata"]) == ("fake/model", adapter, metadata)
    assert fake.sent("create_sampling_session")[0]["model_path"] == "tinker://r/sampler_weights/x"
    assert autojump_clock.current_time() < 1


@pytest.mark.tinkex("T09", "T20", "T151", "F038", "F181")
async def test_a_large_batch_travels_in_slices_the_first_last(autojump_clock: MockClock) -> None:
    """The server limits a request; the slices share one call's numbers and come back as one result."""
    fake = FakeTinker(config={"fwdbwd_max_chunk_len": 2})
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        output = await trainer.forward_backward([a_datum()] * 5, "cross_entropy")
        await trainer.optim_step()
    assert output.metrics == {"loss:sum": 5.0, "number:max": 3.0}
    assert len(output.loss_fn_outputs) == 5
    arrived = [request.seq_id for request in fake.sent("forward_backward")]
    assert arrived[-1] == 1
    assert fake.model.numbers == [1, 2, 3, 4]
    assert autojump_clock.current_time() < 1


@pytest.mark.tinkex("T23", "F021")
async def test_forward_leaves_the_gradient_alone(autojump_clock: MockClock) -> None:
    """The same endpoint, with a flag."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.forward([a_datum()], "cross_entropy")
    assert [request.forward_only for request in fake.sent("forward_backward")] == [True]
    assert autojump_clock.current_time() < 1


@pytest.mark.tinkex("T10", "T11", "T16", "T26", "F020", "F024", "F028")
async def test_what_makes_no_sense_is_refused_before_it_takes_a_number(autojump_clock: MockClock) -> None:
    """A typing mistake costs neither a request nor the order of what follows."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        with pytest.raises(ValueError, match="loss_fn must be one of cross_entropy"):
            trainer.forward_backward([a_datum()], "mse")
        with pytest.raises(ValueError, match="at least one datum"):
            trainer.forward_backward([], "cross_entropy")
        with pytest.raises(TypeError, match="must map names"):
            trainer.forward_backward([a_datum()], "ppo", "0.2")  # type: ignore[arg-type]  # the point of the test
        with pytest.raises(ValueError, match="ttl_seconds must be >= 3600"):
            trainer.save_state("x", ttl_seconds=0)
        with pytest.raises(ValueError, match="must not be empty nor contain"):
            trainer.save_state("a/b")
        await trainer.optim_step()
    assert fake.model.executed == [(1, "optim_step")]
    assert autojump_clock.current_time() < 1


WEATHER: list[Fault] = [LoseRequest(), LoseAnswer(), Say(503), Say(429), Say(400, b"")]
SUBMISSIONS = ["create_model", "forward_backward", "optim_step"]


@pytest.mark.parametrize(
    ("route", "fault"),
    [(route, fault) for route in [*SUBMISSIONS, "get_info", "retrieve_future"] for fault in WEATHER]
    + [(route, Garble()) for route in SUBMISSIONS],
)
async def test_bad_weather_is_ridden_out_and_nothing_is_done_twice(
    route: str, fault: Fault, autojump_clock: MockClock
) -> None:
    """Whatever is lost, refused for the moment or garbled on the way: one gradient, one step, the right results."""
    fake = FakeTinker()
    fake.fail(route, fault, fault)
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        gradients, update = trainer.forward_backward([a_datum()], "cross_entropy"), trainer.optim_step()
        assert (await gradients).metrics["loss:sum"] == 1.0
        assert (await update).metrics == {"step": 1.0}
    assert fake.model.executed == [(1, "forward_backward"), (2, "optim_step")]
    assert not fake.faults[route]
    assert autojump_clock.current_time() < 30


async def test_every_attempt_at_a_request_has_one_key(autojump_clock: MockClock) -> None:
    """The key is made of session, model and number, so that even a new life of the trainer sends the same one."""
    fake = FakeTinker()
    fake.fail("optim_step", LoseRequest(), LoseAnswer())
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.optim_step()
        await trainer.optim_step()
    keys = [headers["x-idempotency-key"] for route, headers in fake.headers if route == "optim_step"]
    assert keys == ["tinkex-S0-model-0-1"] * 3 + ["tinkex-S0-model-0-2"]
    assert autojump_clock.current_time() < 10


async def test_a_refused_request_leaves_no_hole(autojump_clock: MockClock) -> None:
    """The server says no to one call; the next one has its number, and the model trains on."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("forward_backward", Say(400, b'{"detail": "targets are too long"}'))
        refused, update = trainer.forward_backward([a_datum()], "cross_entropy"), trainer.optim_step()
        with pytest.raises(BadRequestError, match="targets are too long"):
            await refused
        await update
    assert fake.model.executed == [(1, "optim_step")]
    assert autojump_clock.current_time() < 1


async def test_a_half_taken_batch_fences_the_client(autojump_clock: MockClock) -> None:
    """Its taken part can never be executed: everything behind it fails with the reason instead of hanging."""
    fake = FakeTinker(config={"fwdbwd_max_chunk_len": 1})
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        early = trainer.optim_step()
        await early.accepted()
        fake.before = lambda route: (
            fake.fail(route, Say(422)) if route == "forward_backward" and len(fake.times[route]) == 3 else None
        )
        half, later = trainer.forward_backward([a_datum()] * 3, "cross_entropy"), trainer.optim_step()
        with pytest.raises(ClientFenced, match="create a new training client") as fenced:
            await half
        assert "422" in str(fenced.value.__cause__)
        with pytest.raises(ClientFenced):
            await later
        with pytest.raises(ClientFenced):
            trainer.optim_step()
        assert (await early).metrics == {"step": 1.0}
    assert autojump_clock.current_time() < 1


async def test_a_submission_that_stays_uncertain_fences_the_client(autojump_clock: MockClock) -> None:
    """After five minutes of silence nobody knows whether it was done, and guessing could do it twice."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("optim_step", *[Say(503)] * 200)
        with pytest.raises(ClientFenced) as fenced:
            await trainer.optim_step()
        assert isinstance(fenced.value.__cause__, InternalServerError)
    assert 300 <= autojump_clock.current_time() < 320


async def test_a_failed_operation_does_not_stop_the_next(autojump_clock: MockClock) -> None:
    """The server took it and failed it: its number is spent, and what follows goes on."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        fake.fail("retrieve_future", Say(200, b'{"error": "out of memory", "category": "server"}'))
        with pytest.raises(RequestFailedError, match="out of memory") as failed:
            await trainer.forward_backward([a_datum()], "cross_entropy")
        assert failed.value.operation == "forward_backward"
        await trainer.optim_step()
    assert fake.model.numbers == [1, 2]
    assert autojump_clock.current_time() < 1


async def test_a_call_that_was_not_sent_can_be_withdrawn(autojump_clock: MockClock) -> None:
    """It takes no number; what was sent stays and says so."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        sent, waiting, last = trainer.optim_step(), trainer.optim_step(), trainer.optim_step()
        assert waiting.cancel()
        await sent.accepted()
        assert not sent.cancel()
        with pytest.raises(OperationWithdrawn):
            await waiting
        await last
    assert fake.model.executed == [(1, "optim_step"), (2, "optim_step")]
    assert autojump_clock.current_time() < 1


async def test_cancelling_a_waiter_neither_undoes_the_step_nor_jams_the_next(autojump_clock: MockClock) -> None:
    """The official client hangs for ever when a queued operation is cancelled; here order and numbers stay whole."""
    fake = FakeTinker(latency=1.0)
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        for _ in range(3):
            with trio.move_on_after(0.3):
                await trainer.optim_step()
        with trio.fail_after(10):
            await trainer.optim_step()
    assert fake.model.numbers == [1, 2, 3, 4]
    assert autojump_clock.current_time() < 20


@pytest.mark.tinkex("T16", "T17", "T18", "F024", "F026", "F028", "F029")
async def test_weights_are_saved_loaded_and_sampled_from(autojump_clock: MockClock) -> None:
    """Named, ephemeral, with time to live and metadata: each in the protocol's own words."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        state = await trainer.save_state("s", ttl_seconds=3600, overwrite=True, user_metadata={"a": "b"})
        await trainer.load_state_with_optimizer(state.path)
        await trainer.load_state(state.path, weights_access_token="shown")  # noqa: S106 - none
        with pytest.raises(ValueError, match="must begin with 'tinker://'"):
            trainer.load_state("weights/s")
        assert state.path == "tinker://S0:train:0/weights/s"
        named = await trainer.save_weights_and_get_sampling_client("n")
        ephemeral = await trainer.save_weights_and_get_sampling_client()
    assert fake.sent("save_weights")[0] == {
        "model_id": "S0:train:0",
        "path": "s",
        "seq_id": 1,
        "overwrite": True,
        "ttl_seconds": 3600,
        "user_metadata": {"a": "b"},
        "type": "save_weights",
    }
    loads = [(body["optimizer"], body.get("weights_access_token")) for body in fake.sent("load_weights")]
    assert loads == [(True, None), (False, "shown")]
    assert [body.get("path") for body in fake.sent("save_weights_for_sampler")] == ["n", None]
    assert (named.sampling_session_id, ephemeral.sampling_session_id) == ("Q0", "Q1")
    assert autojump_clock.current_time() < 1


async def test_other_optimizers_travel_in_their_own_field(autojump_clock: MockClock) -> None:
    """Exactly one of the two parameter fields is sent."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        await trainer.optim_step(DimuonParams(learning_rate=0.1))
    (body,) = fake.sent("optim_step")
    assert "adam_params" not in body
    assert body["optimizer_params"]["type"] == "dimuon"
    assert autojump_clock.current_time() < 1


@pytest.mark.tinkex("T31", "F010")
async def test_a_model_is_made_from_a_checkpoint(autojump_clock: MockClock) -> None:
    """One request makes the model and loads it; what follows is its number 1."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        with pytest.raises(ValueError, match="must begin with 'tinker://'"):
            await tinker.create_training_client_from_state("x")
        fresh = await tinker.create_training_client_from_state("tinker://r/weights/x", user_metadata={"a": "b"})
        resumed = await tinker.create_training_client_from_state_with_optimizer("tinker://r/weights/x")
        await resumed.optim_step()
    assert (fresh.model_id, resumed.model_id) == ("S0:train:0", "S0:train:1")
    assert [(body["optimizer"], body["model_seq_id"]) for body in fake.sent("load_weights")] == [(False, 0), (True, 1)]
    assert fake.models["S0:train:1"].executed == [(1, "optim_step")]
    assert autojump_clock.current_time() < 1


@pytest.mark.tinkex("T28")
async def test_a_model_that_cannot_be_made_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    """No actor, no ledger, and the reason in the server's words; the next attempt is a model of its own."""
    fake = FakeTinker()
    fake.fail("create_model", Say(400, b'{"detail": "no such base model"}'))
    async with open_fake(fake) as tinker:
        with pytest.raises(ValueError, match="at least one of train_unembed"):
            await tinker.create_lora_training_client("m", train_mlp=False, train_attn=False, train_unembed=False)
        with pytest.raises(BadRequestError, match="no such base model"):
            await make_trainer(tinker)
        trainer = await make_trainer(tinker)
        await trainer.optim_step()
        assert "trainer-0" not in str(tinker.tree())
        assert trainer.model_id == "S0:train:1"
    assert autojump_clock.current_time() < 1


async def test_what_waits_when_the_client_closes_fails_with_that_reason(autojump_clock: MockClock) -> None:
    """A Pending that outlives its client answers instead of hanging."""
    fake = FakeTinker(latency=5.0)
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        update = trainer.optim_step()
    with pytest.raises(ClientClosed):
        await update
    with pytest.raises(ClientClosed):
        trainer.optim_step()
    assert autojump_clock.current_time() < 20


async def test_the_settings_bound_the_retries(autojump_clock: MockClock) -> None:
    """A person at a terminal wants to know in seconds that the server refuses."""
    fake = FakeTinker()
    fake.fail("create_model", *[Say(503)] * 10)
    async with open_fake(fake, evolve(SETTINGS, figures=evolve(FIGURES, max_retries=1))) as tinker:
        with pytest.raises(ClientFenced):
            await make_trainer(tinker)
    assert len(fake.times["create_model"]) == 2
    assert autojump_clock.current_time() < 3
