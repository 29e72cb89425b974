"""``tinkex plot`` and ``tinkex export``: what runs leave behind, as a picture, as a chart, and for other tools."""

from pathlib import Path
from typing import cast

import click

from tinkex_actors.cli._asking import json_option, output_of
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.observer.charts import PANELS, PictureFormat, draw_chart, draw_picture, open_runs
from tinkex_actors.observer.exporters import Exporter, TensorBoardLogger
from tinkex_actors.observer.run_files import RunFiles, Series

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_MOST_COLUMNS = 120


@click.command("plot")
@click.argument("folders", nargs=-1, required=True, type=_FOLDER, metavar="RUN...")
@click.option("-o", "--output", "out", type=click.Path(path_type=Path, dir_okay=False), help="Write a .png or .svg.",
              show_default="a chart on the terminal")  # fmt: skip
@click.option("-m", "--metric", "metrics", multiple=True,
              help="loss, learning_rate, tokens_per_second, or a column of metrics.jsonl; may be given again.")  # fmt: skip
@json_option
def plot(*, folders: tuple[Path, ...], out: Path | None, metrics: tuple[str, ...], is_json: bool) -> None:
    """Draw the curves of one run, or of several over one another."""
    runs = _open(folders)
    output = output_of(is_json=is_json)
    if out is not None:
        _write(out, runs, metrics or tuple(PANELS))
        output.done({"picture": str(out), "runs": [run.name for run in runs]}, f"written to {out}")
        return
    wanted = metrics or ("loss",)
    document = {run.name: {name: _points(run.series(name)) for name in wanted} for run in runs}
    try:
        width = min(_MOST_COLUMNS, output.errors.width)
        output.done({"runs": document}, "\n\n".join(draw_chart(runs, name, width=width) for name in wanted))
    except ValueError as fault:
        raise CommandFailed(str(fault)) from fault


@click.command("export")
@click.argument("folder", type=_FOLDER, metavar="RUN")
@click.option("--tensorboard", type=click.Path(path_type=Path, file_okay=False), required=True,
              help="The folder for TensorBoard's event files.")  # fmt: skip
@json_option
def export(*, folder: Path, tensorboard: Path, is_json: bool) -> None:
    """Hand the numbers of a run to TensorBoard."""
    (run,) = _open((folder,))
    exporter = Exporter(run, TensorBoardLogger(tensorboard))
    steps = exporter.push()
    exporter.close()
    output_of(is_json=is_json).done(
        {"run": run.name, "steps": steps, "folder": str(tensorboard)},
        f"{steps} steps of {run.name} are in {tensorboard}",
    )


def _open(folders: tuple[Path, ...]) -> list[RunFiles]:
    try:
        return open_runs(folders)
    except ValueError as fault:
        raise CommandFailed(str(fault)) from fault


def _points(curve: Series) -> dict[str, list[float]]:
    return {"steps": list(curve.steps), "values": list(curve.values)}


def _write(out: Path, runs: list[RunFiles], metrics: tuple[str, ...]) -> None:
    kind = out.suffix.removeprefix(".").lower()
    if kind not in {"png", "svg"}:
        raise click.UsageError(f"--output must end with .png or .svg, got {out.name}")
    try:
        picture = draw_picture(runs, metrics=metrics, kind=cast("PictureFormat", kind))
        out.write_bytes(picture)
    except ValueError as fault:
        raise CommandFailed(str(fault)) from fault
    except OSError as fault:
        raise CommandFailed(f"cannot write {out}: {fault.strerror}") from fault
