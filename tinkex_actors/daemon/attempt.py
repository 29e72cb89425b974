"""One attempt at a run: get a model, train it, write down how that ended.

The model is that of the last life, if nobody has said that it ended and the server still has it; else a new one, made
from a checkpoint. Whatever goes wrong for good with the server ends the attempt and its life; what comes next is decided
by :mod:`~tinkex_actors.daemon.recovery`.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from functools import partial

import trio
from attrs import define, evolve

from supervisors import CallError
from tinkex_actors.clients import TinkerClient, TrainingClient, open_tinker
from tinkex_actors.daemon.callbacks import call_back
from tinkex_actors.daemon.entries import MARK, CheckpointGone, Known, LifeBegan, LifeEnded, RunDone
from tinkex_actors.daemon.errors import LifeLost, RunFolderError, leaves
from tinkex_actors.daemon.journal import Journal
from tinkex_actors.daemon.loop import Loop
from tinkex_actors.daemon.resuming import Attach, Create, decide_attach, decide_checkpoint
from tinkex_actors.daemon.retention import Retention
from tinkex_actors.daemon.room import make_when_there_is_room
from tinkex_actors.daemon.site import RunSite, RunState
from tinkex_actors.daemon.training import make_train
from tinkex_actors.log import get_log
from tinkex_actors.types import ModelId, NotFoundError, SessionId, SessionStatusQuery, TinkerError

_log = get_log()


_ACTIVE = (SessionStatusQuery("active"),)
_SILENCE = 30.0
"""Seconds without an answer of the server after which people are told."""


@define(eq=False)
class _Life:
    """What an attempt trains."""

    tinker: TinkerClient
    trainer: TrainingClient
    number: int
    first_step: int
    known: Known


async def attempt(site: RunSite) -> RunState:
    """Train until the run is done or shall stop.

    Returns:
        ``DONE`` or ``STOPPED``.

    Raises:
        TinkerError: The server failed for good; the life is over.
        LifeLost: So is it here.
        RunError: Something that a person has to put right.
    """
    site.turn(RunState.STARTING)
    site.has_begun = False
    known = await site.journal.call(Journal.known)
    if known.is_done:
        _recall(site, known)
        return RunState.DONE
    attach = decide_attach(known)
    if attach is not None:
        try:
            return await _live(site, _open_attached(site, known, attach))
        except (TinkerError, LifeLost) as error:
            if site.has_begun:
                raise  # it was taken over, and lost later
            _log.info("the last life cannot be gone on with", run=site.name, why=str(error))
            await site.journal.call(Journal.write, LifeEnded(life=attach.life.life, failure=str(error)))
            known = await site.journal.call(Journal.known)
    return await _live(site, _open_created(site, known))


def _recall(site: RunSite, known: Known) -> None:
    """Say of a run that was done by an earlier process where it ended."""
    site.progress.steps_done = site.plan.steps
    if saved := known.saved():
        site.progress.last_checkpoint, site.progress.last_row = saved[-1].name, dict(saved[-1].metrics)


async def _live(site: RunSite, opened: AbstractAsyncContextManager[_Life]) -> RunState:
    """Train one life in its session, and close that: as finished, or as interrupted when the run shall go on later."""
    ended = RunState.STOPPED
    with trio.CancelScope() as scope:
        async with opened as life:
            ended = await _train(site, life)
            if ended is RunState.STOPPED:
                # A session that is left by cancellation is told to the server as interrupted.
                scope.cancel()
                await trio.lowlevel.checkpoint()
    return ended


@asynccontextmanager
async def _open_client(
    site: RunSite, known: Known, session_id: SessionId | None = None
) -> AsyncGenerator[TinkerClient]:
    """Open the session of a life, in a tree that is called after the run; it is on the page, where there is one."""
    settings = site.settings()
    marked = evolve(settings, user_metadata={**settings.user_metadata, MARK: known.mark})
    async with open_tinker(
        marked, observers=site.observers, session_id=session_id, name=f"tinker-{site.name}"
    ) as tinker:
        with nullcontext() if site.watch is None else site.watch.showing(tinker):
            yield tinker


@asynccontextmanager
async def _open_attached(site: RunSite, known: Known, attach: Attach) -> AsyncGenerator[_Life]:
    session_id = SessionId(attach.life.session_id)
    async with _open_client(site, known, session_id) as tinker:
        trainer = await tinker.attach_training_client(ModelId(attach.life.model_id), next_number=attach.next_number)
        _log.info("went on with the model of the last process", run=site.name, step=attach.first_step)
        yield _Life(tinker, trainer, attach.life.life, attach.first_step, known)


@asynccontextmanager
async def _open_created(site: RunSite, known: Known) -> AsyncGenerator[_Life]:
    async with _open_client(site, known) as tinker:
        await _fence(tinker, known)
        trainer, made, known = await _create(site, tinker, known)
        life = known.next_life
        began = LifeBegan(
            life=life,
            session_id=tinker.session_id,
            model_id=trainer.model_id,
            base_step=made.first_step,
            first_number=trainer.next_number,
            from_path=None if made.checkpoint is None else made.checkpoint.state_path,
        )
        await site.journal.call(Journal.write, began, is_durable=True)
        site.progress.recoveries += life > 1
        yield _Life(tinker, trainer, life, made.first_step, await site.journal.call(Journal.known))


async def _fence(tinker: TinkerClient, known: Known) -> None:
    """Make sure that no other model of this run is trained any more, by whomever.

    A process that died between opening a session and writing its id down has left one that only its mark tells of.
    """
    left = {life.session_id for life in known.lives[-1:]}
    try:
        async for one in tinker.create_rest_client().search_sessions(
            user_metadata={MARK: known.mark}, statuses=_ACTIVE
        ):
            left.add(one.session_id)
    except TinkerError as error:
        _log.debug("the server was not asked for sessions that nobody knows of", error=str(error))
    for session_id in sorted(left - {tinker.session_id}):
        await tinker.finish_session(SessionId(session_id))


async def _create(site: RunSite, tinker: TinkerClient, known: Known) -> tuple[TrainingClient, Create, Known]:
    """Make the model from the checkpoint that the plan prefers, or from an older one if the server has lost it."""
    plan = site.plan
    while (checkpoint := decide_checkpoint(known, plan.recovery, plan.checkpoints)) is not None:
        make = (
            tinker.create_training_client_from_state_with_optimizer
            if plan.recovery.restore_optimizer
            else tinker.create_training_client_from_state
        )
        try:
            model = await make_when_there_is_room(site, partial(make, checkpoint.state_path or ""))
            return model, Create(checkpoint=checkpoint), known
        except NotFoundError as lost:
            _log.warning(
                "a checkpoint is gone; trying an older one", run=site.name, path=checkpoint.state_path, why=str(lost)
            )
            gone = CheckpointGone(name=checkpoint.name, life=checkpoint.life, state="lost")
            await site.journal.call(Journal.write, gone)
            known = await site.journal.call(Journal.known)
    return await _create_from_nothing(site, tinker), Create(checkpoint=None), known


async def _create_from_nothing(site: RunSite, tinker: TinkerClient) -> TrainingClient:
    plan, lora = site.plan, site.plan.lora
    metadata = {"run": site.name}
    if site.begins_from is not None:
        path = await site.begins_from()
        make = partial(tinker.create_training_client_from_state, path, user_metadata=metadata)
        return await make_when_there_is_room(site, make)
    make = partial(
        tinker.create_lora_training_client,
        plan.base_model,
        rank=lora.rank,
        seed=lora.seed,
        train_mlp=lora.train_mlp,
        train_attn=lora.train_attn,
        train_unembed=lora.train_unembed,
        user_metadata=metadata,
    )
    return await make_when_there_is_room(site, make)


async def _train(site: RunSite, life: _Life) -> RunState:
    """Train one life to its end, and write down what became of it."""
    site.progress.life, site.progress.steps_done = life.number, life.first_step
    site.crash_door, site.has_begun = life.tinker.crash, True
    try:
        await _run_loop(site, life)
    except Exception as error:
        # The session is closed on the way out: nobody shall try to go on with this life.
        ended = LifeEnded(life=life.number, failure=f"{type(error).__name__}: {error}")
        with suppress(CallError, RunFolderError):
            await site.journal.call(Journal.write, ended)
        raise
    finally:
        site.crash_door = None
    if site.wants_stop:
        await site.journal.call(Journal.write, LifeEnded(life=life.number), is_durable=True)
        return RunState.STOPPED
    await site.journal.call(Journal.write, RunDone(), LifeEnded(life=life.number), is_durable=True)
    return RunState.DONE


async def _run_loop(site: RunSite, life: _Life) -> None:
    try:
        async with trio.open_nursery() as background:
            # Left only when superseded checkpoints are deleted.
            async with trio.open_nursery() as tidying:
                retention = Retention(site, life.tinker.create_rest_client(), life.number, life.known, tidying)
                background.start_soon(_watch_for_corruption, site, life)
                background.start_soon(_tell_of_recovery, site)
                await _train_through(await _open_loop(site, life, retention, background))
            background.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _failure_in(group) from None


async def _tell_of_recovery(site: RunSite) -> None:
    told, site.recovered_from = site.recovered_from, None
    plan = site.plan.recovery
    if told is not None:
        await call_back(plan.on_recovered, told, base=site.base, seconds=plan.callback_seconds)


async def _open_loop(site: RunSite, life: _Life, retention: Retention, nursery: trio.Nursery) -> Loop:
    gone = frozenset(one.life for one in life.known.lives if one.life != life.number)
    await retention.clear_up(gone)
    tokens = await site.journal.call(Journal.tokens_before, life.first_step)
    for budget in site.budgets:
        budget.begin(site.name, tokens)
    return Loop(
        site=site,
        tinker=life.tinker,
        trainer=life.trainer,
        tokenizer=await trio.to_thread.run_sync(life.trainer.get_tokenizer),
        life=life.number,
        first_step=life.first_step,
        intents=life.known.intents,
        retention=retention,
        nursery=nursery,
    )


async def _train_through(loop: Loop) -> None:
    try:
        train = await make_train(loop)
        loop.site.turn(RunState.TRAINING)
        await train(loop)
        await loop.finish(is_final=not loop.site.wants_stop)
    finally:
        loop.abandon()


async def _watch_for_corruption(site: RunSite, life: _Life) -> None:
    """Ask now and then whether the server holds the run for corrupted.

    Raises:
        LifeLost: It does.
    """
    rest = life.tinker.create_rest_client()
    while True:
        await trio.sleep(site.plan.recovery.poll_seconds)
        run = None
        with trio.move_on_after(_SILENCE):
            try:
                run = await rest.get_training_run(life.trainer.model_id)
            except TinkerError as error:
                _log.debug("the server was not asked whether the run is sound", run=site.name, error=str(error))
        if run is None:
            # Until the next step is done: requests under way are asked for again as long as their patience lasts.
            site.turn(site.progress.state, waiting_for="an answer of the server")
        elif run.corrupted:
            raise LifeLost(f"the server holds {life.trainer.model_id} for corrupted")


def _failure_in(group: BaseException) -> BaseException:
    """Find what the nurseries were ended by; cancellations are what followed from it."""
    return next((one for one in leaves(group) if not isinstance(one, trio.Cancelled)), group)
