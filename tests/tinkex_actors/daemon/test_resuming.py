"""Where a run goes on: tables of what the journal knows, and what follows."""

from collections.abc import Mapping
from typing import Any

import pytest

from tinkex_actors.daemon.entries import Checkpoint, Intent, Known, Life
from tinkex_actors.daemon.plan import CheckpointPlan, RecoveryPlan
from tinkex_actors.daemon.resuming import (
    decide_attach,
    decide_backoff,
    decide_checkpoint,
    decide_superseded,
)


def life(number: int, *, base: int = 0, is_open: bool = True) -> Life:
    return Life(life=number, session_id="s", model_id="m", base_step=base, first_number=1, is_open=is_open)


def intent(step: int, first: int, behind: int | None = None, *, in_life: int = 1, done: int | None = None) -> Intent:
    return Intent(
        step=step,
        life=in_life,
        first_number=first,
        next_number=behind,
        epoch=0,
        members=(0,),
        payload=None,
        notes={},
        done_life=done,
    )


def checkpoint(step: int, *, in_life: int = 1, loss: float | None = None, **changes: Any) -> Checkpoint:
    fields: dict[str, Any] = {
        "name": f"{step:06d}",
        "step": step,
        "life": in_life,
        "number": 50,
        "next_number": 51,
        "epoch": 0,
        "state": "saved",
        "is_final": False,
        "state_path": f"tinker://m/weights/{step:06d}",
        "sampler_path": None,
        "metrics": {} if loss is None else {"train_mean_nll": loss},
        "tokens": 0,
    }
    return Checkpoint(**fields | changes)


def known(*lives: Life, intents: tuple[Intent, ...] = (), checkpoints: tuple[Checkpoint, ...] = ()) -> Known:
    by_step: Mapping[int, Intent] = {one.step: one for one in intents}
    return Known(is_done=False, mark="m", lives=lives, intents=by_step, checkpoints=checkpoints)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (known(), None),
        (known(life(1, is_open=False)), None),
        (known(life(1)), (0, 1)),
        (known(life(1), intents=(intent(0, 1),)), (0, 1)),
        (known(life(1), intents=(intent(0, 1, 3, done=1), intent(1, 3))), (1, 3)),
        (known(life(1), intents=(intent(0, 1, 3, done=1), intent(1, 3, 5), intent(2, 5))), (1, 3)),
        (known(life(1), intents=(intent(0, 1, 3, done=1),)), (1, 3)),
        (known(life(1), intents=(intent(0, 1, done=1),)), None),
        (known(life(1), intents=(intent(0, 1, 3, done=1),), checkpoints=(checkpoint(1, state="intended"),)), (1, 50)),
        (known(life(1), intents=(intent(0, 1, 3, done=1),), checkpoints=(checkpoint(1),)), (1, 51)),
        (known(life(1, is_open=False), life(2, base=4), intents=(intent(4, 9, 11, done=1),)), (4, 1)),
        (known(life(1, is_open=False), life(2, base=4), intents=(intent(4, 1, 3, in_life=2, done=1),)), (4, 1)),
    ],
)
def test_a_life_is_gone_on_with_at_the_first_request_that_is_not_known_to_be_done(
    what: Known, expected: tuple[int, int] | None
) -> None:
    """None where the numbers cannot be told: then a new life begins from a checkpoint."""
    attach = decide_attach(what)

    assert expected == (None if attach is None else (attach.first_step, attach.next_number))


@pytest.mark.parametrize(
    ("strategy", "name"),
    [("latest", "000009"), ("best", "000006"), ("000003", "000003"), ("gone", "000009")],
)
def test_the_checkpoint_is_the_one_that_the_plan_prefers(strategy: str, name: str) -> None:
    """A name that is there no more falls back to the latest: a run that can go on goes on."""
    saved = (checkpoint(3, loss=2.0), checkpoint(6, loss=1.0), checkpoint(9, loss=1.5))

    chosen = decide_checkpoint(known(checkpoints=saved), RecoveryPlan(checkpoint=strategy), CheckpointPlan(keep_best=1))

    assert chosen is not None
    assert chosen.name == name


def test_the_newest_the_best_and_the_final_stay() -> None:
    """Everything else is superseded; what was only intended is not counted."""
    saved = [checkpoint(step, loss=loss) for step, loss in ((1, 5.0), (2, 1.0), (3, 4.0), (4, 2.0), (5, 3.0), (6, 3.0))]
    final = checkpoint(0, is_final=True)

    gone = decide_superseded(
        known(checkpoints=(final, *saved, checkpoint(7, state="intended"))), CheckpointPlan(keep_last=2, keep_best=2)
    )

    assert [one.step for one in gone] == [1, 3]


def test_the_pause_doubles_to_its_limit_and_ends_with_the_attempts() -> None:
    """5, 10, 20, 40, 60, 60, then no more."""
    policy = RecoveryPlan(max_attempts=7)

    assert [decide_backoff(n, policy) for n in range(1, 8)] == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, None]
    assert decide_backoff(1, RecoveryPlan(enabled=False)) is None
