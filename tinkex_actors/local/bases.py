"""The base models on offer, by the names clients ask for."""

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from tinkex_actors.local.engine import BaseModel, load_base_model
from tinkex_actors.local.refusals import BadRequest


@frozen(eq=False)
class BaseEntry:
    """One base model."""

    model: BaseModel
    tokenizer_id: str | None = None
    """Where a client on the same machine finds the tokenizer."""


@frozen(eq=False)
class Bases:
    """All of them."""

    entries: Mapping[str, BaseEntry]

    @classmethod
    def load(cls, models: Mapping[str, Path]) -> "Bases":
        """Read the model directories. Blocks.

        Raises:
            ModelLoadError: One of them cannot be used.
        """
        entries: dict[str, BaseEntry] = {}
        for name, path in models.items():
            has_tokenizer = (path / "tokenizer_config.json").exists()
            entries[name] = BaseEntry(load_base_model(path), str(path.resolve()) if has_tokenizer else None)
        return cls(entries)

    def find(self, name: str) -> BaseEntry:
        """Return a base model.

        Raises:
            BadRequest: It is not on offer.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise BadRequest(f"base_model must be one of {', '.join(self.entries)}, got {name!r}")
        return entry
