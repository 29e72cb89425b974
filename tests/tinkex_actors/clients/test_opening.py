"""The door: what it says about what does not fit, and who may come in."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, make_trainer, open_fake
from tinkex_actors import open_rest_client, open_sampler, open_tinker
from tinkex_actors.types import ModelInput


async def test_feature_gates_that_do_not_exist_are_named_in_the_log(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """They are ignored, as the official client does, but not in silence: a misspelt gate is found at once."""
    async with open_fake(FakeTinker(), evolve(SETTINGS, feature_gates=("async_sampling", "asinc_sampling"))):
        pass
    (record,) = caplog.records
    assert "feature gates that do not exist are ignored gates=['asinc_sampling']" in record.getMessage()
    assert autojump_clock.current_time() < 5


async def test_a_call_from_a_foreign_thread_is_refused_and_leaves_nothing() -> None:
    """What raised was not taken in: neither carried out behind its caller's back, nor in the way of what comes."""
    fake = FakeTinker()
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        for submit in (trainer.optim_step, lambda: sampler.sample(ModelInput.from_ints([1]))):
            with pytest.raises(RuntimeError, match=r"belongs to another thread.*use trio\.from_thread"):
                await trio.to_thread.run_sync(submit)
        assert tinker.snapshot().waits == ()
        with trio.fail_after(20):
            await trainer.optim_step()
            await sampler.sample(ModelInput.from_ints([1]))
            await trio.to_thread.run_sync(trio.from_thread.run, _await, trainer.optim_step)
    assert fake.model.numbers == [1, 2]


async def _await(submit: Callable[[], Awaitable[object]]) -> object:
    return await submit()


@pytest.mark.parametrize("door", [open_tinker, open_rest_client, partial(open_sampler, "")])
async def test_something_else_than_settings_is_refused_by_name(door: Any) -> None:
    """The official client takes the address; whoever comes from it passes that."""
    with pytest.raises(TypeError, match=r"settings must be Settings, got str; write Settings\(base_url="):
        async with door("http://127.0.0.1:8000"):
            raise AssertionError


async def test_something_else_than_a_servers_options_is_refused_by_name() -> None:
    """Settings belong to the first argument."""
    with pytest.raises(TypeError, match="local must be True, False or ServerOptions, got Settings"):
        async with open_tinker(local=SETTINGS):  # type: ignore[arg-type]  # the point of the test
            raise AssertionError


def test_outside_of_trio_the_door_says_what_it_needs() -> None:
    """The commonest mistake of whoever comes from the official client, which lives in asyncio."""
    opening = open_tinker(SETTINGS).__aenter__()
    with pytest.raises(RuntimeError, match=r"a client lives in a trio program.*trio\.run\(main\)"):
        opening.send(None)  # as any loop does
