"""The daemon: every run of a plan as a subtree of its own, in any trio program.

::

    async with open_daemon(plan) as daemon:
        await daemon.wait()

::

    daemon (one_for_one)
    ├─ observer                the page that shows it all, where the plan asks for it
    ├─ local                   the embedded server, likewise
    ├─ sft (one_for_all)       a run: its limits are its own, and its end is nobody else's
    │  ├─ journal-sft
    │  └─ train-sft            attempt after attempt
    └─ …

Starting is recovering: there is no other way to begin. Leaving the block stops at once; `Daemon.drain` is the gentle way.
"""

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import trio
from attrs import evolve, frozen

from supervisors import (
    Actor,
    Backoff,
    ChildSpec,
    ChildStopped,
    Event,
    Observer,
    Restart,
    Strategy,
    Supervisor,
    SupervisorGaveUp,
    SupervisorSpec,
    Tree,
    child_from,
    open_supervisor,
)
from tinkex_actors.clients.embedded import Place, embedded_server
from tinkex_actors.crash_log import CrashLog
from tinkex_actors.daemon.admission import Admission
from tinkex_actors.daemon.budget import TokenBudget
from tinkex_actors.daemon.entries import JsonScalar
from tinkex_actors.daemon.errors import Fault, PlanError, RunGaveUp
from tinkex_actors.daemon.journal import Journal, journal_name
from tinkex_actors.daemon.journal_store import JournalStore
from tinkex_actors.daemon.lock import hold_lock
from tinkex_actors.daemon.page import Page, make_page
from tinkex_actors.daemon.plan import Plan, digest_of
from tinkex_actors.daemon.plan_file import locate
from tinkex_actors.daemon.recovery import train_run
from tinkex_actors.daemon.run_folder import CONFIG, RunFolder
from tinkex_actors.daemon.site import Ending, RunSite, RunState
from tinkex_actors.observer import OpenedObserver
from tinkex_actors.settings import Settings

_MANY = 1_000
"""Restarts that supervisors endure: how many failures are too many, the plan says, by steps and not by seconds."""


@frozen(eq=False)
class Daemon:
    """A daemon that works."""

    plan: Plan
    runs: Mapping[str, RunSite]
    root: Supervisor
    _page: Page | None = None

    @property
    def page(self) -> OpenedObserver | None:
        """Where the observer's page is; ``None`` while it is not served, or not planned."""
        return None if self._page is None else self._page.opened

    async def wait_for_page(self) -> OpenedObserver:
        """Wait until the page is served, and say where.

        Raises:
            RuntimeError: The plan has none.
        """
        if self._page is None:
            raise RuntimeError("the plan has no [observer]")
        return await self._page.wait()

    async def wait(self) -> Mapping[str, Ending]:
        """Wait until every run has ended, and say how each did."""
        for site in self.runs.values():
            await site.ended.wait()
        return {name: site.ending for name, site in self.runs.items() if site.ending is not None}

    def drain(self, *, runs: Iterable[str] | None = None) -> None:
        """Ask runs, or all, to finish their step, save and end. `wait` tells when they have."""
        for name in self.runs if runs is None else runs:
            self.runs[name].stop_wanted.set()

    def checkpoint(self) -> None:
        """Ask every run to save after the step it is in."""
        for site in self.runs.values():
            site.wants_checkpoint = True

    def tree(self) -> Tree:
        """Take a snapshot of the supervision tree; ``str`` of it is a drawing."""
        return self.root.tree()


@asynccontextmanager
async def open_daemon(
    plan: Plan,
    *,
    settings: Settings | None = None,
    observers: Iterable[Observer] = (),
    tell: Callable[[RunSite], None] = lambda _: None,
) -> AsyncGenerator[Daemon, None]:
    """Begin or resume every run of *plan*, and train until the block is left.

    Several daemons may live in one program, as long as no two work in one run folder.

    Args:
        plan: What to do.
        settings: Key and address; the environment's with the plan's address by default.
        observers: Are told every event of all trees: starts, crashes, restarts.
        tell: Called with a run's site whenever its progress has changed.

    Raises:
        FolderLocked: Another process works in a run's folder.
        RunFolderError: A folder cannot be made, written, or read.
        PlanError: A run was begun with another plan.
        ValueError: The file of the page's token cannot be read, or holds none.
    """
    page = None if plan.observer is None else make_page(plan.observer, plan.folder)
    observers = tuple(observers) if page is None else (*observers, page.watch)
    admission = Admission(plan.limits.operations_in_flight, plan.limits.bytes_in_flight)
    place, shared = Place(), TokenBudget("limits.max_tokens", plan.limits.max_tokens)
    give_settings = _settings_of(plan, settings, place)
    sites: dict[str, RunSite] = {}
    line = list[str]()
    sites |= {
        name: RunSite(
            name=name,
            plan=run,
            folder=plan.folder / name,
            base=plan.base,
            settings=give_settings,
            admission=admission,
            budgets=(TokenBudget(f"runs.{name}.max_tokens", run.max_tokens), shared),
            line=line,
            observers=observers,
            tell=partial(_tell, plan, sites, tell),
        )
        for name, run in plan.runs.items()
    }
    async with AsyncExitStack() as stack:
        for site in sites.values():
            stack.enter_context(hold_lock(site.folder))
            await trio.to_thread.run_sync(_check_identity, plan, site)
            admission.enrol(site.name, site.plan.weight)
            if site.plan.after is not None:
                site.begins_from = partial(_last_checkpoint, sites[site.plan.after])
        watcher = _Watcher(plan, sites)
        root = await stack.enter_async_context(
            open_supervisor("daemon", max_restarts=_MANY, observers=(*observers, watcher, CrashLog()))
        )
        if page is not None:
            for site in sites.values():
                page.show(site)
            await page.start(root)
        if plan.server.local:
            await root.start_child(_local_server(plan, place))
        for site in sites.values():
            site.root = root
            before = None if site.plan.after is None else sites[site.plan.after]
            await root.start_supervisor(_describe(site, before))
        yield Daemon(plan, sites, root, page)


def _describe(site: RunSite, before: RunSite | None) -> SupervisorSpec:
    recovery = site.plan.recovery
    backoff = Backoff(
        initial=recovery.backoff_seconds,
        maximum=max(recovery.backoff_seconds, recovery.backoff_max_seconds),
        reset_after=10 * recovery.backoff_max_seconds,
    )
    train = child_from(
        partial(_train, site, before),
        name=f"train-{site.name}",
        restart=Restart.TRANSIENT,
        backoff=backoff,
        shutdown=10.0,
    )
    journal = ChildSpec(
        lambda: Journal(partial(JournalStore.open, site.folder), site.notebook),
        name=journal_name(site.name),
        shutdown=10.0,
    )
    return SupervisorSpec(
        site.name,
        strategy=Strategy.ONE_FOR_ALL,
        children=[journal, train],
        max_restarts=_MANY if recovery.enabled else 0,
        restart=Restart.TEMPORARY,
    )


async def _train(site: RunSite, before: RunSite | None) -> None:
    if before is not None:
        await _wait_for(site, before)
    if site.ending is not None:
        return
    try:
        await train_run(site)
    except Exception as bug:
        # A crash, and its supervisor's business, unless it was one too many in a row.
        site.progress.failures += 1
        site.progress.last_failure = f"{type(bug).__name__}: {bug}"
        if site.progress.failures < site.plan.recovery.max_attempts:
            raise
        gave_up = RunGaveUp(
            f"run {site.name} gave up after {site.progress.failures} crashes: {type(bug).__name__}: {bug}"
        )
        gave_up.__cause__ = bug
        site.end(Ending(state=RunState.FAILED, error=gave_up))


async def _wait_for(site: RunSite, before: RunSite) -> None:
    """Wait until the run that *site* continues is done; if it will not be, neither will *site*."""
    site.turn(RunState.WAITING, waiting_for=f"run {before.name}")
    async with trio.open_nursery() as nursery:
        for event in (before.ended, site.stop_wanted):
            nursery.start_soon(_cancel_after, event, nursery.cancel_scope)
    if site.wants_stop or (before.ending is not None and before.ending.state is RunState.STOPPED):
        site.end(Ending(state=RunState.STOPPED))
    elif before.ending is not None and before.ending.state is RunState.FAILED:
        error = RunGaveUp(f"run {site.name} continues run {before.name}, which has failed")
        error.__cause__ = before.ending.error
        site.end(Ending(state=RunState.FAILED, error=error))


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def _last_checkpoint(before: RunSite) -> str:
    known = await before.journal.call(Journal.known, with_steps=False)
    return known.saved()[-1].state_path or ""


def _tell(plan: Plan, sites: Mapping[str, RunSite], tell: Callable[[RunSite], None], site: RunSite) -> None:
    """Pass news of a run on; when it has failed, stop those that the plan's strategy takes along."""
    if site.ending is not None and site.ending.state is RunState.FAILED:
        names = list(sites)
        taken = {"one_for_one": [], "one_for_all": names, "rest_for_one": names[names.index(site.name) :]}
        for name in taken[plan.strategy]:
            sites[name].stop_wanted.set()
    tell(site)


def _check_identity(plan: Plan, site: RunSite) -> None:
    """Compare the plan with what the run was begun with. Blocks on the disk.

    Raises:
        PlanError: They differ; the keys are named.
    """
    store = JournalStore.open(site.folder)
    try:
        identity = site.plan.identity()
        changed = store.begin_run(digest_of(identity), identity)
        if not changed:
            RunFolder(site.folder).write(CONFIG, json.dumps(_config(site), indent=2) + "\n")
    finally:
        store.close()
    if changed:
        where = f"{site.folder} was begun with another value; put it back, or name another folder"
        lines = {key: locate(plan.path, ("runs", site.name, key)) for key in changed}
        raise PlanError(plan.path, [Fault(f"runs.{site.name}.{key}", where, line) for key, line in lines.items()])


def _config(site: RunSite) -> dict[str, JsonScalar]:
    """What ``config.json`` says, in the cookbook's words."""
    plan = site.plan
    return {
        "model_name": plan.base_model,
        "recipe_name": "custom" if plan.loop is not None else "supervised",
        "renderer_name": "chatml",
        "lora_rank": plan.lora.rank,
        "learning_rate": plan.learning_rate,
        "log_path": str(site.folder),
        "batch_size": plan.batch_size,
        "steps": plan.steps,
        "seed": plan.seed,
        "max_length": plan.max_length,
        "loss": plan.loss,
        "run": site.name,
    }


def _local_server(plan: Plan, place: Place) -> ChildSpec[Actor]:
    from tinkex_actors.local import ServerOptions, tiny_model_path  # noqa: PLC0415 - an extra, needed by this function alone

    models = {plan.server.local_model: plan.server.model or tiny_model_path()}
    return embedded_server(place, ServerOptions(models=models, data=plan.folder / "server"))


@frozen(eq=False)
class _Watcher:
    """Notes what becomes of runs, and what that means for the others."""

    plan: Plan
    sites: Mapping[str, RunSite]

    def notify(self, event: Event, /) -> None:
        """A run whose actors crash too often has failed; one whose subtree was stopped by order is stopped."""
        name = getattr(event, "path", "").rpartition("/")[2]
        if name not in self.sites:
            return
        match event:
            case ChildStopped():
                self.sites[name].end(Ending(state=RunState.STOPPED))
            case SupervisorGaveUp():
                gave_up = RunGaveUp(f"run {name} gave up: {event.error}")
                gave_up.__cause__ = event.error
                self.sites[name].end(Ending(state=RunState.FAILED, error=gave_up))
            case _:
                pass


def _settings_of(plan: Plan, settings: Settings | None, place: Place) -> Callable[[], Settings]:
    """Say where each attempt finds its settings."""
    figures = plan.server.figures
    if plan.server.local:
        # A server in this process that does not answer is gone for good: its next life has another address.
        quick = evolve(figures, max_retries=2, retry_patience=2.0)
        return lambda: evolve(Settings.local(place.url), figures=quick)
    whole = evolve(settings or Settings(base_url=plan.server.url), figures=figures)
    return lambda: whole
