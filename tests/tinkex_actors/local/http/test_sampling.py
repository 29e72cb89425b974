"""Sampling over the wire."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.tinkex_actors.local.site import Reply, Site, open_site
from tinkex_actors.local.limits import Limits
from tinkex_actors.types.sampling import SampleResponse
from tinkex_actors.wire.futures import JSON
from tinkex_actors.wire.samples import decode_sample_response


async def sampler(site: Site, session_id: str, number: int = 0, **source: Any) -> str:
    """Open a sampling session."""
    asked = {"session_id": session_id, "sampling_session_seq_id": number, **(source or {"base_model": "random"})}
    opened = await site.post("create_sampling_session", **asked)
    sampling_session_id: str = opened.json["sampling_session_id"]
    return sampling_session_id


async def ask(site: Site, sampling_session_id: str, seq_id: int = 0, **changed: Any) -> Reply:
    """Send asample."""
    body: dict[str, Any] = {
        "sampling_session_id": sampling_session_id,
        "seq_id": seq_id,
        "num_samples": 2,
        "prompt": {"chunks": [{"type": "encoded_text", "tokens": [1, 2, 3]}]},
        "sampling_params": {"max_tokens": 4, "seed": 1, "stop": []},
        "prompt_logprobs": True,
        "type": "sample",
    }
    return await site.post("asample", **{**body, **changed})


async def drawn(site: Site, promised: Reply) -> SampleResponse:
    """Wait for the samples."""
    return decode_sample_response((await site.fetch(promised)).body)


async def test_a_promise_of_samples_names_each_sequence(tmp_path: Path) -> None:
    """The official client insists on exactly as many names as samples."""
    async with open_site(tmp_path) as site:
        promised = await ask(site, await sampler(site, await site.session()))
        assert len(set(promised.json["sample_sequence_ids"])) == 2
        response = await drawn(site, promised)
        assert [len(sequence.tokens) for sequence in response.sequences] == [4, 4]
        assert response.prompt_logprobs is not None
        assert response.prompt_logprobs[0] is None


async def test_a_repeated_sample_is_the_same_promise_and_the_next_number_another(tmp_path: Path) -> None:
    """Numbers of samples identify, they do not order."""
    async with open_site(tmp_path) as site:
        sampling_session_id = await sampler(site, await site.session())
        late, first, again = [await ask(site, sampling_session_id, seq_id) for seq_id in (7, 0, 0)]
        assert first.json == again.json != late.json
        await drawn(site, first)
        await drawn(site, late)
        assert site.service.shop.audit.count("sample") == 2


async def test_samples_without_a_seed_are_repeatable_by_their_number(tmp_path: Path) -> None:
    """A program that is run twice sees the same; two requests of one run see different draws."""
    tokens: list[list[int]] = []
    for name in ("a", "b"):
        async with open_site(tmp_path / name) as site:
            sampling_session_id = await sampler(site, await site.session())
            for seq_id in (0, 1):
                params: dict[str, Any] = {"max_tokens": 20, "stop": []}
                response = await drawn(site, await ask(site, sampling_session_id, seq_id, sampling_params=params))
                tokens.append(response.sequences[0].tokens)
    assert tokens[:2] == tokens[2:]
    assert tokens[0] != tokens[1]


async def test_a_named_save_is_sampled_by_its_path(tmp_path: Path) -> None:
    """The path is all another session needs; the base model comes with it."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        model_id = await site.model(session_id)
        saved = await site.fetch(await site.post("save_weights_for_sampler", model_id=model_id, path="s", seq_id=1))
        path = saved.json["path"]
        assert path == f"tinker://{model_id}/sampler_weights/s"
        sampling_session_id = await sampler(site, session_id, model_path=path)
        assert (await site.get(f"samplers/{sampling_session_id}")).json == {
            "sampler_id": sampling_session_id,
            "base_model": "random",
            "model_path": path,
        }
        assert (await drawn(site, await ask(site, sampling_session_id))).sequences


async def trained(site: Site, session_id: str, kind: str) -> tuple[str, str]:
    """A model that can be sampled from, without a name."""
    model_id = await site.model(session_id)
    exposed = await site.post(
        "save_weights_for_sampler", model_id=model_id, sampling_session_seq_id=0, kind=kind, seq_id=1
    )
    sampling_session_id: str = (await site.fetch(exposed)).json["sampling_session_id"]
    await site.learn(model_id, 2)
    await site.fetch(await site.step(model_id, 3, learning_rate=0.5))
    return model_id, sampling_session_id


async def prompt_logprobs(site: Site, sampling_session_id: str, seq_id: int) -> np.ndarray[Any, Any]:
    """What the sampled model thinks of the prompt."""
    scores = (await drawn(site, await ask(site, sampling_session_id, seq_id))).prompt_logprobs_np
    assert scores is not None
    return scores[1:]


async def test_a_snapshot_stays_as_it_was_while_training_goes_on(tmp_path: Path) -> None:
    """Its samples belong to the weights of that moment."""
    async with open_site(tmp_path) as site:
        session_id = await site.session()
        model_id, snapshot = await trained(site, session_id, "snapshot")
        before = await prompt_logprobs(site, snapshot, 0)
        again = await site.post(
            "save_weights_for_sampler", model_id=model_id, sampling_session_seq_id=1, kind="snapshot", seq_id=4
        )
        newer = (await site.fetch(again)).json["sampling_session_id"]
        assert newer == f"{session_id}:sample:1"
        assert np.array_equal(await prompt_logprobs(site, snapshot, 1), before)
        assert not np.array_equal(await prompt_logprobs(site, newer, 0), before)


async def test_inflight_samplers_follow_the_training(tmp_path: Path) -> None:
    """Each inflight save moves every inflight sampler of the model."""
    async with open_site(tmp_path) as site:
        model_id, inflight = await trained(site, await site.session(), "inflight")
        before = await prompt_logprobs(site, inflight, 0)
        again = await site.post(
            "save_weights_for_sampler", model_id=model_id, sampling_session_seq_id=1, kind="inflight", seq_id=4
        )
        await site.fetch(again)
        assert not np.array_equal(await prompt_logprobs(site, inflight, 1), before)


async def test_clients_of_the_json_generation_get_json_samples(tmp_path: Path) -> None:
    """The same samples, as lists."""
    async with open_site(tmp_path) as site:
        promised = await ask(site, await sampler(site, await site.session()))
        fetched = (await site.fetch(promised, accept=JSON)).json
        assert len(fetched["sequences"]) == 2
        assert fetched["prompt_logprobs"][0] is None


async def test_a_sample_that_cannot_be_drawn_is_the_users_error(tmp_path: Path) -> None:
    """A token outside the vocabulary, found only by the engine."""
    async with open_site(tmp_path) as site:
        prompt = {"chunks": [{"type": "encoded_text", "tokens": [1, 99999]}]}
        failed = await site.fetch(await ask(site, await sampler(site, await site.session()), prompt=prompt))
        assert (failed.json["category"], "99999" in failed.json["error"]) == ("user", True)


async def test_more_sequences_than_allowed_are_refused(tmp_path: Path) -> None:
    """At once, not after the work."""
    async with open_site(tmp_path, limits=Limits(max_samples=3)) as site:
        sampling_session_id = await sampler(site, await site.session())
        refused = await ask(site, sampling_session_id, num_samples=4)
        assert (refused.status, "num_samples" in refused.detail) == (400, True)


async def test_an_unknown_sampling_session_or_source_is_refused(tmp_path: Path) -> None:
    """With the status that ends the client's attempts."""
    async with open_site(tmp_path) as site:
        assert (await ask(site, "nobody")).status == 404
        asked = {"session_id": await site.session(), "sampling_session_seq_id": 0}
        assert (await site.post("create_sampling_session", **asked)).status == 400
        assert (await site.post("create_sampling_session", **asked, base_model="no")).status == 400
        path = "tinker://x/sampler_weights/a"
        assert (await site.post("create_sampling_session", **asked, model_path=path)).status == 404


async def poll(site: Site, sampling_session_id: str, cursor: int = 0, copy: int = 0, **body: Any) -> Reply:
    """Send retrieve_futures."""
    target = {"type": "sampling_session", "sampling_session_id": sampling_session_id, "cloned_sampler_id": copy}
    return await site.post("retrieve_futures", target=target, prev_cursor=cursor, retrieved_request_ids=[], **body)


async def test_one_poll_brings_the_completions_of_one_copy_of_a_client(tmp_path: Path) -> None:
    """In the order of completion, behind a cursor; copies do not see each other's."""
    async with open_site(tmp_path) as site:
        sampling_session_id = await sampler(site, await site.session())
        promised = await ask(site, sampling_session_id, 0)
        await ask(site, sampling_session_id, 10**9)
        await drawn(site, promised)
        found = (await poll(site, sampling_session_id)).json
        [completion] = found["completions"]
        assert (completion["state"], completion["request_id"]) == ("finished", promised.json["request_id"])
        assert completion["response_payload_uncompressed_size"] > 0
        assert (await poll(site, sampling_session_id, found["cursor"], timeout=0)).json == {
            "completions": [],
            "cursor": found["cursor"],
        }
        assert len((await poll(site, sampling_session_id, copy=1)).json["completions"]) == 1


async def test_copies_of_a_client_get_numbers_of_their_own(tmp_path: Path) -> None:
    """The first client is 0; two copies must never use the same sequence numbers."""
    async with open_site(tmp_path) as site:
        sampling_session_id = await sampler(site, await site.session())
        join = {"sampling_session_id": sampling_session_id}
        joined = [(await site.post("join_sampling_session", **join)).json for _ in range(2)]
        assert joined == [{"client_counter": 1}, {"client_counter": 2}]


async def test_a_cancelled_sample_fails_and_is_not_counted(tmp_path: Path) -> None:
    """Nobody waits for it; what was not done is not in the log. Cancelling again, or what is done, changes nothing."""
    async with open_site(tmp_path) as site:
        sampling_session_id = await sampler(site, await site.session())
        async with site.service.shop.sampling:
            promised = await ask(site, sampling_session_id)
            for _ in range(2):
                assert (await site.post("cancel_future", request_id=promised.json["request_id"])).status == 200
        failed = (await site.fetch(promised)).json
        assert (failed["category"], "cancelled" in failed["error"]) == ("user", True)
        done = await ask(site, sampling_session_id, 1)
        await drawn(site, done)
        await site.post("cancel_future", request_id=done.json["request_id"])
        assert (await drawn(site, done)).sequences
        assert site.service.shop.audit.count("sample") == 1


async def test_old_numbers_are_forgotten(tmp_path: Path) -> None:
    """A session that lives for days must not remember every sample."""
    async with open_site(tmp_path, limits=Limits(remembered_samples=2)) as site:
        sampling_session_id = await sampler(site, await site.session())
        promised = [await ask(site, sampling_session_id, seq_id) for seq_id in range(4)]
        for one in promised:
            await drawn(site, one)
        [session] = site.service.samplers.living.values()
        await ask(site, sampling_session_id, 4)
        assert sorted(session.given) == [3, 4]
        assert (await ask(site, sampling_session_id, 3)).json == promised[3].json
