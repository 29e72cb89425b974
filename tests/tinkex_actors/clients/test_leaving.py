"""However a client is left, it leaves nothing behind: no task, no request, no connection, no waiter."""

import socket
from contextlib import suppress
from typing import Any

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from supervisors import RestartLimitExceeded
from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, a_datum, make_trainer, open_fake
from tinkex_actors.actors.errors import ClientClosed, OperationWithdrawn
from tinkex_actors.clients import Pending, open_tinker
from tinkex_actors.settings import Figures, Settings
from tinkex_actors.types import APIConnectionError, ModelInput, OptimStepResponse


async def work(fake: FakeTinker, made: list[Pending[Any]]) -> None:
    """A bit of everything, for ever."""
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        while True:
            step: list[Pending[Any]] = [trainer.forward_backward([a_datum()], "cross_entropy"), trainer.optim_step()]
            made += step
            sampler = await trainer.save_weights_and_get_sampling_client()
            samples = [sampler.sample(ModelInput.from_ints([1])) for _ in range(3)]
            made += samples
            for pending in (*step, *samples):
                await pending


async def leave_after(seconds: float) -> tuple[FakeTinker, float]:
    fake = FakeTinker()
    made = list[Pending[Any]]()
    before = {id(task) for task in tasks()}
    with trio.move_on_after(seconds) as scope:
        await work(fake, made)
    late = trio.current_time() - seconds
    assert scope.cancelled_caught
    assert {id(task) for task in tasks()} == before
    for pending in made:
        with suppress(ClientClosed, OperationWithdrawn):
            await pending
    assert trio.current_time() == seconds + late
    return fake, late


def tasks() -> list[trio.lowlevel.Task]:
    found, rest = list[trio.lowlevel.Task](), [trio.lowlevel.current_root_task()]
    while rest:
        task = rest.pop()
        if task is not None:
            found.append(task)
            rest += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


@given(seconds=st.floats(0.0005, 0.15))  # the opening, and three rounds of the work
def test_cancelling_at_any_moment_ends_everything_soon(seconds: float) -> None:
    """Ctrl-C during the opening, a request, a poll or a save: an ordered stop, a finished session, and nothing left."""
    fake, late = trio.run(leave_after, seconds, clock=MockClock(autojump_threshold=0))
    assert fake.inside == 0
    assert late <= SETTINGS.figures.close_timeout
    assert fake.finished == (["interrupted"] if fake.sessions and fake.finished else [])


async def leave_much_undone(fake: FakeTinker) -> None:
    async with open_fake(fake) as tinker:
        trainer = await make_trainer(tinker)
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        heard = trainer.optim_step()
        trainer.forward_backward([a_datum()] * 5, "cross_entropy")
        for _ in range(200):
            sampler.sample(ModelInput.from_ints([1]))
        with trio.move_on_after(0.001):
            await heard
        raise LookupError("the program's own")


async def test_what_is_left_undone_is_told_in_one_record(
    autojump_clock: MockClock,  # noqa: ARG001 - virtual time by naming it
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An interrupted program has hundreds of samples under way: a line for each would hide why it was interrupted."""
    with pytest.raises(LookupError):
        await leave_much_undone(FakeTinker(latency=10.0))
    (record,) = caplog.records
    assert record.getMessage().startswith("operations were under way that nobody awaited")
    assert "{'forward_backward': 1, 'asample': 200}" in record.getMessage()


async def crash_for_ever(fake: FakeTinker, pendings: list[Pending[OptimStepResponse]]) -> None:
    async with open_fake(fake, Settings.local("http://fake")) as tinker:
        pendings.append((await make_trainer(tinker)).optim_step())
        while True:
            tinker.crash("session", "always")
            await trio.sleep(0.01)


async def test_too_many_crashes_end_the_client_loudly_and_nobody_hangs(autojump_clock: MockClock) -> None:
    """A bug that always comes back is not hidden for ever: one clear exception, and every waiter has an answer."""
    fake, pendings = FakeTinker(latency=1.0), list[Pending[OptimStepResponse]]()
    with pytest.raises(RestartLimitExceeded):
        await crash_for_ever(fake, pendings)
    with pytest.raises(ClientClosed):
        await pendings[0]
    assert fake.inside == 0
    assert autojump_clock.current_time() < 20


@pytest.mark.tinkex("T32")
async def test_two_clients_in_one_program_do_not_meet(autojump_clock: MockClock) -> None:
    """Sessions, counters, names and crashes are each one's own."""
    one, other = FakeTinker(), FakeTinker()
    async with open_fake(one) as first, open_fake(other) as second:
        trainers = [await make_trainer(first), await make_trainer(second)]
        first.crash("session", "only here")
        for trainer in trainers:
            await trainer.optim_step()
        assert "restart" not in str(second.tree())
        assert [trainer.name for trainer in trainers] == ["trainer-0", "trainer-0"]
    assert one.model.executed == other.model.executed == [(1, "optim_step")]
    assert autojump_clock.current_time() < 5


async def test_no_server_on_a_real_port_is_one_sentence() -> None:
    """Real sockets: connection refused, named, within the retries allowed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = Settings.from_environ({"TINKER_API_KEY": "tml-x"}, base_url=url)
        with pytest.raises(APIConnectionError, match=r"no answer from http://127\.0\.0\.1"):
            async with open_tinker(evolve(settings, figures=Figures(max_retries=0))):
                raise AssertionError
