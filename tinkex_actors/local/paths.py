"""Names of checkpoints: ``tinker://{run}/{kind}/{name}``, exactly three segments.

A run's id contains colons, a name never a slash. Names become parts of URLs and of file listings, so only letters,
digits, ``_``, ``-`` and ``.`` pass, and none may begin with a dot.
"""

import re
from enum import StrEnum

from attrs import frozen

from tinkex_actors.local.refusals import BadRequest
from tinkex_actors.types.ids import ModelId

_SCHEME = "tinker://"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")


class Kind(StrEnum):
    """What a checkpoint holds, as the middle of its path."""

    TRAINING = "weights"
    SAMPLER = "sampler_weights"
    EXTERNAL = "external_weights"

    @property
    def checkpoint_type(self) -> str:
        """The word for it in listings: ``training``, ``sampler`` or ``external``."""
        return self.name.lower()


@frozen
class CheckpointPath:
    """One checkpoint's name."""

    run_id: ModelId
    kind: Kind
    name: str

    @classmethod
    def parse(cls, text: str) -> "CheckpointPath":
        """Read a ``tinker://`` path.

        Raises:
            BadRequest: Another scheme, another number of segments, an unknown kind or an impossible name.
        """
        segments = text.removeprefix(_SCHEME).split("/")
        if not text.startswith(_SCHEME) or len(segments) != len(("run", "kind", "name")) or not segments[0]:
            raise BadRequest(f"a checkpoint path must look like tinker://RUN/weights/NAME, got {text!r}")
        return cls(ModelId(segments[0]), parse_kind(segments[1]), check_name(segments[2]))

    def __str__(self) -> str:
        return f"{_SCHEME}{self.run_id}/{self.checkpoint_id}"

    @property
    def checkpoint_id(self) -> str:
        """The name within the run, kind first."""
        return f"{self.kind}/{self.name}"


def parse_kind(text: str) -> Kind:
    """Read the middle of a path.

    Raises:
        BadRequest: Not one of the three kinds.
    """
    try:
        return Kind(text)
    except ValueError:
        raise BadRequest(f"the kind of a checkpoint must be one of {', '.join(Kind)}, got {text!r}") from None


def check_name(name: str) -> str:
    """Return *name* if a checkpoint may be called so.

    Raises:
        BadRequest: Empty, longer than 255, or with other characters than letters, digits, ``_``, ``-`` and ``.``.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"a checkpoint's name must be 1 to 255 of A-Z a-z 0-9 _ - . and not begin with a dot, got {name[:80]!r}"
        )
    return name
