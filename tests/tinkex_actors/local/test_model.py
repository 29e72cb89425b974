"""The actor of one model: order, duplicates, gaps, failures, crashes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import define
from trio.testing import MockClock

from supervisors import Ref, open_supervisor
from tests.tinkex_actors.local.worlds import ME, batch, make_run, make_workshop
from tinkex_actors.local.futures import Finished, Outcome
from tinkex_actors.local.limits import Limits
from tinkex_actors.local.model import Model
from tinkex_actors.local.operations import Create, Expose, Operation, Pass, Step
from tinkex_actors.local.refusals import BadRequest, Gone, TooMany
from tinkex_actors.local.run import Exposed, Run
from tinkex_actors.local.workshop import Workshop
from tinkex_actors.types.errors import RequestErrorCategory
from tinkex_actors.types.futures import FutureFailure
from tinkex_actors.types.ids import RequestId, SamplingSessionId
from tinkex_actors.types.sampling import SamplingClientKind
from tinkex_actors.types.training import AdamParams, DimuonParams

LEARN = Pass(batch(), forward_only=False)
LOOK = Pass(batch(), forward_only=True)
STEP = Step(AdamParams(learning_rate=0.01))


@define
class Scene:
    """A model under a supervisor."""

    shop: Workshop
    run: Run
    model: Ref[Model]

    async def submit(self, number: int, operation: Operation) -> RequestId:
        """Send one request."""
        return await self.model.call(Model.submit, number, operation)

    async def outcome(self, request_id: RequestId) -> Outcome | None:
        """What became of it."""
        return await self.shop.futures.wait(request_id, ME, patience=1000)

    def applied(self) -> list[tuple[int, str]]:
        """What took effect, in order."""
        return [(entry.number, entry.kind) for entry in self.shop.audit]


@asynccontextmanager
async def opened(folder: Path, limits: Limits | None = None) -> AsyncGenerator[Scene]:
    """Open a model that is not created yet."""
    shop = make_workshop(folder, limits)
    run = make_run(shop)

    async def open_sampler(_: Run, exposed: Exposed) -> SamplingSessionId:
        return SamplingSessionId(f"{exposed.number}:{exposed.client_kind}")

    async with open_supervisor("test") as root:
        yield Scene(shop, run, await root.start_child(lambda: Model(run, shop, open_sampler)))


async def test_operations_are_applied_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """A step that overtakes its gradients trains on nothing."""
    async with opened(tmp_path) as scene:
        last = await scene.submit(3, STEP)
        for number, operation in ((2, LEARN), (1, LEARN), (0, Create(1))):
            await scene.submit(number, operation)
        assert isinstance(await scene.outcome(last), Finished)
        assert scene.applied() == [
            (0, "create_model"),
            (1, "forward_backward"),
            (2, "forward_backward"),
            (3, "optim_step"),
        ]


async def test_the_same_number_again_is_the_same_promise_and_is_applied_once(tmp_path: Path) -> None:
    """Clients send a request again when they do not know whether it arrived."""
    async with opened(tmp_path) as scene:
        await scene.submit(0, Create(1))
        first = await scene.submit(1, STEP)
        await scene.outcome(first)
        assert await scene.submit(1, STEP) == first
        assert scene.applied() == [(0, "create_model"), (1, "optim_step")]


async def test_a_number_used_for_something_else_is_refused(tmp_path: Path) -> None:
    """The client has lost count; its answer would belong to another question."""
    async with opened(tmp_path) as scene:
        await scene.submit(0, Create(1))
        with pytest.raises(BadRequest, match="number each request once"):
            await scene.submit(0, STEP)


async def test_a_failed_operation_does_not_break_the_sequence(tmp_path: Path) -> None:
    """It is the user's error and only that operation's."""
    async with opened(tmp_path) as scene:
        await scene.submit(0, Create(1))
        failed = await scene.outcome(await scene.submit(1, Step(DimuonParams(0.1))))
        assert isinstance(failed, FutureFailure)
        assert failed.category is RequestErrorCategory.USER
        assert isinstance(await scene.outcome(await scene.submit(2, STEP)), Finished)


async def test_a_gap_fails_what_waits_behind_it_after_a_while(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A request that was lost on the way must not block the model for ever."""
    async with opened(tmp_path, Limits(gap_timeout=120)) as scene:
        await scene.outcome(await scene.submit(0, Create(1)))
        started = autojump_clock.current_time()
        waiting = [await scene.submit(number, STEP) for number in (2, 4)]
        outcomes = [await scene.outcome(request_id) for request_id in waiting]
        assert autojump_clock.current_time() - started == pytest.approx(120)
        assert all(isinstance(one, FutureFailure) and "seq_id 1" in one.error for one in outcomes)
        assert isinstance(await scene.outcome(await scene.submit(5, STEP)), Finished)


async def test_a_number_of_a_gap_that_was_given_up_is_refused(tmp_path: Path, autojump_clock: MockClock) -> None:
    """What came after it was answered already."""
    async with opened(tmp_path, Limits(gap_timeout=10)) as scene:
        await scene.submit(0, Create(1))
        await scene.outcome(await scene.submit(2, STEP))
        assert autojump_clock.current_time() > 0
        with pytest.raises(BadRequest, match="use 3 or higher"):
            await scene.submit(1, STEP)


async def test_a_gap_that_is_filled_in_time_fails_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The first slice of a chunk group arrives last."""
    async with opened(tmp_path, Limits(gap_timeout=10)) as scene:
        await scene.outcome(await scene.submit(0, Create(1)))
        second = await scene.submit(2, STEP)
        autojump_clock.jump(9)
        await scene.submit(1, LEARN)
        assert isinstance(await scene.outcome(second), Finished)


async def test_too_many_waiting_requests_are_refused(tmp_path: Path) -> None:
    """Memory has an end; 429 lets the client try again."""
    async with opened(tmp_path, Limits(max_held_requests=1)) as scene:
        await scene.submit(5, STEP)
        with pytest.raises(TooMany, match="wait already"):
            await scene.submit(6, STEP)


async def test_a_crash_fails_the_operation_in_doubt_and_goes_on_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forward pass changes nothing, so the model is as good as before."""
    async with opened(tmp_path) as scene:
        monkeypatch.setattr("tinkex_actors.local.run.data_to_examples", _crash)
        doubtful, later = await scene.submit(1, LOOK), await scene.submit(2, STEP)
        await scene.submit(0, Create(1))
        failed = await scene.outcome(doubtful)
        assert isinstance(failed, FutureFailure)
        assert failed.category is RequestErrorCategory.SERVER
        assert isinstance(await scene.outcome(later), Finished)
        assert scene.model.life == 2


async def test_a_crash_while_weights_change_ends_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can say what its weights are; going on would train something unknown."""
    async with opened(tmp_path) as scene:
        monkeypatch.setattr("tinkex_actors.local.run.params_to_rule", _crash)
        doubtful, later = await scene.submit(1, STEP), await scene.submit(2, LOOK)
        await scene.submit(0, Create(1))
        for request_id in (doubtful, later):
            assert isinstance(await scene.outcome(request_id), FutureFailure)
        with pytest.raises(Gone, match="in doubt"):
            await scene.submit(3, LOOK)


async def test_weights_without_a_name_become_a_sampling_session(tmp_path: Path) -> None:
    """The answer names the session; nothing is stored."""
    async with opened(tmp_path) as scene:
        await scene.submit(0, Create(1))
        exposed = await scene.outcome(
            await scene.submit(1, Expose(sampling_session_seq_id=0, client_kind=SamplingClientKind.SNAPSHOT))
        )
        assert exposed == Finished("application/json", b'{"sampling_session_id":"0:snapshot"}')


def _crash(*_: object) -> None:
    raise LookupError("a bug")
