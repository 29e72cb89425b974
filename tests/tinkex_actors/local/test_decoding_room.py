"""Sampling requests are decoded beside each other, and answer as if each were alone."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.tinkex_actors.local.http.test_sampling import ask, drawn, sampler
from tests.tinkex_actors.local.http.test_streaming import events, stream
from tests.tinkex_actors.local.site import Reply, Site, open_site
from tinkex_actors.local import decoding_room, sampling
from tinkex_actors.local.engine import Decoding, take_step
from tinkex_actors.local.limits import Limits
from tinkex_actors.local.sample_translation import request_to_engine
from tinkex_actors.wire.requests import SampleRequest

NUMBER = 6


async def ask_all(site: Site) -> list[Reply]:
    """Ask for samples of different lengths in two sampling sessions."""
    session_id = await site.session()
    samplers = [await sampler(site, session_id, number) for number in (0, 1)]
    params: list[dict[str, Any]] = [{"max_tokens": 20 + 4 * number, "stop": []} for number in range(NUMBER)]
    return [
        await ask(site, samplers[number % 2], number, sampling_params=params[number], num_samples=1 + number % 3)
        for number in range(NUMBER)
    ]


async def results(site: Site, promised: list[Reply]) -> list[list[tuple[list[int], list[float] | None]]]:
    """What the samples came to."""
    responses = [await drawn(site, one) for one in promised]
    return [[(sequence.tokens, sequence.logprobs) for sequence in response.sequences] for response in responses]


async def test_together_or_one_after_the_other_the_answers_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deterministic means: independent of timing and of whoever else asks."""
    sizes: list[int] = []

    def noted(base: Any, adapter: Any, decodings: list[Decoding]) -> Any:
        sizes.append(len(decodings))
        return take_step(base, adapter, decodings)

    monkeypatch.setattr(decoding_room, "take_step", noted)
    found: list[Any] = []
    for name, limits in (("together", Limits()), ("alone", Limits(max_decoded_together=1))):
        async with open_site(tmp_path / name, limits=limits) as site:
            sizes.clear()
            found.append(await results(site, await ask_all(site)))
            assert (max(sizes) > 1) == (name == "together")
    assert found[0] == found[1]


def break_down(*_: object) -> None:
    """A bug."""
    raise ZeroDivisionError


GUILTY = 13
"""The number of tokens that a request asks for to meet a bug."""


def stumble(base: Any, adapter: Any, decodings: list[Decoding]) -> Any:
    """Have a bug that one request meets, in the middle of its samples."""
    if any(one.limit == GUILTY and one.cache.length > 6 for one in decodings):
        raise ZeroDivisionError
    return take_step(base, adapter, decodings)


async def ask_beside_the_guilty(site: Site) -> list[Reply]:
    """Four requests of one sampling session; the second is guilty."""
    sampling_session_id = await sampler(site, await site.session())
    lengths = (9, GUILTY, 20, 11)
    return [
        await ask(site, sampling_session_id, number, sampling_params={"max_tokens": length, "stop": []})
        for number, length in enumerate(lengths)
    ]


async def test_a_crash_fails_the_guilty_request_and_the_others_are_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come to what they would have come to: one client's request must not cost the others theirs."""
    async with open_site(tmp_path / "quiet") as site:
        promised = await ask_beside_the_guilty(site)
        expected = await results(site, [promised[number] for number in (0, 2, 3)])
    monkeypatch.setattr(decoding_room, "take_step", stumble)
    async with open_site(tmp_path / "disturbed") as site:
        promised = await ask_beside_the_guilty(site)
        outcome = (await site.fetch(promised[1])).json
        assert (outcome["category"], "crashed" in outcome["error"]) == ("server", True)
        assert await results(site, [promised[number] for number in (0, 2, 3)]) == expected


async def test_a_stream_beside_a_guilty_request_tells_each_token_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is drawn again is not told again."""
    monkeypatch.setattr(decoding_room, "take_step", stumble)
    async with open_site(tmp_path, has_threads=True) as site:
        sampling_session_id = await sampler(site, await site.session())
        quiet = events(await stream(site, sampling_session_id))
        found: list[list[dict[str, Any]]] = []

        async def listen() -> None:
            found.append(events(await stream(site, sampling_session_id)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            params: dict[str, Any] = {"max_tokens": GUILTY, "stop": []}
            guilty = await ask(site, sampling_session_id, 7, sampling_params=params)
            assert "crashed" in (await site.fetch(guilty)).json["error"]
        assert found == [quiet]


async def test_a_request_that_cannot_be_begun_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug met while a prompt is read crashes the sampling session's actor; the other requests in its hand go on."""

    def translate(request: SampleRequest, seed: str) -> Any:
        if request.sampling_params.max_tokens == GUILTY:
            raise ZeroDivisionError
        return request_to_engine(request, seed)

    monkeypatch.setattr(sampling, "request_to_engine", translate)
    async with open_site(tmp_path) as site:
        promised = await ask_beside_the_guilty(site)
        assert "crashed" in (await site.fetch(promised[1])).json["error"]
        assert len(await results(site, [promised[number] for number in (0, 2, 3)])) == 3


async def test_a_bug_that_every_request_meets_fails_each_and_the_next_life_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is the server's, each promise has it, and the next sample is drawn."""
    async with open_site(tmp_path) as site:
        sampling_session_id = await sampler(site, await site.session())
        with monkeypatch.context() as patched:
            patched.setattr(decoding_room, "take_step", break_down)
            failed = [await ask(site, sampling_session_id, number) for number in range(2)]
            for one in failed:
                outcome = (await site.fetch(one)).json
                assert (outcome["category"], "crashed" in outcome["error"]) == ("server", True)
        assert (await drawn(site, await ask(site, sampling_session_id, 2))).sequences


async def test_an_ended_session_leaves_the_room(tmp_path: Path) -> None:
    """Nobody decodes for one who has gone away."""
    async with open_site(tmp_path, has_threads=True) as site:
        session_id = await site.session()
        sampling_session_id = await sampler(site, session_id)
        params: dict[str, Any] = {"max_tokens": 50, "stop": []}
        promised = [await ask(site, sampling_session_id, number, sampling_params=params) for number in range(50)]
        await site.post(f"sessions/{session_id}/finish", reason={"type": "success"}, detail=None)
        outcome = (await site.fetch(promised[-1])).json
        assert "has ended" in outcome["error"]
        other = await sampler(site, await site.session())
        with trio.fail_after(20):
            assert (await drawn(site, await ask(site, other))).sequences
