"""Runs as pictures: PNG or SVG by matplotlib, and a chart of characters for a terminal. Several runs lie over one another."""

# matplotlib leaves the keyword arguments of its drawing methods untyped.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from tinkex_actors.observer.run_files import RunFiles, Series

PictureFormat = Literal["png", "svg"]

PANELS: Mapping[str, str] = {
    "loss": "mean loss of a learned token, nats",
    "learning_rate": "learning rate",
    "tokens_per_second": "tokens a second",
}
"""What a picture shows when nothing else is asked for; a panel that no run has values for is left out."""

_MARKS = "●○◆◇▲△■□"
_PALETTE = ("#2f6fb0", "#c0562f", "#3d8b4f", "#8257a8", "#b08a2f", "#4aa3a2", "#a84f74", "#6b6f76")


def draw_picture(
    runs: Sequence[RunFiles], *, metrics: Sequence[str] = tuple(PANELS), kind: PictureFormat = "png"
) -> bytes:
    """Draw one panel for each metric that any run has, with a line for each run.

    Raises:
        ModuleNotFoundError: matplotlib is missing; it comes with ``tinkex-actors[demo]``.
        ValueError: No run has any of the metrics.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - half a second that only pictures pay

    shown = [(name, curves) for name in metrics if any((curves := _curves(runs, name)).values())]
    if not shown:
        raise ValueError(f"no run has any of {', '.join(metrics)}; see the columns of its metrics.jsonl")
    figure = Figure(figsize=(9.6, 1.2 + 3.2 * len(shown)), dpi=150, layout="constrained")
    for axes, (name, curves) in zip(figure.subplots(len(shown), squeeze=False)[:, 0], shown, strict=True):
        for place, (label, curve) in enumerate(curves.items()):
            axes.plot(curve.steps, curve.values, label=label, color=_PALETTE[place % len(_PALETTE)], linewidth=1.8)
        axes.set(xlabel="step", ylabel=PANELS.get(name, name))
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(runs) > 1 and name == shown[0][0]:
            axes.legend(frameon=False)
    image = io.BytesIO()
    figure.savefig(image, format=kind)
    return image.getvalue()


def draw_chart(runs: Sequence[RunFiles], metric: str = "loss", *, width: int = 80, height: int = 16) -> str:
    """Draw one metric of all runs in characters; a column shows the mean of the steps it covers.

    Raises:
        ValueError: No run has the metric.
    """
    curves = {label: curve for label, curve in _curves(runs, metric).items() if curve.steps}
    if not curves:
        raise ValueError(f"no run has {metric}; see the columns of its metrics.jsonl")
    low = min(min(curve.values) for curve in curves.values())
    high = max(max(curve.values) for curve in curves.values())
    last = max(curve.steps[-1] for curve in curves.values())
    columns = max(10, width - 12)
    grid = [[" "] * columns for _ in range(height)]
    for place, curve in enumerate(curves.values()):
        for column, value in _columns(curve, columns, last).items():
            row = round((high - value) / ((high - low) or 1) * (height - 1))
            grid[row][column] = _MARKS[place % len(_MARKS)]
    labels = {0: f"{high:.4g}", height - 1: f"{low:.4g}"}
    lines = [f"{labels.get(row, ''):>10} ┤{''.join(cells).rstrip()}" for row, cells in enumerate(grid)]
    legend = "  ".join(f"{_MARKS[place % len(_MARKS)]} {label}" for place, label in enumerate(curves))
    return "\n".join(
        [
            f"{PANELS.get(metric, metric)}: {legend}",
            *lines,
            f"{'':>10} └{'─' * columns}",
            f"{'':>12}0{last:>{columns - 1}}",
        ]
    )


def open_runs(folders: Sequence[Path]) -> list[RunFiles]:
    """Read the runs in these folders. Blocks.

    Raises:
        ValueError: One of them is no run's.
    """
    runs = [RunFiles(folder) for folder in folders]
    for run in runs:
        run.refresh()
        if not run.lines:
            raise ValueError(f"{run.path} has no steps; expected a run folder with a metrics.jsonl")
    return runs


def _curves(runs: Sequence[RunFiles], metric: str) -> dict[str, Series]:
    """Take the metric from each run, under a name that tells it from the others."""
    names = [run.name for run in runs]
    labels = [run.name if names.count(run.name) == 1 else str(run.path) for run in runs]
    return {label: curve for label, run in zip(labels, runs, strict=True) if (curve := run.series(metric)).steps}


def _columns(curve: Series, columns: int, last: int) -> dict[int, float]:
    found = dict[int, list[float]]()
    for step, value in zip(curve.steps, curve.values, strict=True):
        found.setdefault(min(columns - 1, step * columns // (last + 1)), []).append(value)
    return {column: sum(values) / len(values) for column, values in found.items()}
