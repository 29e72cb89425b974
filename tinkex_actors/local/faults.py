"""Faults on demand: what goes wrong, where, how often; the same seed goes wrong in the same way.

A plan as a TOML file::

    seed = 1

    [[fault]]
    route = "POST forward_backward"   # method and path below /api/v1/, with * and ?
    kind = "status"                   # see FaultKind
    status = 503
    skip = 2                          # let so many pass first
    count = 3                         # then strike at most so often; always if left out
    chance = 0.5                      # each time with this probability
    seconds = 0.2                     # for delay, stall and slow_body

The first fault that strikes wins. Pure: counters and a random generator, no clock.
"""

import random
import tomllib
from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import define, field, frozen, validators

from tinkex_actors.types.errors import RequestInvalid
from tinkex_actors.wire.json_codec import decode_request, encode_json


class FaultKind(StrEnum):
    """What goes wrong."""

    DELAY = "delay"
    """The request is carried out `Fault.seconds` later."""
    DROP = "drop"
    """The connection is closed without an answer; nothing was carried out."""
    RESET = "reset"
    """The connection is reset, as by a machine that has forgotten it; nothing was carried out."""
    DROP_ANSWER = "drop_answer"
    """The request is carried out, then the connection is closed without an answer."""
    STATUS = "status"
    """The answer is an error with `Fault.status`; nothing was carried out."""
    GARBAGE = "garbage"
    """The request is carried out; the answer's body is random bytes."""
    DUPLICATE = "duplicate"
    """The request is carried out twice; the second answer is sent."""
    STALL = "stall"
    """Nothing is carried out, and no answer comes for `Fault.seconds`, or until the client leaves; then the connection is
    closed."""
    SLOW_BODY = "slow_body"
    """The request is carried out; the answer's body comes in pieces over `Fault.seconds`."""


@frozen(kw_only=True)
class Fault:
    """One thing that goes wrong."""

    kind: FaultKind = field(converter=FaultKind)
    route: str = "*"
    """Method and path below ``/api/v1/``, with ``*`` and ``?``."""
    status: int = field(default=500, validator=[validators.ge(400), validators.lt(600)])
    seconds: float = field(default=1.0, validator=validators.ge(0))
    skip: int = field(default=0, validator=validators.ge(0))
    """How many matching requests pass first."""
    count: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """How often it strikes at most; None is always."""
    chance: float = field(default=1.0, validator=[validators.ge(0), validators.le(1)])
    """How likely it strikes each time."""


@frozen(kw_only=True)
class _PlanFile:
    seed: int = 0
    fault: tuple[Fault, ...] = ()


@define(eq=False)
class FaultPlan:
    """The faults of one server, and how often each has struck."""

    faults: list[Fault] = field(factory=list[Fault])
    seed: int = 0
    struck: dict[int, int] = field(factory=dict[int, int], init=False)
    """How often each fault struck, by its place in `faults`."""
    _seen: dict[int, int] = field(factory=dict[int, int], init=False)
    _chance: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - repeatable, nothing secret

    @classmethod
    def read(cls, path: Path) -> "FaultPlan":
        """Read a plan.

        Raises:
            ValueError: The file is no plan; the message says where.
            OSError: It cannot be read.
        """
        try:
            plan = decode_request(_PlanFile, encode_json(tomllib.loads(path.read_text())))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RequestInvalid) as error:
            raise ValueError(f"{path}: expected a plan of faults, got {error}") from error
        return cls(list(plan.fault), plan.seed)

    def set(self, faults: Iterable[Fault]) -> None:
        """Replace the faults and count from zero."""
        self.faults = list(faults)
        self.struck.clear()
        self._seen.clear()

    def decide(self, method: str, path: str) -> Fault | None:
        """Say what goes wrong with the next request to *path*, and count it."""
        for index, fault in enumerate(self.faults):
            if fnmatchcase(f"{method} {path}", fault.route) and self._strikes(index, fault):
                self.struck[index] = self.struck.get(index, 0) + 1
                return fault
        return None

    def _strikes(self, index: int, fault: Fault) -> bool:
        self._seen[index] = seen = self._seen.get(index, 0) + 1
        if seen <= fault.skip or (fault.count is not None and self.struck.get(index, 0) >= fault.count):
            return False
        return fault.chance >= 1 or self._chance.random() < fault.chance

    def noise(self, size_bytes: int) -> bytes:
        """Random bytes."""
        return self._chance.randbytes(size_bytes)
