"""``open_tinker(local=True)``: a whole Tinker service as one more child, with nothing but this package."""

import pytest
import trio

from supervisors import Name
from tinkex_actors import AdamParams, Datum, ModelInput, SamplingParams, TrainingClient, open_tinker
from tinkex_actors.clients import embedded
from tinkex_actors.local import EmbeddedServer
from tinkex_actors.settings import Settings
from tinkex_actors.types import NotFoundError, TinkerError


def a_datum() -> Datum:
    tokens = list(b"the sea, the sea")
    return Datum(ModelInput.from_ints(tokens[:-1]), {"target_tokens": tokens[1:], "weights": [1.0] * (len(tokens) - 1)})


async def test_training_and_sampling_work_out_of_the_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no address, no network: the loss falls, a crash changes nothing, and what was learned can be sampled."""
    monkeypatch.setenv("TINKER_API_KEY", "")
    losses = list[float]()
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=4, seed=1)
        for step in range(4):
            gradients = trainer.forward_backward([a_datum()], "cross_entropy")
            update = trainer.optim_step(AdamParams(learning_rate=3e-3))
            if step == 2:
                trainer.crash("on purpose")
            losses.append((await gradients).metrics["loss:sum"])
            await update
        sampler = await trainer.save_weights_and_get_sampling_client("sea")
        tokenizer = trainer.get_tokenizer()
        prompt = ModelInput.from_ints(tokenizer.encode("the sea"))
        answer = await sampler.sample(prompt, 1, SamplingParams(max_tokens=4, temperature=0.0))
        assert len(answer.sequences[0].tokens) == 4
        drawing = str(tinker.tree())
    assert losses == sorted(losses, reverse=True)
    assert "trainer-0 Trainer (running, 1 restart)" in drawing
    assert "local EmbeddedServer (running)" in drawing


async def step(trainer: TrainingClient) -> float:
    gradients = trainer.forward_backward([a_datum()], "cross_entropy")
    await trainer.optim_step(AdamParams(learning_rate=3e-3))
    return (await gradients).metrics["loss:sum"]


async def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped() -> None:
    """Weights and optimizer come back bit for bit: the same losses as without the break."""
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=4, seed=1)
        await step(trainer)
        saved = await trainer.save_state("half-way")
        expected = [await step(trainer), await step(trainer)]
        resumed = await tinker.create_training_client_from_state_with_optimizer(saved.path)
        assert [await step(resumed), await step(resumed)] == expected


async def test_a_crash_of_the_server_itself_is_survived_and_what_it_held_is_named_as_lost() -> None:
    """Without a data folder the models go with it: their clients hear so, and new ones work at the new address."""
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=4)
        server = tinker._tree.root.whereis(Name("local", EmbeddedServer))
        server.kill()
        await server.ended()
        with pytest.raises(TinkerError) as lost:
            await trainer.optim_step()
        assert isinstance(lost.value, NotFoundError) or lost.value.__cause__ is not None
        assert (await tinker.get_server_capabilities()).supported_models


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to install."""

    def find_no_starlette(name: str) -> None:
        raise ModuleNotFoundError(f"no module for {name}", name="starlette")

    monkeypatch.setattr(embedded, "import_module", find_no_starlette)
    with pytest.raises(ModuleNotFoundError, match=r"needs starlette; install tinkex-actors\[local\]"):
        async with open_tinker(local=True):
            raise AssertionError


async def test_given_settings_keep_their_figures_with_the_embedded_server() -> None:
    """The address is the server's, everything else is what the user said."""
    settings = Settings.from_environ({"TINKER_API_KEY": "tml-mine", "TINKER_TELEMETRY": "0"})
    async with open_tinker(settings, local=True) as tinker:
        assert tinker.settings.api_key == "tml-mine"
        assert "telemetry" not in str(tinker.tree())
        with trio.fail_after(5):
            assert (await tinker.get_server_capabilities()).supported_models
