"""Which loop a run is trained by: the supervised one that comes along, or one of the plan's own."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import trio

from tinkex_actors.clients import Tokenizer
from tinkex_actors.daemon.batch import StepBatch
from tinkex_actors.daemon.datasets import read_examples
from tinkex_actors.daemon.errors import DataError, LoopMisused
from tinkex_actors.daemon.flights import Evaluation
from tinkex_actors.daemon.journal import Journal
from tinkex_actors.daemon.loop import Loop
from tinkex_actors.daemon.plan import EvaluationPlan, Source
from tinkex_actors.daemon.probes import make_probe
from tinkex_actors.daemon.references import Reference
from tinkex_actors.daemon.rendering import render_examples
from tinkex_actors.types import Datum

Train: TypeAlias = Callable[[Loop], Awaitable[None]]


async def make_train(loop: Loop) -> Train:
    """Prepare the data, and return the function that trains.

    Raises:
        DataError: The data cannot be used, or are not those that the run was begun with.
        LoopMisused: The plan's own loop is no async function.
    """
    plan = loop.plan
    if plan.evaluation is not None:
        loop.evaluation = await _read_evaluation(loop, plan.evaluation)
    if plan.probes is not None:
        loop.probe = await make_probe(loop, plan.probes)
    if plan.loop is not None:
        own = plan.loop.resolve(loop.site.base)
        if not inspect.iscoroutinefunction(own):
            raise LoopMisused(f"{plan.loop.text} must be an async function that takes a Loop")
        return own
    if plan.data is None:
        raise DataError(f"run {loop.site.name} has neither data nor a loop of its own")
    data = await _load(loop, plan.data)
    if not await loop.site.journal.call(Journal.begin_data, _digest(data)):
        raise DataError(
            f"the data of run {loop.site.name} are not those that it was begun with; put the old ones back, or name "
            "another folder"
        )
    return partial(train_supervised, data=data)


async def train_supervised(loop: Loop, data: Sequence[Datum]) -> None:
    """Go through *data* epoch by epoch, in an order that the plan's seed decides."""
    plan = loop.plan
    batches = iter(plan.schedule.batches(len(data)))
    async for step in loop.steps():
        batch = next(one for one in batches if one.step == step.number)
        members = batch.members if step.intent is None or step.intent.members is None else step.intent.members
        await step.submit(
            StepBatch(
                data=[data[place] for place in members],
                loss=plan.loss,
                loss_config=plan.loss_config or None,
                epoch=batch.epoch,
                members=members,
            )
        )


async def _read_evaluation(loop: Loop, evaluation: EvaluationPlan) -> Evaluation:
    data = await _load(loop, evaluation.data)
    return Evaluation(data=data[: evaluation.max_examples], every_steps=evaluation.every_steps)


async def _load(loop: Loop, source: Source) -> list[Datum]:
    """Make data of a file, or of what a function returns: examples, or data as they are."""
    if not isinstance(source, Reference):
        return await trio.to_thread.run_sync(_read, source, loop.tokenizer, loop.plan.max_length)
    made = source.resolve(loop.site.base)(loop.tokenizer, loop.options)
    items = list(await made if inspect.isawaitable(made) else made)
    if not items or not all(isinstance(item, Datum) for item in items):
        kinds = sorted({type(item).__name__ for item in items}) or ["nothing"]
        raise DataError(f"{source.text} must return Datum objects, got {', '.join(kinds)}")
    return items


def _read(path: Path, tokenizer: Tokenizer, max_length: int) -> list[Datum]:
    rendered = render_examples(read_examples(path), tokenizer, max_length=max_length)
    return [example.as_datum() for example in rendered]


def _digest(data: Sequence[Datum]) -> str:
    """Name data by their content."""
    digest = sha256()
    for datum in data:
        digest.update(StepBatch(data=[datum]).encode())
    return digest.hexdigest()[:16]
