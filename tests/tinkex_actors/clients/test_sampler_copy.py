"""Sampling clients in other processes."""

import json
import pickle
import sys
from base64 import urlsafe_b64decode

import httpx
import pytest
import trio
from attrs import define
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, Say, open_fake
from tinkex_actors.actors.errors import SessionEnded
from tinkex_actors.clients import SamplerHandle, open_sampler, open_tinker
from tinkex_actors.local import open_server
from tinkex_actors.settings import Settings
from tinkex_actors.types import ModelInput, RequestInvalid, SamplingParams

PROMPT = ModelInput.from_ints([1, 2])


@define
class JoiningTinker(FakeTinker):
    """Numbers the copies of a sampling client."""

    copies: int = 0

    def _join_sampling_session(self, _: object) -> httpx.Response:
        self.copies += 1
        return httpx.Response(200, json={"client_counter": self.copies})


async def test_copies_are_numbered_by_the_server_and_never_meet(autojump_clock: MockClock) -> None:
    """Each has a billion numbers of its own, in the same sampling session; the session lives on when a copy is closed."""
    fake = JoiningTinker(config={"sample_join_sampling_session": True})
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model", record_stability_info=True)
        handle: SamplerHandle = pickle.loads(pickle.dumps(sampler.handle()))  # noqa: S301 - our own
        await sampler.sample(PROMPT)
        for _ in range(2):
            async with open_sampler(handle, SETTINGS, below=httpx.MockTransport(fake.handle)) as copy:
                await copy.sample(PROMPT)
                await copy.sample(PROMPT)
                await trio.sleep(15)
        assert not fake.finished
        await sampler.sample(PROMPT)
    assert sorted(number for _, number in fake.samples) == [0, 1, 10**9, 10**9 + 1, 2 * 10**9, 2 * 10**9 + 1]
    assert {session for session, _ in fake.samples} == {"Q0"}
    assert all(body["record_stability_info"] for body in fake.sent("asample"))
    assert len(fake.sessions) == 1
    assert len(fake.times["client/config"]) == 1
    assert len(fake.times["session_heartbeat"]) >= 4
    assert autojump_clock.current_time() < 60


@pytest.mark.parametrize("is_promised", [True, False])
async def test_a_server_that_does_not_number_copies_has_them_drawn(
    is_promised: bool,  # noqa: FBT001 - a parameter
    autojump_clock: MockClock,
) -> None:
    """By chance, out of a billion; the original is 0. A switch without its endpoint is no obstacle."""
    fake = FakeTinker(config={"sample_join_sampling_session": is_promised})
    async with open_fake(fake) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        for _ in range(2):
            async with open_sampler(sampler.handle(), SETTINGS, below=httpx.MockTransport(fake.handle)) as copy:
                await copy.sample(PROMPT)
    first, second = (number // 10**9 for _, number in fake.samples)
    assert first != second
    assert 1 <= min(first, second) <= max(first, second) <= 10**9
    assert autojump_clock.current_time() < 5


async def test_the_text_is_the_official_sdks_and_holds_no_key(autojump_clock: MockClock) -> None:
    """Base64 of compact JSON; what it says comes back, and what is no such text is refused."""
    async with open_fake(FakeTinker()) as tinker:
        handle = (await tinker.create_sampling_client(base_model="fake/model")).handle()
    text = handle.to_text()
    said = json.loads(urlsafe_b64decode(text))
    assert said["session_id"] == "S0"
    assert (said["sampling_session_id"], said["base_model"], said["record_stability_info"]) == (
        "Q0",
        "fake/model",
        False,
    )
    assert said["holder"]["base_url"] == "http://fake"
    assert said["holder"]["api_key"] is None
    assert "sample_use_retrieve_futures" in said["holder"]["client_config"]
    assert SamplerHandle.from_text(text) == SamplerHandle(
        session_id=handle.session_id,
        sampling_session_id=handle.sampling_session_id,
        base_model="fake/model",
        base_url="http://fake",
    )
    assert "tml-" not in repr(handle)
    for wrong in ("", "?", "e30=", "ä"):
        with pytest.raises(RequestInvalid):
            SamplerHandle.from_text(wrong)
    assert autojump_clock.current_time() < 5


async def test_a_client_itself_is_not_pickled(autojump_clock: MockClock) -> None:
    """It is nothing without its actors; the message says what to pickle instead."""
    async with open_fake(FakeTinker()) as tinker:
        sampler = await tinker.create_sampling_client(base_model="m")
        with pytest.raises(TypeError, match=r"pickle client\.handle\(\)"):
            pickle.dumps(sampler)
    assert autojump_clock.current_time() < 5


async def test_a_copy_opens_no_session_of_its_own(autojump_clock: MockClock) -> None:
    """When the session is over, the copy says so; it cannot make a new one that would mean the same."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        handle = (await tinker.create_sampling_client(base_model="m")).handle()
    fake.latency = 30.0
    async with open_sampler(handle, SETTINGS, below=httpx.MockTransport(fake.handle)) as copy:
        fake.fail("session_heartbeat", Say(410))
        with pytest.raises(SessionEnded):
            await copy.sample(PROMPT)
        await trio.sleep(30)
    assert len(fake.sessions) == 1
    assert fake.finished == ["success"]
    assert autojump_clock.current_time() < 200


async def test_a_copy_of_a_client_of_the_embedded_server_samples_the_same() -> None:
    """Over real sockets, at the address where the server really is."""
    params = SamplingParams(max_tokens=4, seed=3)
    async with open_tinker(local=True) as tinker:
        sampler = await tinker.create_sampling_client(base_model="tinkex/tiny")
        async with open_sampler(sampler.handle()) as copy:
            theirs, ours = await copy.sample(PROMPT, 1, params), await sampler.sample(PROMPT, 1, params)
        assert theirs.sequences[0].tokens == ours.sequences[0].tokens


OFFICIAL = """
import sys, tinker
client = tinker.SamplingClient.from_sampler_handle(sys.argv[1], api_key="tml-local")
params = tinker.SamplingParams(max_tokens=3, seed=3)
print(client.sample(tinker.ModelInput.from_ints([1, 2]), 1, params).result().sequences[0].tokens)
print(client.get_sampler_handle())
"""


async def test_the_official_sdk_samples_with_our_handle_and_we_with_its() -> None:
    """In a process of its own, from the same sampling session: the same tokens for the same seed."""
    params = SamplingParams(max_tokens=3, seed=3)
    async with open_server() as server, open_tinker(Settings.local(server.url)) as tinker:
        sampler = await tinker.create_sampling_client(base_model="tinkex/tiny")
        command = [sys.executable, "-c", OFFICIAL, sampler.handle().to_text()]
        with trio.fail_after(120):
            done = await trio.run_process(command, capture_stdout=True)
        tokens, theirs = done.stdout.decode().splitlines()
        async with open_sampler(theirs, Settings.local("http://elsewhere")) as copy:
            answer = await copy.sample(PROMPT, 1, params)
    assert str(answer.sequences[0].tokens) == tokens
