"""``tinkex completion``: what a shell needs to complete the words of this command."""

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_TINKEX_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(*, shell: str) -> None:
    """Print what makes SHELL complete the words of this command.

    For bash: echo 'eval "$(tinkex completion bash)"' >> ~/.bashrc
    """
    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(root, {}, "tinkex", _VARIABLE).source())
