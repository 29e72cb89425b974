"""What a beginner hands over by mistake is told at the door: what was expected, what came, what to write instead."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, a_datum, make_trainer, open_fake
from tinkex_actors import types
from tinkex_actors.actors.errors import ClientClosed
from tinkex_actors.settings import Figures, Settings
from tinkex_actors.types import ModelInput

PROMPT = ModelInput.from_ints([1, 2])


# Any: these calls are wrong on purpose.
Wrong = tuple[Callable[[Any], object], type[Exception], str]
ANY: Any = types
WRONG_TRAINING: list[Wrong] = [
    (lambda t: t.forward(a_datum(), "ppo"), TypeError, r"data must be a list of Datum, got a Datum; write \[datum\]"),
    (lambda t: t.forward(None, "ppo"), TypeError, "data must be a list of Datum, got None"),
    (lambda t: t.forward(["a"], "ppo"), TypeError, r"data\[0\] must be a Datum, got str"),
    (lambda t: t.forward_backward([a_datum(), {}], "ppo"), TypeError, r"data\[1\] must be a Datum, got dict"),
    (lambda t: t.forward([], "ppo"), ValueError, "data must hold at least one datum, got none"),
    (lambda t: t.forward([a_datum()], None), ValueError, "loss_fn must be one of .* got None"),
    (lambda t: t.forward_backward_custom(a_datum(), print), TypeError, "data must be a list of Datum"),
    (lambda t: t.optim_step(1e-4), TypeError, "params must be AdamParams or DimuonParams, got float"),
    (lambda t: t.save_state(7), TypeError, "name must be text, got int"),
    (lambda t: t.save_state("a", ttl_seconds="1h"), TypeError, "ttl_seconds must be an int or None, got str"),
    (lambda t: t.save_state("a", ttl_seconds=3599), ValueError, "ttl_seconds must be >= 3600 or None, got 3599"),
    (lambda t: t.load_state(None), TypeError, "path must be text, got NoneType"),
]
WRONG_SAMPLING: list[Wrong] = [
    (lambda s: s.sample("hello"), TypeError, r"prompt must be a ModelInput, got str; encode\(\.\.\.\) gives the tokens"),
    (lambda s: s.sample([1, 2]), TypeError, r"got list; ModelInput.from_ints\(tokens\) makes one"),
    (lambda s: s.sample(ModelInput.empty()), ValueError, "prompt must have at least one token, got none"),
    (lambda s: s.sample(PROMPT, "2"), TypeError, "num_samples must be an int, got str"),
    (lambda s: s.sample(PROMPT, 1.5), TypeError, "num_samples must be an int, got float"),
    (lambda s: s.sample(PROMPT, 0), ValueError, "num_samples must be >= 1, got 0"),
    (lambda s: s.sample(PROMPT, 1, {"max_tokens": 3}), TypeError, "sampling_params must be SamplingParams, got dict"),
    (lambda s: s.sample(PROMPT, topk_prompt_logprobs="5"), TypeError, "topk_prompt_logprobs must be an int, got str"),
    (lambda s: s.sample(PROMPT, prompt_logprobs_last_n="1"), TypeError, "prompt_logprobs_last_n must be an int, got str"),
    (lambda s: s.sample(PROMPT, include_prompt_logprobs=True, prompt_logprobs_last_n=0), ValueError, "must be >= 1, got 0"),
    (lambda s: s.sample(PROMPT, target_prompt_logprobs=[[1]]), TypeError, "must be a TensorData, got list; TensorData.from"),
    (lambda s: s.sample(PROMPT, target_prompt_logprobs=ANY.TensorData([1.0], "float32", [1, 1])), ValueError, "got float32"),
    (lambda s: s.sample(PROMPT, target_prompt_logprobs=ANY.TensorData([1], "int64", [1])), ValueError, r"of shape \(1,\)"),
    (lambda s: s.sample_stream("hello"), TypeError, "prompt must be a ModelInput, got str"),
    (lambda _: ANY.SamplingParams(stop=7), TypeError, "stop must be text, a list of texts or a list of token ids, got 7"),
    (lambda _: ANY.SamplingParams(stop=b"x"), TypeError, "stop must be text, a list of texts or a list of token ids"),
    (lambda _: ANY.ModelInput.from_ints("abc"), ValueError, "tokens must be a flat list of ints that fit int32, got str"),
    (lambda _: ANY.ModelInput.from_ints([2**70]), ValueError, "tokens must be a flat list of ints that fit int32"),
]  # fmt: skip
USES: list[Callable[[Any, Any, Any], Any]] = [
    lambda tinker, _t, _s: tinker.create_lora_training_client("fake/model"),
    lambda tinker, _t, _s: tinker.create_training_client_from_state("tinker://m/weights/a"),
    lambda tinker, _t, _s: tinker.create_sampling_client(base_model="fake/model"),
    lambda tinker, _t, _s: tinker.get_server_capabilities(),
    lambda tinker, _t, _s: tinker.create_rest_client().get_session("S"),
    lambda tinker, _t, _s: tinker.create_rest_client().check_health(),
    lambda tinker, _t, _s: tinker.drain_telemetry(),
    lambda _tinker, trainer, _s: trainer.optim_step(),
    lambda _tinker, trainer, _s: trainer.save_weights_and_get_sampling_client("a"),
    lambda _tinker, trainer, _s: trainer.create_sampling_client("tinker://m/sampler_weights/a"),
    lambda _tinker, _t, sampler: sampler.sample(PROMPT),
    lambda _tinker, _t, sampler: sampler.compute_logprobs(PROMPT),
]


PATH = "tinker://r/weights/a"
WRONG_REST: list[Wrong] = [
    (lambda r: r.get_session(7), TypeError, "session_id must be a str, got int"),
    (lambda r: r.get_training_run(None), TypeError, "training_run_id must be a str, got None"),
    (lambda r: r.list_training_runs(limit="5"), TypeError, "limit must be an int, got str"),
    (lambda r: r.list_training_runs(offset=None), TypeError, "offset must be an int, got None"),
    (lambda r: r.list_training_runs(page_size=1.5), TypeError, "page_size must be an int, got float"),
    (lambda r: r.list_training_runs(project_id=7), TypeError, "project_id must be text, got int"),
    (lambda r: r.get_weights_info_by_tinker_path(None), TypeError, "a checkpoint path must be text, got NoneType"),
    (lambda r: r.delete_checkpoint("r", None), TypeError, "checkpoint_id must be text, got None"),
    (lambda r: r.set_checkpoint_ttl_from_tinker_path(PATH, "1h"), TypeError, "ttl_seconds must be an int, got str"),
    (lambda r: r.copy_weights(PATH, 7), TypeError, "destination_project_id must be text, got int"),
    (lambda r: r.assign_session_project("S", 7), TypeError, "project_id must be text, got int"),
    (lambda r: r.search_sessions(user_metadata=7), TypeError, "user_metadata must map names to texts, got int"),
    (lambda r: r.search_sessions(owner="own"), TypeError, "owner must be a SearchOwner, got str"),
    (lambda r: r.search_sessions(statuses="active"), TypeError, "statuses must be a list, got str"),
    (lambda r: r.admin.get_audit_log(day="2026-01-01"), TypeError, r"day must be a datetime.date \| None, got str"),
    (lambda r: r.admin.get_billing_usage(None, None), TypeError, "starting_on must be a datetime, got None"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "sentence"), WRONG_REST)
async def test_looking_things_up_tells_what_it_wanted(
    call: Callable[[Any], Any], error: type[Exception], sentence: str, autojump_clock: MockClock
) -> None:
    """Nothing was sent: the first question would end in somebody else's words."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        before = len(fake.seen)
        with pytest.raises(error, match=sentence):
            await call(tinker.create_rest_client())
        assert len(fake.seen) == before
    assert autojump_clock.current_time() < 5


@pytest.mark.parametrize(("call", "error", "sentence"), WRONG_TRAINING)
async def test_training_tells_what_it_wanted(
    call: Callable[[Any], object], error: type[Exception], sentence: str, autojump_clock: MockClock
) -> None:
    """Nothing was sent, and the model's numbers go on."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        before = len(fake.seen)
        with pytest.raises(error, match=sentence):
            call(trainer)
        assert len(fake.seen) == before
        await trainer.optim_step()
    assert autojump_clock.current_time() < 60


@pytest.mark.parametrize(("call", "error", "sentence"), WRONG_SAMPLING)
async def test_sampling_tells_what_it_wanted(
    call: Callable[[Any], object], error: type[Exception], sentence: str, autojump_clock: MockClock
) -> None:
    """Nothing was sent."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        with pytest.raises(error, match=sentence):
            call(sampler)
        await sampler.sample(PROMPT)
    assert len(fake.sent("asample")) == 1
    assert autojump_clock.current_time() < 60


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"api_key": 7}, "api_key must be text, got int"),
        ({"base_url": 7}, "base_url must be text, got int"),
        ({"tags": "nightly"}, r"expected a list of texts, got 'nightly'; write \['nightly'\]"),
        ({"tags": [7]}, "tags must be texts, got int among them"),
        ({"telemetry": "off"}, "telemetry must be True or False, got str"),
        ({"default_headers": {"X-Secret": 7}}, "default_headers must be texts, got int among them"),
        ({"figures": {"max_retries": 1}}, r"figures must be Figures, got dict; write Figures\(max_retries=3\)"),
    ],
)
def test_settings_tell_what_they_wanted(given: dict[str, Any], sentence: str) -> None:
    """At the door, and not in the middle of the first request."""
    with pytest.raises(TypeError, match=sentence):
        evolve(SETTINGS, **given)
    with pytest.raises(TypeError, match="max_retries must be a number, got str"):
        Figures(max_retries="3")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError, match="tags"):
        Settings(api_key="tml-x", tags=[7])  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize("use", USES)
async def test_a_closed_client_says_so_whatever_is_asked_of_it(
    use: Callable[[Any, Any, Any], Any], autojump_clock: MockClock
) -> None:
    """In its own words, not in those of what it was made of; and at once."""
    async with open_fake(FakeTinker(), evolve(SETTINGS, telemetry=True)) as tinker:
        trainer, sampler = await make_trainer(tinker), await tinker.create_sampling_client(base_model="fake/model")
    before = autojump_clock.current_time()
    with pytest.raises(ClientClosed, match="the client was closed"):
        await use(tinker, trainer, sampler)
    assert autojump_clock.current_time() == before
