"""Where a run goes on: pure decisions over what the journal knows.

There are two ways. If the process was killed and nobody said that its last life has ended, the model may still be there:
the daemon *attaches* to it and repeats, under their old numbers, the requests that were not known to be done. Otherwise
a new model is *created* from a checkpoint, and the steps since are done again.
"""

from attrs import frozen

from tinkex_actors.daemon.entries import Checkpoint, Known, Life
from tinkex_actors.daemon.plan import CheckpointPlan, RecoveryPlan


@frozen(kw_only=True)
class Attach:
    """Go on with the model of a life that was cut off."""

    life: Life
    first_step: int
    next_number: int
    """The sequence number of the first request that is not known to be done."""


@frozen(kw_only=True)
class Create:
    """Make a model from a checkpoint, or a new one from nothing."""

    checkpoint: Checkpoint | None

    @property
    def first_step(self) -> int:
        """The first step that is not in the model."""
        return 0 if self.checkpoint is None else self.checkpoint.step


def decide_attach(known: Known) -> Attach | None:
    """Decide whether the last life can be gone on with, and from where; None if it cannot."""
    if not known.lives or not known.lives[-1].is_open:
        return None
    life = known.lives[-1]
    first_step = life.base_step
    while first_step in known.intents and known.intents[first_step].done_life == life.life:
        first_step += 1
    number = _next_number(known, life, first_step)
    return None if number is None else Attach(life=life, first_step=first_step, next_number=number)


def _next_number(known: Known, life: Life, first_step: int) -> int | None:
    """Find the number of the first request of *life* that is not known to be done; None if nothing tells."""
    here = [one for one in known.checkpoints if one.life == life.life and one.step == first_step]
    for checkpoint in here:
        if checkpoint.state == "intended":
            return checkpoint.number
    intent = known.intents.get(first_step)
    if intent is not None and intent.life == life.life:
        return intent.first_number
    # Nothing of the next step was intended: go on behind what came last.
    behind = [one.next_number for one in here if one.next_number is not None]
    if behind:
        return max(behind)
    if first_step == life.base_step:
        return life.first_number
    return known.intents[first_step - 1].next_number


def decide_checkpoint(known: Known, recovery: RecoveryPlan, policy: CheckpointPlan) -> Checkpoint | None:
    """Choose what a new model is made from; None is nothing, and the run begins anew."""
    saved = known.saved()
    if not saved:
        return None
    match recovery.checkpoint:
        case "latest":
            return max(saved, key=lambda one: (one.step, one.life))
        case "best":
            return next(iter(best_checkpoints(saved, policy, 1)), saved[-1])
        case name:
            named = [one for one in saved if name in {one.name, one.state_path}]
            return named[-1] if named else max(saved, key=lambda one: (one.step, one.life))


def best_checkpoints(saved: list[Checkpoint], policy: CheckpointPlan, count: int) -> list[Checkpoint]:
    """The best *count* by the policy's metric, best first, the earlier of equals; those without the metric do not count."""
    sign = -1.0 if policy.best_is_highest else 1.0
    measured = [(value, one) for one in saved if (value := _measure(one, policy.best_metric)) is not None]
    return [one for _, one in sorted(measured, key=lambda pair: (sign * pair[0], pair[1].step))[:count]]


def _measure(checkpoint: Checkpoint, metric: str) -> float | None:
    value = checkpoint.metrics.get(metric)
    return float(value) if isinstance(value, int | float) else None


def decide_superseded(known: Known, policy: CheckpointPlan) -> list[Checkpoint]:
    """Choose which saved checkpoints are needed no more: neither among the newest, nor the best, nor final."""
    saved = sorted(known.saved(), key=lambda one: (one.step, one.life))
    kept = {
        (one.life, one.name)
        for one in (*saved[-policy.keep_last :], *best_checkpoints(saved, policy, policy.keep_best))
    }
    return [one for one in saved if (one.life, one.name) not in kept and not one.is_final]


def decide_backoff(failures: int, recovery: RecoveryPlan) -> float | None:
    """Decide how many seconds to wait after the *failures*-th failure in a row; None is to give up."""
    if not recovery.enabled or failures >= recovery.max_attempts:
        return None
    return decide_pause(failures, recovery)


def decide_pause(times: int, recovery: RecoveryPlan) -> float:
    """Decide how many seconds to wait after something has gone wrong for the *times*-th time in a row."""
    return float(min(recovery.backoff_seconds * 2.0 ** min(times - 1, 64), recovery.backoff_max_seconds))
