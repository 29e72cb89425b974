"""What a daemon is to do: frozen values, checked field by field when they are made.

A plan says what to train and how carefully. What decides the result of a run (model, data, loss, order, rates) is its
*identity*: a run that has begun keeps it, and a plan that changes it is refused. Everything else (checkpoints, recovery,
budgets, pace) may change from one start to the next.

:mod:`~tinkex_actors.daemon.plan_file` reads plans from TOML.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NewType, TypeAlias

import attrs
from attrs import field, frozen

from tinkex_actors.daemon.references import Reference
from tinkex_actors.daemon.schedule import Schedule
from tinkex_actors.settings import DEFAULT_BASE_URL, Figures
from tinkex_actors.types import AdamParams

Source: TypeAlias = Path | Reference
"""Where data comes from: a file, or a function."""
Token = NewType("Token", str)
"""A secret, never shown in a fault."""
Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]

_SHORTEST_TOKEN = 16
_LAST_PORT = 65535


# ``Attribute[Any]``: attrs names the field's type so.
def _at_least(minimum: float) -> Any:
    def check(_: object, attribute: "attrs.Attribute[Any]", value: float | None) -> None:
        if value is not None and not value >= minimum:
            raise ValueError(f"{attribute.name} must be >= {minimum:g}, got {value!r}")

    return check


def _above(minimum: float) -> Any:
    def check(_: object, attribute: "attrs.Attribute[Any]", value: float | None) -> None:
        if value is not None and not value > minimum:
            raise ValueError(f"{attribute.name} must be > {minimum:g}, got {value!r}")

    return check


def _count(default: Any = attrs.NOTHING, *, minimum: int = 1) -> Any:
    return field(default=default, validator=_at_least(minimum))


def _seconds(default: Any = attrs.NOTHING) -> Any:
    return field(default=default, validator=_above(0))


@frozen(kw_only=True)
class LoraPlan:
    """The adapter that is trained."""

    rank: int = _count(32)
    seed: int = _count(0, minimum=0)
    """Of its initial weights. Fixed, so that a run can be told again from the beginning."""
    train_mlp: bool = True
    train_attn: bool = True
    train_unembed: bool = True


@frozen(kw_only=True)
class AdamPlan:
    """The optimizer, but for its rate."""

    beta1: float = _count(0.9, minimum=0)
    beta2: float = _count(0.95, minimum=0)
    eps: float = _seconds(1e-12)
    weight_decay: float = _count(0.0, minimum=0)
    grad_clip_norm: float = _count(0.0, minimum=0)
    """0 is no clipping."""

    def at(self, rate: float) -> AdamParams:
        """The parameters of one step."""
        return AdamParams(
            learning_rate=rate,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
            weight_decay=self.weight_decay,
            grad_clip_norm=self.grad_clip_norm,
        )


@frozen(kw_only=True)
class CheckpointPlan:
    """When state is saved, and how much of it is kept."""

    every_steps: int | None = _count(None)
    every_minutes: float | None = _seconds(None)
    keep_last: int = _count(2)
    """The newest so many are kept."""
    keep_best: int = _count(0, minimum=0)
    """And the best so many, by `best_metric`."""
    best_metric: str = "train_mean_nll"
    """A key of ``metrics.jsonl``; the lower the better, unless `best_is_highest`."""
    best_is_highest: bool = False
    ttl_hours: float | None = field(default=None, validator=_at_least(1))
    """When the server may delete what this run has forgotten. The last checkpoint of a run never expires."""
    with_sampler: bool = False
    """Whether weights to sample from are saved beside each state."""


@frozen(kw_only=True)
class EvaluationPlan:
    """Held-out examples, and how often the model is tried on them."""

    data: Source
    every_steps: int = _count()
    max_examples: int = _count(100)


@frozen(kw_only=True)
class ProbePlan:
    """Prompts that are put to the model now and then, for people to read."""

    prompts: tuple[str, ...]
    every_steps: int = _count()
    max_tokens: int = _count(64)
    temperature: float = _count(0.0, minimum=0)


@frozen(kw_only=True)
class RecoveryPlan:
    """What happens after a failure that is not the user's."""

    enabled: bool = True
    max_attempts: int = _count(3)
    """Attempts in a row that may fail without one more step done."""
    backoff_seconds: float = _seconds(5.0)
    """Before the first new attempt; it doubles with each."""
    backoff_max_seconds: float = _seconds(60.0)
    checkpoint: str = "latest"
    """``latest``, ``best``, or a checkpoint's name."""
    restore_optimizer: bool = True
    poll_seconds: float = _seconds(30.0)
    """How often the server is asked whether it holds the run for corrupted."""
    on_recovered: Reference | None = None
    """Called with a `Recovery` after each recovery."""
    on_gave_up: Reference | None = None
    """Called with a `Recovery` when the attempts are spent."""
    callback_seconds: float = _seconds(30.0)
    """How long a callback may take."""


@frozen(kw_only=True)
class RunPlan:
    """One model and its training."""

    base_model: str
    data: Source | None = None
    """A file of examples, or a function that returns them; None with a `loop` of one's own."""
    loop: Reference | None = None
    """A training loop of one's own, instead of the supervised one."""
    loss: str = "cross_entropy"
    """One of the server's losses, or ``module:function`` for one of one's own."""
    loss_config: Mapping[str, float] = field(factory=dict[str, float])
    steps: int = _count()
    batch_size: int = _count(1)
    learning_rate: float = _seconds(1e-4)
    warmup_steps: int = _count(0, minimum=0)
    decay: Literal["linear", "constant"] = "linear"
    seed: int = _count(0, minimum=0)
    """Of the order of the data, and of what a loop draws."""
    max_length: int = _count(2048)
    """Most tokens of one sequence."""
    lora: LoraPlan = field(factory=LoraPlan)
    adam: AdamPlan = field(factory=AdamPlan)
    evaluation: EvaluationPlan | None = None
    probes: ProbePlan | None = None
    checkpoints: CheckpointPlan = field(factory=CheckpointPlan)
    recovery: RecoveryPlan = field(factory=RecoveryPlan)
    pipeline: int = _count(1, minimum=0)
    """How many steps are submitted before the first of them is done, beside the one that is."""
    after: str | None = None
    """A run from whose last checkpoint this one begins."""
    weight: float = _seconds(1.0)
    """Its share when runs compete, beside the others' weights."""
    max_tokens: int | None = _count(None)
    """Tokens it may train; then it stops on a checkpoint, to go on with a higher budget."""
    options: Mapping[str, Any] = field(factory=dict[str, Any])
    """Whatever a function of one's own wants to be told."""

    @property
    def schedule(self) -> Schedule:
        """The order of the examples, and the rates."""
        return Schedule(
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            decay=self.decay,
            seed=self.seed,
        )

    def identity(self) -> dict[str, Any]:
        """Everything that decides the result, as plain data."""
        whole = attrs.asdict(self, value_serializer=_plain)
        return {key: value for key, value in whole.items() if key not in _MAY_CHANGE}


_MAY_CHANGE = frozenset({"checkpoints", "recovery", "probes", "pipeline", "weight", "max_tokens"})


def _plain(_: object, __: object, value: Any) -> Any:
    if isinstance(value, Path):
        return value.name  # folders may be moved; what is in the file is checked by its digest
    return value.text if isinstance(value, Reference) else value


def digest_of(identity: Mapping[str, Any]) -> str:
    """Name an identity: equal for equal content, whatever the order of its keys."""
    return sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


@frozen(kw_only=True)
class ServerPlan:
    """Where the models are."""

    url: str = DEFAULT_BASE_URL
    local: bool = False
    """Whether the embedded server is started in this process; its data lies in the plan's folder."""
    model: Path | None = None
    """With `local`: a Hugging Face directory; the tiny model that comes along if not given."""
    figures: Figures = field(factory=Figures)

    @property
    def local_model(self) -> str:
        """With `local`: what runs call the model that there is."""
        return "tinkex/tiny" if self.model is None else self.model.resolve().name


@frozen(kw_only=True)
class LimitsPlan:
    """What all runs of the process share."""

    operations_in_flight: int = _count(64)
    bytes_in_flight: int = _count(50_000_000)
    max_tokens: int | None = _count(None)
    """Tokens all runs together may train."""


@frozen(kw_only=True)
class DaemonPlan:
    """The process: how it stops and what it shows."""

    drain_seconds: float = _seconds(30.0)
    """How long a stop may take: the step under way, a checkpoint, an ordered end."""
    health: str | None = None
    """Where health is answered: ``host:port``, or a path for a UNIX socket."""


def check_token(token: str) -> str:
    """Return a token that can be one.

    Raises:
        ValueError: It is short enough to be guessed, or a header cannot carry it.
    """
    if len(token) < _SHORTEST_TOKEN or not token.isascii():
        raise ValueError(f"token must be at least {_SHORTEST_TOKEN} ASCII characters; leave it out to have one made")
    return token


def _check_token(_: object, __: "attrs.Attribute[Any]", value: str | None) -> None:
    if value is not None:
        check_token(value)


def _check_port(_: object, __: "attrs.Attribute[Any]", value: int) -> None:
    if not 0 <= value <= _LAST_PORT:
        raise ValueError(f"port must be 0 to {_LAST_PORT}, got {value}")


@frozen(kw_only=True)
class ObserverPlan:
    """The page that shows the process: see :mod:`tinkex_actors.observer`. Its table may be empty."""

    host: str = "127.0.0.1"
    """Where to listen; beyond this machine, only who has the token may look."""
    port: int = field(default=0, validator=_check_port)
    """0 is any free one; ``tinkex observe`` finds it by the folder."""
    allow_control: bool = False
    """Whether who has the token may pause, resume, restart and stop actors."""
    token: Token | None = field(default=None, validator=_check_token, repr=lambda token: repr(token and "***"))
    """What a browser must show. Made anew at each start where one is needed and none is given."""
    token_file: Path | None = None
    """Where it is read from instead."""


@frozen(kw_only=True)
class Plan:
    """Everything a daemon is to do."""

    folder: Path = Path("runs")
    """Where each run has a folder of its name."""
    runs: Mapping[str, RunPlan]
    strategy: Strategy = "one_for_one"
    """What a run that gives up does to the others: nothing; ends all; ends those after it."""
    server: ServerPlan = field(factory=ServerPlan)
    limits: LimitsPlan = field(factory=LimitsPlan)
    daemon: DaemonPlan = field(factory=DaemonPlan)
    observer: ObserverPlan | None = None
    """The page, where there is to be one."""
    path: Path = Path("plan.toml")
    """The file it was read from, for messages."""
    base: Path = Path()
    """What relative paths and modules are looked for in."""
