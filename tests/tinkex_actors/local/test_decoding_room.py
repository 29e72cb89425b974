"""Sampling requests are decoded beside each other, and answer as if each were alone."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.tinkex_actors.local.http.test_sampling import ask, drawn, sampler
from tests.tinkex_actors.local.site import Reply, Site, open_site
from tinkex_actors.local import decoding_room
from tinkex_actors.local.engine import Decoding, take_step
from tinkex_actors.local.limits import Limits

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


async def test_a_crash_while_decoding_fails_who_was_in_the_room_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is the server's, each promise has it at once, and the next sample is drawn."""
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
