"""What a plan's values name: runs, files, functions, the server. Each fault with the key it hangs on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from tinkex_actors.daemon.datasets import read_examples
from tinkex_actors.daemon.page import missing_extra, read_token
from tinkex_actors.daemon.plan import ObserverPlan, Plan, RunPlan
from tinkex_actors.daemon.references import Reference
from tinkex_actors.redaction import KEY_PREFIXES
from tinkex_actors.settings import Settings
from tinkex_actors.types import parse_loss_fn

Key: TypeAlias = tuple[str | int, ...]
"""Where in a file: names of tables, places in lists."""

_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def find_faults(plan: Plan, environ: Mapping[str, str]) -> Iterator[tuple[Key, str]]:
    """Tell everything that cannot be as *plan* says.

    Args:
        plan: Its values are in order, each for itself.
        environ: Where the key of the service comes from.
    """
    if not plan.runs:
        yield ("runs",), "expected at least one run, got none"
    for name, run in plan.runs.items():
        if not name or not set(name) <= _NAME_LETTERS or name.startswith("."):
            yield ("runs", name), "a run's name may have letters, digits, '-', '_' and '.' inside"
        for key, message in (*_check_run(run), *_check_names(run, plan.base)):
            yield ("runs", name, *key), message
    yield from _check_order(plan)
    yield from _check_server(plan, environ)
    if plan.observer is not None:
        yield from _check_observer(plan.observer)


def _check_run(run: RunPlan) -> Iterator[tuple[Key, str]]:
    if run.data is None and run.loop is None:
        yield (), "data is missing: a file of examples, or a function; or a loop of one's own"
    if run.recovery.checkpoint == "best" and not run.checkpoints.keep_best:
        yield ("recovery", "checkpoint"), "'best' needs checkpoints.keep_best >= 1"
    if run.warmup_steps >= run.steps:
        yield ("warmup_steps",), f"must be < steps ({run.steps}), got {run.warmup_steps}"
    yield from _check_loss(run)


def _check_loss(run: RunPlan) -> Iterator[tuple[Key, str]]:
    if Reference.is_one(run.loss):
        return
    try:
        parse_loss_fn(run.loss)
    except ValueError as error:
        yield ("loss",), str(error)


def _check_order(plan: Plan) -> Iterator[tuple[Key, str]]:
    for name, run in plan.runs.items():
        seen, last = [name], run
        while last.after is not None:
            if last.after not in plan.runs:
                if last is run:
                    yield ("runs", name, "after"), f"no run is called {last.after!r}; there are {', '.join(plan.runs)}"
                break
            if last.after in seen:
                yield ("runs", name, "after"), f"runs wait for one another: {' → '.join([*seen, last.after])}"
                break
            seen.append(last.after)
            last = plan.runs[last.after]


def _check_server(plan: Plan, environ: Mapping[str, str]) -> Iterator[tuple[Key, str]]:
    server = plan.server
    if server.model is not None and not server.local:
        yield ("server", "model"), "goes with local = true"
    if server.local:
        yield from _check_local_models(plan)
        return
    key = environ.get("TINKER_API_KEY", "")
    if not key.startswith(KEY_PREFIXES):
        key = f"{KEY_PREFIXES[0]}any"  # the key is not the plan's: the door of the client says what is wrong with it
    try:
        Settings.from_environ({**environ, "TINKER_API_KEY": key}, base_url=server.url)
    except ValueError as error:
        yield ("server", "url"), str(error)


def _check_observer(observer: ObserverPlan) -> Iterator[tuple[Key, str]]:
    if (missing := missing_extra()) is not None:
        yield ("observer",), f"needs {missing}; install tinkex-actors[observer]"
    if observer.token is not None and observer.token_file is not None:
        yield ("observer", "token_file"), "goes without token; leave one of them out"
        return
    try:
        read_token(observer)
    except ValueError as error:
        yield ("observer", "token_file"), str(error)


def _check_local_models(plan: Plan) -> Iterator[tuple[Key, str]]:
    for name, run in plan.runs.items():
        if run.base_model != plan.server.local_model:
            expected = f"the server in this process has {plan.server.local_model!r} alone (server.model names another)"
            yield ("runs", name, "base_model"), f"{expected}, got {run.base_model!r}"


def _check_names(run: RunPlan, base: Path) -> Iterator[tuple[Key, str]]:
    """Import every function and look for every file that *run* names."""
    for key, reference in _references(run):
        try:
            reference.resolve(base)
        except ValueError as error:
            yield key, str(error)
    for key, path in _files(run):
        if not path.is_file():
            yield key, f"{path} is {'no file' if path.exists() else 'not there'}"


def check_data(plan: Plan) -> None:
    """Read every file of examples that *plan* names.

    Raises:
        DataError: One of them cannot be used.
    """
    for run in plan.runs.values():
        for _, path in _files(run):
            read_examples(path)


def _files(run: RunPlan) -> Iterator[tuple[Key, Path]]:
    if isinstance(run.data, Path):
        yield ("data",), run.data
    if run.evaluation is not None and isinstance(run.evaluation.data, Path):
        yield ("evaluation", "data"), run.evaluation.data


def _references(run: RunPlan) -> Iterator[tuple[Key, Reference]]:
    if isinstance(run.data, Reference):
        yield ("data",), run.data
    if run.loop is not None:
        yield ("loop",), run.loop
    if Reference.is_one(run.loss):
        yield ("loss",), Reference(run.loss)
    if run.evaluation is not None and isinstance(run.evaluation.data, Reference):
        yield ("evaluation", "data"), run.evaluation.data
    for name in ("on_recovered", "on_gave_up"):
        if (reference := getattr(run.recovery, name)) is not None:
            yield ("recovery", name), reference
