"""The commands there are, and what becomes of an error: one sentence and an exit status.

Exit status 0 done, 1 failed, 2 wrong command line, 130 interrupted. A traceback appears only with ``--debug``.
"""

import sys

import click

from tinkex_actors.cli._groups import Branch, LazyGroup, Leaf

_CLI = "tinkex_actors.cli."
_CHECKPOINTS = _CLI + "checkpoints"

COMMANDS: dict[str, Leaf | Branch] = {
    "demo": Leaf(_CLI + "demo", "command", "Fine-tune a small model under supervision, crash it half-way, and watch it go on."),
    "serve": Leaf(_CLI + "serve", "command", "Run the embedded Tinker-compatible server."),
    "sample": Leaf(_CLI + "sample", "command", "Sample from a base model or from saved weights."),
    "model": Branch("Look at the models a server offers.", {
        "list": Leaf(_CLI + "models", "list_models", "List the base models, all or those with a word in their name."),
    }),
    "run": Branch("Train what a plan says, and look at training runs.", {
        "start": Leaf(_CLI + "run", "command", "Train what a plan says, and carry on where it was left; start may be left out."),
        "list": Leaf(_CLI + "runs", "list_runs", "List training runs, the newest first."),
        "info": Leaf(_CLI + "runs", "info", "Show one training run."),
    }, otherwise="start"),
    "checkpoint": Branch("Look at checkpoints and put them in order.", {
        "list": Leaf(_CHECKPOINTS, "list_checkpoints", "List checkpoints, the newest first."),
        "info": Leaf(_CHECKPOINTS, "info", "Show one checkpoint."),
        "publish": Leaf(_CHECKPOINTS, "publish", "Let anybody load a checkpoint."),
        "unpublish": Leaf(_CHECKPOINTS, "unpublish", "Let nobody else load a checkpoint."),
        "set-ttl": Leaf(_CHECKPOINTS, "set_ttl", "Have a checkpoint deleted after a time, or never."),
        "copy": Leaf(_CHECKPOINTS, "copy", "Copy a checkpoint into a project."),
        "save": Leaf(_CLI + "checkpoint_save", "command", "Have a running tinkex run save now."),
        "download": Leaf(_CLI + "checkpoint_download", "command", "Fetch a checkpoint's files into a folder."),
        "delete": Leaf(_CLI + "checkpoint_delete", "command", "Delete checkpoints for good."),
    }),
    "session": Branch("Look at sessions.", {
        "list": Leaf(_CLI + "sessions", "list_sessions", "List the ids of sessions, the newest first."),
        "info": Leaf(_CLI + "sessions", "info", "Show the training runs and samplers of a session."),
        "search": Leaf(_CLI + "session_search", "command", "Search sessions by name, project, metadata or status."),
        "export-trace": Leaf(_CLI + "session_trace", "command", "Have a session's trace built, and fetch it."),
        "set-project": Leaf(_CLI + "sessions", "set_project", "Move a session into a project."),
    }),
    "auth": Branch("Log in and out, and see as whom.", {
        "login": Leaf(_CLI + "auth", "login", "Keep an API key on this machine."),
        "logout": Leaf(_CLI + "auth", "logout", "Forget the API key on this machine."),
        "status": Leaf(_CLI + "auth", "status", "Say whether there is a key, and whether the server takes it."),
        "whoami": Leaf(_CLI + "auth", "whoami", "Say whom the key stands for."),
    }),
    "billing": Branch("Look at the organisation's usage, as an administrator.", {
        "usage": Leaf(_CLI + "billing", "usage", "Show what was used by the hour, and what it costs."),
        "checkpoint-storage": Leaf(_CLI + "billing", "storage", "Show what is kept now, by project and owner."),
        "audit": Leaf(_CLI + "billing", "audit", "Show what was done in the organisation's name on a day."),
    }),
    "observe": Leaf(_CLI + "observe", "command", "Show the page of a running process, or of run folders."),
    "top": Leaf(_CLI + "top", "command", "Show a running process in the terminal."),
    "plot": Leaf(_CLI + "plot", "plot", "Draw the curves of one run, or of several over one another."),
    "export": Leaf(_CLI + "plot", "export", "Hand the numbers of a run to TensorBoard."),
    "doctor": Leaf(_CLI + "doctor", "command", "Check key, network, server, clock and disk, and say what to do."),
    "completion": Leaf(_CLI + "completion", "command", "Print what makes a shell complete this command's words."),
    "version": Leaf(_CLI + "version", "command", "Print the version."),
}  # fmt: skip


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command answers --help; those that show something answer --json. Settings: TINKER_API_KEY, TINKER_BASE_URL.",
)
@click.version_option(package_name="tinkex-actors", message="tinkex %(version)s")
@click.option(
    "-f", "--format", "output", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="For people, or for programs; the same as --json behind a command.",
)  # fmt: skip
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of a failure; stands anywhere.")
@click.pass_context
def tinkex(ctx: click.Context, output: str) -> None:
    """Fine-tune and sample language models over the Tinker protocol, with every part supervised."""
    ctx.obj = output


tinkex.branch = Branch("", COMMANDS)


def main(arguments: list[str] | None = None) -> None:
    """Run the ``tinkex`` command and leave with its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    try:
        status = tinkex.main([a for a in given if a != "--debug"], prog_name="tinkex", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as mistake:
        mistake.show()
        sys.exit(2 if isinstance(mistake, click.UsageError) else 1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        from tinkex_actors.cli._errors import describe_failure  # noqa: PLC0415 - brings trio, which only failures need

        click.echo(f"tinkex: {describe_failure(error)}", err=True)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)
