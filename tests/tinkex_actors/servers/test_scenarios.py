"""What a program may rely on, against every kind of server: the same scenarios, the same results."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import POISON, SETTINGS, FakeModel, FakeTinker, Say, open_fake
from tests.tinkex_actors.servers.json_generation import JsonTinker
from tests.tinkex_actors.servers.mixture import MixtureTinker
from tinkex_actors.clients import TinkerClient, TrainingClient, open_tinker
from tinkex_actors.settings import Figures
from tinkex_actors.types import (
    AdamOptimizerConfig,
    AdamParams,
    Datum,
    DimuonParams,
    ModelInput,
    NotSupportedByServer,
    SamplingParams,
    TensorData,
    TinkerError,
)

KINDS: dict[str, Callable[[], FakeTinker]] = {"service": FakeTinker, "json": JsonTinker, "mixture": MixtureTinker}
EVERY_KIND = [*KINDS, "embedded"]
SLICED = {"service": {"fwdbwd_max_chunk_len": 2}}
PARAMS = SamplingParams(max_tokens=2, seed=1, stop="\n")


@asynccontextmanager
async def open_kind(kind: str) -> AsyncGenerator[TinkerClient, None]:
    """Open a client of a server of that kind."""
    if kind == "embedded":
        async with open_tinker(local=True) as tinker:
            yield tinker
    else:
        fake = KINDS[kind]()
        fake.config = SLICED.get(kind, {})
        # Real time: the embedded server has real sockets, and the scenarios are the same.
        async with open_fake(fake, evolve(SETTINGS, figures=Figures(poll_interval_min=0.0))) as tinker:
            yield tinker


async def make(tinker: TinkerClient) -> TrainingClient:
    """Make a model of the server's first base model."""
    offered = await tinker.get_server_capabilities()
    return await tinker.create_lora_training_client(offered.supported_models[0].model_name or "", rank=8, seed=1)


def datum(length: int = 6, first: int = 1) -> Datum:
    tokens = list(range(first, first + length))
    return Datum(ModelInput.from_ints(tokens), {"target_tokens": tokens, "weights": [1.0] * length})


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_the_loss_falls_from_step_to_step(kind: str) -> None:
    """Batches in slices, updates behind them; every server's result has the loss by the protocol's name."""
    async with open_kind(kind) as tinker:
        trainer, losses = await make(tinker), list[float]()
        for _ in range(3):
            gradients = trainer.forward_backward([datum()] * 5, "cross_entropy")
            update = trainer.optim_step(AdamParams(learning_rate=1e-2))
            output = await gradients
            losses.append(output.metrics["loss:sum"])
            assert [len(fields["logprobs"].data) for fields in output.loss_fn_outputs] == [6] * 5
            await update
        assert losses == sorted(losses, reverse=True)
        assert len(set(losses)) == 3


async def test_a_loss_that_only_one_server_has_is_sent_by_its_name() -> None:
    """With the inputs and the parameters that it reads, as the official SDK would."""
    fake = MixtureTinker()
    inputs: dict[str, Sequence[int] | Sequence[float]] = {
        "target_tokens": [1, 2],
        "values": [0.5, 0.5],
        "returns": [1.0, 0.0],
    }
    async with open_fake(fake, evolve(SETTINGS, figures=Figures(poll_interval_min=0.0))) as tinker:
        trainer = await make(tinker)
        datum_of_critic = Datum(ModelInput.from_ints([1, 2]), inputs)
        await trainer.forward_backward([datum_of_critic], "ppo_critic", {"value_clip": "0.2"})
    (_, request) = fake.seen[-2]
    assert (request.forward_backward_input.loss_fn, request.forward_backward_input.loss_fn_config) == (
        "ppo_critic",
        {"value_clip": 0.2},
    )
    assert request.forward_backward_input.data[0].loss_fn_inputs["returns"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_a_look_changes_nothing(kind: str) -> None:
    """Forward only: by a flag or by a route of its own, the loss of the next look is the same."""
    async with open_kind(kind) as tinker:
        trainer = await make(tinker)
        first = await trainer.forward([datum()], "cross_entropy")
        await trainer.optim_step(AdamParams(learning_rate=0.0))
        second = await trainer.forward([datum()], "cross_entropy")
        assert len(first.loss_fn_outputs) == len(second.loss_fn_outputs) == 1
        assert first.metrics["loss:sum"] > 0


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_sparse_targets_train_as_dense_ones_do(kind: str) -> None:
    """A server that refuses them gets them dense under the same number; nothing is done twice."""
    async with open_kind(kind) as tinker:
        trainer = await make(tinker)
        weights = np.zeros((6, 9), np.float32)
        weights[:, 0] = 1.0
        targets = np.zeros((6, 9), np.int64)
        targets[:, 0] = range(1, 7)
        inputs = {
            "target_tokens": TensorData.from_numpy_sparse(targets),
            "weights": TensorData.from_numpy_sparse(weights),
        }
        assert inputs["weights"].is_sparse
        for _ in range(2):
            output = await trainer.forward_backward([Datum(datum().model_input, inputs)], "cross_entropy")
            assert len(output.loss_fn_outputs) == 1
        assert (await trainer.optim_step()) is not None


@pytest.mark.tinkex("T30", "T31", "F009")
@pytest.mark.parametrize("with_optimizer", [False, True])
@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_training_goes_on_from_a_checkpoint(kind: str, with_optimizer: bool) -> None:  # noqa: FBT001 - a parameter
    """In one request, or by asking what it was made of, making that and loading: what follows is in line."""
    async with open_kind(kind) as tinker:
        trainer = await make(tinker)
        await trainer.forward_backward([datum()], "cross_entropy")
        await trainer.optim_step()
        saved = await trainer.save_state("half-way")
        create = (
            tinker.create_training_client_from_state_with_optimizer
            if with_optimizer
            else tinker.create_training_client_from_state
        )
        for _ in range(2):
            resumed = await create(saved.path)
            assert resumed.model_id != trainer.model_id
            output = await resumed.forward_backward([datum()], "cross_entropy")
            assert output.metrics["loss:sum"] > 0
            await resumed.optim_step()


@pytest.mark.tinkex("T30", "T31", "F009", "F010")
async def test_where_loading_makes_no_model_it_is_made_as_the_saved_one_was(autojump_clock: MockClock) -> None:
    """The base model, the rank and the switches that the server tells of the checkpoint, and the optimizer as asked."""
    fake = JsonTinker()
    async with open_fake(fake) as tinker:
        saved = await (await make(tinker)).save_state("half-way")
        await tinker.create_training_client_from_state(saved.path)
        await tinker.create_training_client_from_state_with_optimizer(saved.path)
    adapters = [(body["base_model"], body["lora_config"]) for body in fake.sent("create_model")[1:]]
    told = {"rank": 6, "train_mlp": True, "train_attn": True, "train_unembed": False}
    assert [(base, {key: adapter[key] for key in told}) for base, adapter in adapters] == [("fake/model", told)] * 2
    loads = [(body["path"], body["optimizer"]) for body in fake.sent("load_weights") if "model_id" in body]
    assert loads == [(saved.path, False), (saved.path, True)]
    assert autojump_clock.current_time() < 60


async def test_where_loading_makes_no_model_every_wish_is_passed_on(autojump_clock: MockClock) -> None:
    """What one request of the service carries is spread over two here, and the optimizer is the checkpoint's."""
    told = b'{"base_model": "fake/model", "is_lora": true, "optimizer_config": {"type": "dimuon", "version": 1}}'
    fake = JsonTinker()
    async with open_fake(fake) as tinker:
        saved = await (await make(tinker)).save_state("half-way")
        for optimizer in (None, AdamOptimizerConfig()):
            fake.fail("weights_info", Say(200, told))
            await tinker.create_training_client_from_state(
                saved.path,
                base_model="fake/twin",
                user_metadata={"a": None},
                optimizer=optimizer,
                weights_access_token="shown",  # noqa: S106 - none
            )
    made = fake.sent("create_model")[1:]
    assert [(body["base_model"], body["user_metadata"]) for body in made] == [("fake/twin", {"a": None})] * 2
    assert [body["optimizer_config"]["type"] for body in made] == ["dimuon", "adamw"]
    assert [body.get("weights_access_token") for body in fake.sent("load_weights")[-1:]] == ["shown"]
    assert autojump_clock.current_time() < 60


async def test_a_model_made_by_loading_has_the_name_that_the_server_gives_it(autojump_clock: MockClock) -> None:
    """The service says none, for it is always the same; one that says another is believed."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        saved = await (await make(tinker)).save_state("half-way")
        fake.models["elsewhere"] = FakeModel()
        fake.fail("load_weights", Say(200, b'{"request_id": "R-load"}'))
        fake.promises["R-load"] = (0.0, {"model_id": "elsewhere"})
        resumed = await tinker.create_training_client_from_state(saved.path)
        assert resumed.model_id == "elsewhere"
        await resumed.optim_step()
    assert fake.models["elsewhere"].numbers == [1]
    assert autojump_clock.current_time() < 60


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_a_failed_batch_does_not_stop_the_next(kind: str) -> None:
    """Refused at once, failed later, or failed as HTTP 400: one typed error, and the model trains on."""
    async with open_kind(kind) as tinker:
        trainer = await make(tinker)
        await trainer.forward_backward([datum()], "cross_entropy")
        bad = [99_999] if kind == "embedded" else [POISON]
        wrong = Datum(ModelInput.from_ints(bad), {"target_tokens": [1], "weights": [1.0]})
        failed, update = trainer.forward_backward([wrong], "cross_entropy"), trainer.optim_step()
        with pytest.raises(TinkerError):
            await failed
        await update
        await trainer.forward_backward([datum()], "cross_entropy")


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_what_was_trained_can_be_sampled(kind: str) -> None:
    """Named and ephemeral, by path and by client, whatever the server calls them; scores align with the prompt."""
    async with open_kind(kind) as tinker:
        trainer = await make(tinker)
        named = await trainer.save_weights_for_sampler("n")
        samplers = [
            await tinker.create_sampling_client(model_path=named.path),
            await trainer.save_weights_and_get_sampling_client("m"),
            await trainer.save_weights_and_get_sampling_client(),
            await tinker.create_sampling_client(base_model=trainer.get_info().model_data.model_name),
        ]
        for sampler in samplers:
            answer = await sampler.sample(ModelInput.from_ints([1, 2]), 2, PARAMS)
            assert len(answer.sequences) == 2
            scores = await sampler.compute_logprobs(ModelInput.from_ints([1, 2]))
            assert (len(scores), scores[0]) == (2, None)


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_samples_are_streamed(kind: str) -> None:
    """Token by token, or sequence by sequence: each sequence's tokens in order, the last with its reason."""
    async with open_kind(kind) as tinker:
        offered = await tinker.get_server_capabilities()
        sampler = await tinker.create_sampling_client(base_model=offered.supported_models[0].model_name)
        for _ in range(2):
            async with sampler.sample_stream(ModelInput.from_ints([1, 2]), 2, PARAMS) as stream:
                tokens = [token async for token in stream]
            for index in range(2):
                mine = [token for token in tokens if token.index == index]
                assert [token.stop_reason is None for token in mine] == [True] * (len(mine) - 1) + [False]
        assert tinker.capabilities.stream_sample == (kind == "embedded")


@pytest.mark.tinkex("T19", "F032")
@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_a_model_is_unloaded_or_the_lack_is_named(kind: str) -> None:
    """Where a server cannot, the client says so and goes on; where it can, nothing can follow."""
    async with open_kind(kind) as tinker:
        trainer = await make(tinker)
        if kind == "service":
            with pytest.raises(NotSupportedByServer, match="dropping a model before its session ends"):
                await trainer.unload()
            await trainer.optim_step()
        else:
            await trainer.unload()
            with pytest.raises(TinkerError, match="unloaded"):
                trainer.optim_step()


@pytest.mark.parametrize("kind", ["json", "mixture"])
async def test_a_feature_without_an_equivalent_is_named(kind: str) -> None:
    """Not a 422 of some framework: what the server does not offer, and training goes on under the same numbers."""
    async with open_kind(kind) as tinker:
        trainer = await make(tinker)
        with pytest.raises(NotSupportedByServer, match="optimizers other than AdamW"):
            await trainer.optim_step(DimuonParams(learning_rate=0.1))
        with pytest.raises(NotSupportedByServer, match="exports of adapters"):
            await trainer.save_weights_external("x")
        await trainer.optim_step()


async def test_a_poll_that_is_held_for_minutes_is_no_failure(autojump_clock: MockClock) -> None:
    """The client asks anew where it distrusts a silent connection, and has the result as soon as it is there."""
    fake = MixtureTinker()
    async with open_fake(fake) as tinker:
        trainer = await make(tinker)
        update = trainer.optim_step()
        await update.accepted()
        *_, request_id = fake.promises
        began = trio.current_time()
        fake.promises[request_id] = (began + 400, {})
        await update
        assert 400 <= trio.current_time() - began < 402
    assert autojump_clock.current_time() < 500
