"""The loss curve of a run as a picture."""

# matplotlib leaves the keyword arguments of its drawing methods untyped.
# pyright: reportUnknownMemberType=false

import io
from collections.abc import Sequence

from tinkex_actors.daemon.run_folder import StepRecord


def plot_loss(records: Sequence[StepRecord], *, title: str, crashes: Sequence[int] = ()) -> bytes:
    """Draw the mean loss of each step.

    Args:
        records: In order of their steps; at least one.
        title: Stands above the curve.
        crashes: Steps during which an actor crashed; each gets a vertical line.

    Returns:
        A PNG image, 1,440 by 810 pixels.

    Raises:
        ModuleNotFoundError: matplotlib is missing; it comes with ``tinkex-actors[demo]``.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - half a second that only plots pay

    figure = Figure(figsize=(9.6, 5.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([r.step for r in records], [r.train_mean_nll for r in records], color="#2f6fb0", linewidth=2)
    for place, step in enumerate(crashes):
        label = "trainer crashed and came back" if place == 0 else None
        axes.axvline(step, color="#c0392b", linestyle="--", linewidth=1.2, label=label)
    axes.set(title=title, xlabel="step", ylabel="mean loss of a learned token, nats")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if crashes:
        axes.legend(frameon=False)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
