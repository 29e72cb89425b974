"""``tinkex version``: of this distribution, of the protocol it speaks, and of what it runs on."""

import platform
from importlib.metadata import version

import click

from tinkex_actors.cli._asking import json_option, output_of
from tinkex_actors.cli._output import facts
from tinkex_actors.settings import SDK_VERSION


@click.command("version")
@json_option
def command(*, is_json: bool) -> None:
    """Print the version, and that of the protocol; --version prints the first alone, quicker."""
    document = {
        "tinkex_actors": version("tinkex-actors"),
        "tinker_protocol": SDK_VERSION,
        "trio": version("trio"),
        "python": platform.python_version(),
    }
    output_of(is_json=is_json).show(document, facts(document))
