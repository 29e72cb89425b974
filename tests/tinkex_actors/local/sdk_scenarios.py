"""Scenarios of the official SDK, unmodified, against a server of ours. Run with ``-m``: URL, then scenario names.

It is its own process because the SDK brings an asyncio loop and threads. Prints one JSON object: for each scenario
``"ok"`` or the traceback.
"""

import json
import os
import pickle
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import tinker
from tinker import types

E = TypeVar("E", bound=Exception)

MODEL = "tinkex/tiny"
TEXT = list(b"Tell me, is it true? It is true, she said; it is quite true.")


def service(url: str, api_key: str = "tml-local") -> tinker.ServiceClient:
    """A client with a key of its own choice."""
    return tinker.ServiceClient(base_url=url, api_key=api_key)


def prompt(tokens: list[int] | None = None) -> types.ModelInput:
    """A prompt of text."""
    return types.ModelInput.from_ints(TEXT if tokens is None else tokens)


def datum(tokens: list[int] | None = None, **inputs: list[float]) -> types.Datum:
    """An example that predicts each token's successor."""
    ids = TEXT if tokens is None else tokens
    # The SDK converts lists by name; its annotation only knows what they become.
    loss_fn_inputs: Any = {"target_tokens": ids[1:], **(inputs or {"weights": [1.0] * (len(ids) - 1)})}
    return types.Datum(model_input=prompt(ids[:-1]), loss_fn_inputs=loss_fn_inputs)


def trainer(client: tinker.ServiceClient) -> tinker.TrainingClient:
    """A new model."""
    return client.create_lora_training_client(MODEL, rank=8).result()


def failure(kind: type[E], call: Callable[[], object]) -> E:
    """The failure of an operation that must fail."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError("the operation did not fail")


def learns_and_samples(url: str) -> None:
    """The quick start: create, train, save, load, sample, finish."""
    with service(url) as client:
        training = trainer(client)
        losses: list[float] = []
        for _ in range(6):
            gradients = training.forward_backward([datum()], "cross_entropy")
            update = training.optim_step(types.AdamParams(learning_rate=1e-2))
            losses.append(gradients.result().metrics["loss:sum"])
            update.result()
        assert losses[-1] < 0.3 * losses[0], losses
        sampling = training.save_weights_and_get_sampling_client().result()
        params = types.SamplingParams(max_tokens=20, temperature=0.0)
        drawn = sampling.sample(prompt(TEXT[:20]), 1, params).result()
        assert drawn.sequences[0].tokens == TEXT[20:40], drawn.sequences[0].tokens


def pipelines_without_waiting(url: str) -> None:
    """Operations submitted ahead are carried out in order."""
    with service(url) as client:
        training = trainer(client)
        gradients = [training.forward_backward([datum()], "cross_entropy") for _ in range(1)]
        steps: list[Any] = []
        for _ in range(10):
            steps.append(training.optim_step(types.AdamParams(learning_rate=5e-3)))
            gradients.append(training.forward_backward([datum()], "cross_entropy"))
        losses = [one.result().metrics["loss:sum"] for one in gradients]
        for step in steps:
            step.result()
        assert losses[:5] == sorted(losses[:5], reverse=True), losses


def combines_chunks(url: str) -> None:
    """More data than fit one request come back in order, with the sum of their losses."""
    with service(url) as client:
        training = trainer(client)
        data = [datum(TEXT[: 3 + i % 20]) for i in range(1030)]
        output = training.forward(data, "cross_entropy").result()
        lengths = [len(one["logprobs"].data) for one in output.loss_fn_outputs]
        assert lengths == [len(one.loss_fn_inputs["target_tokens"].data) for one in data]
        total = -sum(float(np.sum(one["logprobs"].to_numpy())) for one in output.loss_fn_outputs)
        assert abs(total - output.metrics["loss:sum"]) < 1e-3 * total


def resumes_from_a_checkpoint(url: str) -> None:
    """With the optimizer's state the same step gives the same loss after it."""
    with service(url) as client:
        training = trainer(client)
        training.forward_backward([datum()], "cross_entropy").result()
        training.optim_step(types.AdamParams(learning_rate=1e-2)).result()
        path = training.save_state("half-way").result().path
        again = client.create_training_client_from_state_with_optimizer(path).result()
        fresh = client.create_training_client_from_state(path).result()
        losses: list[float] = []
        for one in (training, again, fresh):
            one.forward_backward([datum()], "cross_entropy").result()
            one.optim_step(types.AdamParams(learning_rate=1e-2)).result()
            losses.append(one.forward([datum()], "cross_entropy").result().metrics["loss:sum"])
        assert losses[0] == losses[1] != losses[2], losses
        assert again.get_info().lora_rank == 8


def samples_in_every_way(url: str) -> None:
    """Options of sampling: several samples, log-probabilities, the likeliest tokens, stops, alternatives."""
    with service(url) as client:
        sampling = client.create_sampling_client(base_model=MODEL).result()
        params = types.SamplingParams(max_tokens=5, seed=3, stop=[])
        drawn = sampling.sample(
            prompt(),
            3,
            params,
            include_prompt_logprobs=True,
            topk_prompt_logprobs=2,
            topk_sample_logprobs=3,
            prompt_alt_tokens_k=2,
        ).result()
        assert [len(one.tokens) for one in drawn.sequences] == [5, 5, 5]
        assert len({tuple(one.tokens) for one in drawn.sequences}) > 1
        assert all(one.stop_reason == "length" for one in drawn.sequences)
        assert drawn.prompt_logprobs is not None
        assert drawn.prompt_logprobs[0] is None
        assert drawn.topk_prompt_logprobs is not None
        assert len(drawn.topk_prompt_logprobs) == len(TEXT)
        again = sampling.sample(prompt(), 3, params).result()
        assert [one.tokens for one in again.sequences] == [one.tokens for one in drawn.sequences]
        stopped = sampling.sample(prompt(), 1, types.SamplingParams(max_tokens=200, stop=" ", seed=1)).result()
        assert stopped.sequences[0].stop_reason == "stop"


def computes_logprobs_like_training(url: str) -> None:
    """A sampler and a learner of the same weights agree."""
    with service(url) as client:
        training = trainer(client)
        training.forward_backward([datum()], "cross_entropy").result()
        training.optim_step(types.AdamParams(learning_rate=1e-2)).result()
        learned = training.forward([datum()], "cross_entropy").result().loss_fn_outputs[0]["logprobs"].to_numpy()
        path = training.save_weights_for_sampler("final").result().path
        for sampling in (
            training.save_weights_and_get_sampling_client().result(),
            client.create_sampling_client(model_path=path).result(),
        ):
            sampled = sampling.compute_logprobs(prompt()).result()
            assert sampled[0] is None
            assert np.allclose(np.array(sampled[1:], np.float32), learned, atol=1e-4)
        last = sampling.compute_logprobs(prompt(), prompt_logprobs_last_n=2).result()
        assert last[-3] is None
        assert last[-2:] == sampled[-2:]


def reports_what_the_user_did_wrong(url: str) -> None:
    """Failures have a category and a reason, and the model goes on behind them."""
    with service(url) as client:
        training = trainer(client)
        wrong = failure(
            tinker.RequestFailedError, lambda: training.forward_backward([datum([1, 10**6])], "cross_entropy").result()
        )
        assert wrong.category == "user", wrong.category
        assert "1000000" in str(wrong), wrong
        training.save_state("twice").result()
        clash = failure(tinker.RequestFailedError, lambda: training.save_state("twice").result())
        assert "already there" in str(clash), clash
        training.save_state("twice", overwrite=True).result()
        refused = failure(tinker.BadRequestError, lambda: client.create_lora_training_client("nobody/nothing").result())
        assert MODEL in str(refused), refused


def trains_by_reinforcement(url: str) -> None:
    """The policy losses take what the sampler said."""
    with service(url) as client:
        training = trainer(client)
        sampling = training.save_weights_and_get_sampling_client().result()
        drawn = sampling.sample(prompt(TEXT[:10]), 4, types.SamplingParams(max_tokens=8, stop=[])).result()
        for loss in ("importance_sampling", "ppo", "cispo", "dro"):
            data: list[types.Datum] = []
            for index, one in enumerate(drawn.sequences):
                silent = [0.0] * 9
                data.append(
                    datum(
                        TEXT[:10] + one.tokens,
                        logprobs=silent + list(one.logprobs or []),
                        advantages=silent + [float(index % 2) - 0.5] * 8,
                    )
                )
            result = training.forward_backward(data, loss).result()
            assert np.isfinite(result.metrics["loss:sum"])
            training.optim_step(types.AdamParams(learning_rate=1e-3)).result()


def follows_training_in_flight(url: str) -> None:
    """An inflight sampler has the newest saved weights."""
    with service(url) as client:
        training = trainer(client)
        sampling = training.save_weights_and_get_sampling_client(kind="inflight").result()
        before = sampling.compute_logprobs(prompt()).result()
        training.forward_backward([datum()], "cross_entropy").result()
        training.optim_step(types.AdamParams(learning_rate=1e-2)).result()
        training.save_weights_and_get_sampling_client(kind="inflight").result()
        assert sampling.compute_logprobs(prompt()).result() != before


def keeps_owners_apart(url: str) -> None:
    """A checkpoint of another key cannot be loaded."""
    with service(url) as mine, service(url, api_key="tml-other") as other:
        path = trainer(mine).save_state("mine").result().path
        failure(tinker.NotFoundError, lambda: other.create_training_client_from_state(path).result())


def samples_from_a_pickled_client(url: str) -> None:
    """A copy of a sampling client draws for itself, under numbers of its own."""
    with service(url) as client:
        sampling = client.create_sampling_client(base_model=MODEL).result()
        params = types.SamplingParams(max_tokens=8, stop=[])
        copy = pickle.loads(pickle.dumps(sampling))  # noqa: S301 - our own bytes
        drawn = [one.sample(prompt(), 1, params).result().sequences[0].tokens for one in (sampling, copy)]
        assert drawn[0] != drawn[1], drawn


def manages_checkpoints(url: str) -> None:
    """The REST client lists, shows, publishes, expires, copies and deletes."""
    rest = tinker.RestClient(base_url=url, api_key="tml-rest")
    with service(url, api_key="tml-rest") as client:
        training = trainer(client)
        path = training.save_state("a", ttl_seconds=7200, user_metadata={"k": "v"}).result().path
        training.save_weights_for_sampler("b").result()
        run = rest.get_training_run(training.model_id).result()
        assert (run.base_model, run.lora_rank) == (MODEL, 8), run
        assert run.last_checkpoint is not None
        assert run.last_checkpoint.tinker_path == path
        assert [one.training_run_id for one in rest.list_training_runs().result().training_runs] == [
            run.training_run_id
        ]
        listed = rest.list_checkpoints(training.model_id).result().checkpoints
        assert {one.checkpoint_type for one in listed} == {"training", "sampler"}, listed
        assert len(rest.list_user_checkpoints().result().checkpoints) == 2
        rest.publish_checkpoint_from_tinker_path(path).result()
        rest.unpublish_checkpoint_from_tinker_path(path).result()
        rest.set_checkpoint_ttl_from_tinker_path(path, None).result()
        assert rest.get_weights_info_by_tinker_path(path).result().lora_rank == 8
        rest.delete_checkpoint_from_tinker_path(path).result()
        assert len(rest.list_checkpoints(training.model_id).result().checkpoints) == 1
        [session_id] = rest.list_sessions().result().sessions
        assert rest.get_session(session_id).result().training_run_ids == [training.model_id]
    searched = rest.search_sessions(types.SessionSearchRequest())  # pyright: ignore[reportDeprecated] # experimental
    [found] = searched.result().sessions
    assert found.session_id == session_id
    failure(tinker.NotFoundError, lambda: rest.get_training_run("nobody").result())


def opens_a_handle(url: str) -> None:
    """A handle is text that another process makes a client of, with a key of its own."""
    with service(url) as client:
        sampling = client.create_sampling_client(base_model=MODEL).result()
        copy = tinker.SamplingClient.from_sampler_handle(sampling.get_sampler_handle(), api_key="tml-local")
        assert copy.get_base_model() == MODEL
        assert copy.compute_logprobs(prompt()).result() == sampling.compute_logprobs(prompt()).result()


def lets_go_of_a_sample(url: str) -> None:
    """A cancelled sample does not hold up the next one."""
    with service(url) as client:
        sampling = client.create_sampling_client(base_model=MODEL).result()
        long = sampling.sample(prompt(), 8, types.SamplingParams(max_tokens=900, stop=[]))
        assert long.future().cancel()
        drawn = sampling.sample(prompt(), 1, types.SamplingParams(max_tokens=2, stop=[])).result(timeout=60)
        assert len(drawn.sequences[0].tokens) == 2


def keeps_what_was_written_beside_things(url: str) -> None:
    """Metadata of sessions, runs and checkpoints come back; overwriting replaces them; a life time gives an end."""
    rest = tinker.RestClient(base_url=url, api_key="tml-notes")
    client = tinker.ServiceClient({"a": "b"}, display_name="n", base_url=url, api_key="tml-notes")
    with client:
        training = client.create_lora_training_client(MODEL, rank=4, user_metadata={"c": "d"}).result()
        training.save_state("x", user_metadata={"e": "f"}, ttl_seconds=7200).result()
        [first] = rest.list_checkpoints(training.model_id).result().checkpoints
        assert (first.user_metadata, first.expires_at is None) == ({"e": "f"}, False)
        training.save_state("x", overwrite=True).result()
        [second] = rest.list_checkpoints(training.model_id).result().checkpoints
        assert (second.user_metadata, second.expires_at) == (None, None)
        assert rest.get_training_run(training.model_id).result().user_metadata == {"c": "d"}
        [session_id] = rest.list_sessions().result().sessions
        session = rest.get_session(session_id).result()
        assert (session.user_metadata, session.display_name) == ({"a": "b"}, "n")


def publishes_and_copies(url: str) -> None:
    """What is published can be loaded and copied by another key, and by none once it is private again."""
    rest = tinker.RestClient(base_url=url, api_key="tml-giver")
    taker = tinker.ServiceClient(base_url=url, api_key="tml-taker", project_id="p")
    with service(url, api_key="tml-giver") as giver, taker:
        path = trainer(giver).save_state("gift").result().path
        failure(tinker.NotFoundError, lambda: taker.copy_weights(path).result())
        rest.publish_checkpoint_from_tinker_path(path).result()
        copied = taker.copy_weights(path, ttl_seconds=7200).result()
        assert copied != path
        rest.unpublish_checkpoint_from_tinker_path(path).result()
        failure(tinker.NotFoundError, lambda: taker.create_training_client_from_state(path).result())
        assert taker.create_training_client_from_state(copied).result().get_info().lora_rank == 8


def answers_about_the_account(url: str) -> None:
    """There is no account: what the SDK asks about it is empty and well-formed."""
    admin = tinker.AdminClient(base_url=url, api_key="tml-admin")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert admin.get_audit_log().result().entries == []
    assert admin.get_billing_usage(start, start + timedelta(hours=2)).result().data == []
    assert admin.get_current_checkpoint_storage_usage().result().data == []
    with service(url, api_key="tml-admin") as client:
        trainer(client).save_state("a").result()
    [stored] = admin.get_current_checkpoint_storage_usage().result().data
    assert stored.checkpoint_count == 1


def trains_with_dimuon(url: str) -> None:
    """The other optimizer: it learns, is told from AdamW at every step, and goes on from its own state."""
    dimuon = types.DimuonOptimizerConfig()
    with service(url) as client:
        training = client.create_lora_training_client(MODEL, rank=4, optimizer=dimuon).result()
        assert training.get_info().optimizer_config.type == "dimuon"
        first = losses(training, 6, types.DimuonParams(learning_rate=0.01))
        assert first[-1] < 0.9 * first[0], first
        failure(tinker.RequestFailedError, lambda: training.optim_step(types.AdamParams()).result())
        path = training.save_state("with-momentum").result().path
        resumed = client.create_training_client_from_state_with_optimizer(path).result()
        assert resumed.get_info().optimizer_config.type == "dimuon"
        step = types.DimuonParams(learning_rate=0.01)
        assert losses(training, 2, step) == losses(resumed, 2, step)


def losses(training: tinker.TrainingClient, steps: int, params: types.DimuonParams) -> list[float]:
    """The loss before each of some steps."""
    found: list[float] = []
    for _ in range(steps):
        passed = training.forward_backward([datum()], "cross_entropy")
        training.optim_step(params).result()
        found.append(passed.result().metrics["loss:sum"])
    return found


def differentiates_custom_losses(url: str) -> None:
    """A loss of the user's own, differentiated by torch, gives the gradients of the loss it equals; where torch is."""
    if find_spec("torch") is None:
        return

    def mean_loss(data: Any, logprobs: Any) -> Any:
        return -sum(one.sum() for one in logprobs), {"datums:sum": float(len(data))}

    with service(url) as client:
        losses: list[float] = []
        for run in ("own", "named"):
            training = client.create_lora_training_client(MODEL, rank=4, seed=1).result()
            if run == "own":
                training.forward_backward_custom([datum()], mean_loss).result()
            else:
                training.forward_backward([datum()], "cross_entropy").result()
            training.optim_step(types.AdamParams(learning_rate=1e-3)).result()
            losses.append(training.forward([datum()], "cross_entropy").result().metrics["loss:sum"])
        assert losses[0] == losses[1], losses


def ends_once(url: str) -> None:
    """Closing twice is one end, and the server remembers which. That nothing comes after it the SDK sees to itself."""
    key = "tml-ends"
    client = service(url, api_key=key)
    trainer(client)
    for _ in range(2):
        client.close("success", "done").result()
    with service(url, api_key=key) as other:
        searched = other.create_rest_client().search_sessions(types.SessionSearchRequest())  # pyright: ignore[reportDeprecated] # experimental
        [found] = searched.result().sessions
    success = types.ClientSessionFinishSuccess()
    assert found.status == types.ClientSessionFinished(reason=success, detail="done"), found.status


def serves_its_command_line(url: str) -> None:
    """``tinker run list``, ``tinker checkpoint list`` and ``tinker checkpoint download``."""
    with service(url, api_key="tml-cli") as client:
        path = trainer(client).save_state("taken").result().path
    with TemporaryDirectory() as folder:
        [run] = command_line(url, "run", "list")["runs"]
        [listed] = command_line(url, "checkpoint", "list")["checkpoints"]
        assert (listed["tinker_path"], run["training_run_id"] in path) == (path, True)
        taken = command_line(url, "checkpoint", "download", path, "-o", folder)
        files = {one.name for one in Path(taken["destination"]).iterdir()}
        assert files == {"adapter_config.json", "adapter_model.safetensors"}


def command_line(url: str, *arguments: str) -> Any:
    """What the SDK's command line prints."""
    environment = {**os.environ, "TINKER_BASE_URL": url, "TINKER_API_KEY": "tml-cli"}
    command = [str(Path(sys.executable).with_name("tinker")), "-f", "json", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def main() -> None:
    """Run the scenarios named on the command line."""
    warnings.simplefilter("ignore")
    url, *names = sys.argv[1:]
    report: dict[str, str] = {}
    for name in names:
        try:
            globals()[name](url)
        except BaseException:  # noqa: BLE001 - the report is what this process is for
            report[name] = traceback.format_exc()
        else:
            report[name] = "ok"
    print(json.dumps(report))


if __name__ == "__main__":
    main()
