"""The audit log: what was carried out, in order.

One entry for each operation that took effect, none for one that failed or was asked twice: this is what proves that
nothing happened twice. Entries are kept in memory, the newest `KEPT` of them, and with a file appended to it as JSON
lines, each in one write, so that a killed process leaves whole lines.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import TypedDict, Unpack

import orjson
from attrs import asdict, define, field, frozen

from tinkex_actors.types.data import Datum
from tinkex_actors.types.ids import ModelId, SamplingSessionId
from tinkex_actors.types.model_input import EncodedTextChunk

KEPT = 100_000


class AuditNote(TypedDict, total=False):
    """What an entry may say beside model, number and kind; see `AuditEntry`."""

    batch: str | None
    parameters: dict[str, object] | None
    weights: str | None


@frozen(kw_only=True)
class AuditEntry:
    """One operation that took effect."""

    index: int
    """Place in the log, from 0."""
    model: ModelId | SamplingSessionId
    number: int
    """Its sequence number within `model`; 0 is the creation of a model."""
    kind: str
    """``create_model``, ``forward``, ``forward_backward``, ``optim_step``, ``save_weights``, …, ``sample``."""
    batch: str | None = None
    """Digest of what it read, if it read data; see `batch_digest`."""
    parameters: dict[str, object] | None = field(default=None, hash=False)
    """The optimizer's parameters, or a path."""
    weights: str | None = None
    """Digest of the weights after it; only where the server was asked to note it."""


@define
class AuditLog:
    """The entries of one server, oldest first."""

    _entries: deque[AuditEntry] = field(factory=lambda: deque[AuditEntry](maxlen=KEPT))
    _file: FileIO | None = field(default=None, alias="file")
    _next: int = field(default=0, alias="next")
    executed: Counter[tuple[str, str]] = field(factory=Counter[tuple[str, str]])
    """How often each ``(model, kind)`` took effect."""

    @classmethod
    def open(cls, path: Path | None) -> "AuditLog":
        """Begin a log; with a *path*, behind what earlier processes appended there."""
        if path is None:
            return cls()
        file = FileIO(path, "a")
        return cls(file=file, next=len(path.read_bytes().splitlines()))

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[AuditEntry]:
        return iter(self._entries)

    def of(self, model: str, kind: str | None = None) -> list[AuditEntry]:
        """The entries of one model, of one *kind* if given."""
        return [one for one in self._entries if one.model == model and kind in (None, one.kind)]

    @property
    def total(self) -> int:
        """How many operations took effect."""
        return sum(self.executed.values())

    def count(self, kind: str) -> int:
        """How often operations of *kind* took effect, over all models."""
        return sum(times for (_, executed), times in self.executed.items() if executed == kind)

    def append(
        self, model: ModelId | SamplingSessionId, number: int, kind: str, **note: Unpack[AuditNote]
    ) -> AuditEntry:
        """Note that an operation took effect."""
        entry = AuditEntry(index=self._next, model=model, number=number, kind=kind, **note)
        self._next += 1
        self._entries.append(entry)
        self.executed[model, kind] += 1
        if self._file is not None:
            self._file.write(orjson.dumps(asdict(entry)) + b"\n")
        return entry

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()


def batch_digest(data: Sequence[Datum], loss_fn: str) -> str:
    """Name a batch by its content: equal for equal tokens, loss and loss inputs, however they were encoded."""
    digest = sha256(loss_fn.encode())
    for datum in data:
        digest.update(b"\0datum")
        for chunk in datum.model_input.chunks:
            digest.update(chunk.tokens.tobytes() if isinstance(chunk, EncodedTextChunk) else repr(chunk).encode())
        for name in sorted(datum.loss_fn_inputs):
            array = datum.loss_fn_inputs[name].to_numpy()
            digest.update(f"\0{name} {array.dtype} {array.shape} ".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()[:16]
