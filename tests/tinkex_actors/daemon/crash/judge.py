"""What really happened to a model: the server's audit log with everything that was rolled back taken out.

A model that was made from a checkpoint has that checkpoint's history, and no more, before its own.
"""

import json
from pathlib import Path
from typing import cast

from attrs import frozen


@frozen
class Deed:
    """One operation that is in the final weights; equal when what it read, its parameters and the weights after it are."""

    kind: str
    batch: str | None
    parameters: str | None
    weights: str | None


def read_audit(path: Path) -> list[dict[str, object]]:
    """Read the log; a line that a killed server did not finish is no entry."""
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1] if line]


def history(log: list[dict[str, object]], model: str) -> list[Deed]:
    """Tell what made the weights of *model*, from the first adapter on."""
    mine = [entry for entry in log if entry["model"] == model]
    first, *rest = mine
    source = first["parameters"]
    # The log is JSON: what is a dictionary there has text for keys.
    before = [_deed(first)]
    if isinstance(source, dict):
        before = history_of_checkpoint(log, str(cast("dict[str, object]", source)["path"]))
    return before + [_deed(entry) for entry in rest if entry["kind"] in {"forward", "forward_backward", "optim_step"}]


def history_of_checkpoint(log: list[dict[str, object]], path: str) -> list[Deed]:
    """Tell what made the weights of a checkpoint."""
    model, _, name = path.removeprefix("tinker://").partition("/weights/")
    place = next(
        place
        for place, entry in enumerate(log)
        if entry["model"] == model and entry["kind"] == "save_weights" and entry["parameters"] == {"name": name}
    )
    return history(log[:place], model)


def _deed(entry: dict[str, object]) -> Deed:
    parameters = None if entry["parameters"] is None else json.dumps(entry["parameters"], sort_keys=True)
    weights = entry["weights"]
    return Deed(str(entry["kind"]), _text(entry["batch"]), parameters, _text(weights))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
