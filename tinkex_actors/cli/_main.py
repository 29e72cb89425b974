"""The commands there are, and what becomes of an error: one sentence and an exit status.

Exit status 0 done, 1 failed, 2 wrong command line, 130 interrupted. A traceback appears only with ``--debug``.
"""

import sys
from collections.abc import Sequence

import click

from tinkex_actors.cli._groups import Branch, LazyGroup, Leaf

_CLI = "tinkex_actors.cli."
_CHECKPOINTS = _CLI + "checkpoints"
_PATH = "tinker://RUN/weights/final"

COMMANDS: dict[str, Leaf | Branch] = {
    "demo": Leaf(_CLI + "demo", "command", "Fine-tune a small model, crash it, see it go on.", "--steps 50"),
    "doctor": Leaf(_CLI + "doctor", "command", "Check key, network, server, clock and disk.", "--folder runs"),
    "sample": Leaf(_CLI + "sample", "command", "Sample from a base model or from saved weights.",
                   "--base-model Qwen/Qwen3-8B -p 'The sea' --stream"),
    "serve": Leaf(_CLI + "serve", "command", "Run the embedded Tinker-compatible server.", "--port 8000 --data state"),
    "model": Branch("Look at the models a server offers.", {
        "list": Leaf(_CLI + "models", "list_models", "List the base models a server offers.", "qwen --json"),
    }),
    "run": Branch("Train what a plan says, and look at training runs.", {
        "start": Leaf(_CLI + "run", "command", "Train what a plan says, or carry on with it.", "plan.toml"),
        "list": Leaf(_CLI + "runs", "list_runs", "List training runs, the newest first.", "--limit 0 --json"),
        "info": Leaf(_CLI + "runs", "info", "Show one training run.", "RUN"),
    }, otherwise="start"),
    "checkpoint": Branch("Look at checkpoints and put them in order.", {
        "list": Leaf(_CHECKPOINTS, "list_checkpoints", "List checkpoints, the newest first.", "--run-id RUN"),
        "info": Leaf(_CHECKPOINTS, "info", "Show one checkpoint.", _PATH),
        "create": Leaf(_CLI + "checkpoint_create", "command", "Make an adapter and save it as a checkpoint.",
                       "--base-model Qwen/Qwen3-8B --rank 32 --name begin"),
        "save": Leaf(_CLI + "checkpoint_save", "command", "Have a running tinkex run save now.", "runs/one"),
        "download": Leaf(_CLI + "checkpoint_download", "command", "Fetch a checkpoint's files into a folder.",
                         f"{_PATH} --output adapter"),
        "push-hf": Leaf(_CLI + "checkpoint_push", "command", "Upload a checkpoint to the Hugging Face Hub.",
                        f"{_PATH} --repo me/adapter"),
        "copy": Leaf(_CHECKPOINTS, "copy", "Copy a checkpoint into a project.", f"{_PATH} --project-id PROJECT"),
        "publish": Leaf(_CHECKPOINTS, "publish", "Let anybody load a checkpoint.", _PATH),
        "unpublish": Leaf(_CHECKPOINTS, "unpublish", "Let nobody else load a checkpoint.", _PATH),
        "set-ttl": Leaf(_CHECKPOINTS, "set_ttl", "Have a checkpoint deleted after a time, or never.",
                        f"{_PATH} --ttl 86400"),
        "delete": Leaf(_CLI + "checkpoint_delete", "command", "Delete checkpoints for good.",
                       "--run-id RUN --before 2026-11-01 --dry-run"),
    }),
    "session": Branch("Look at sessions.", {
        "list": Leaf(_CLI + "sessions", "list_sessions", "List the ids of sessions, the newest first.", "--limit 5"),
        "info": Leaf(_CLI + "sessions", "info", "Show a session's training runs and samplers.", "SESSION"),
        "search": Leaf(_CLI + "session_search", "command", "Search sessions by name, project or status.",
                       "poems --status active"),
        "export-trace": Leaf(_CLI + "session_trace", "command", "Have a session's trace built, and fetch it.",
                             "SESSION -o session.pftrace"),
        "set-project": Leaf(_CLI + "sessions", "set_project", "Move a session into a project.", "SESSION PROJECT"),
    }),
    "auth": Branch("Log in and out, and see as whom.", {
        "login": Leaf(_CLI + "auth", "login", "Keep an API key on this machine.", ""),
        "logout": Leaf(_CLI + "auth", "logout", "Forget the API key on this machine.", "--dry-run"),
        "status": Leaf(_CLI + "auth", "status", "Say whether the server takes your key.", "--json"),
        "whoami": Leaf(_CLI + "auth", "whoami", "Say whom the key stands for.", ""),
    }),
    "billing": Branch("Look at the organisation's usage, as an administrator.", {
        "usage": Leaf(_CLI + "billing", "usage", "Show usage by the hour, and what it costs.",
                      "2026-11-01 2026-11-08 --csv usage.csv"),
        "checkpoint-storage": Leaf(_CLI + "billing", "storage", "Show what is kept, by project and owner.", "--json"),
        "audit": Leaf(_CLI + "billing", "audit", "Show what was done in the organisation's name.", "--day 2026-11-01"),
    }),
    "observe": Leaf(_CLI + "observe", "command", "Show the page of a process, or of run folders.", "runs --open"),
    "top": Leaf(_CLI + "top", "command", "Show a running process in the terminal.", "runs"),
    "plot": Leaf(_CLI + "plot", "plot", "Draw the curves of one run, or of several.", "runs/one runs/two -o loss.png"),
    "export": Leaf(_CLI + "plot", "export", "Hand the numbers of a run to TensorBoard.", "runs/one --tensorboard logs"),
    "completion": Leaf(_CLI + "completion", "command", "Print what makes a shell complete commands.", "bash"),
    "version": Leaf(_CLI + "version", "command", "Print the version.", "--json"),
}  # fmt: skip

SECTIONS = {
    "Begin here": ("demo", "doctor", "auth"),
    "Train and sample": ("run start", "checkpoint save", "sample", "serve", "model"),
    "Watch a process": ("observe", "top", "plot", "export"),
    "Look up what the server keeps": ("run list", "run info", "session"),
    "Checkpoints": ("checkpoint",),
    "For administrators": ("billing",),
    "About this command": ("completion", "version"),
}
"""What the commands are for; a group's name stands for all of it that is named nowhere else."""

_EPILOG = (
    "Every command answers --help, with an example; those that show something answer --json. "
    "Settings: TINKER_API_KEY, TINKER_BASE_URL."
)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
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


tinkex.branch, tinkex.sections = Branch("", COMMANDS), SECTIONS


def main(arguments: list[str] | None = None) -> None:
    """Run the ``tinkex`` command and leave with its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    sys.exit(_run([one for one in given if one != "--debug"], debug="--debug" in given))


def _run(arguments: Sequence[str], *, debug: bool) -> int:
    try:
        status = tinkex.main(list(arguments), prog_name="tinkex", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as mistake:
        mistake.show()
        return mistake.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except (Exception, BaseExceptionGroup) as error:
        if isinstance(error, BaseExceptionGroup) and error.subgroup(KeyboardInterrupt) is not None:
            return 130
        if debug:
            raise
        from tinkex_actors.cli._errors import describe_failure  # noqa: PLC0415 - brings trio, which only failures need

        click.echo(f"tinkex: {describe_failure(error)}", err=True)
        return 1
    return status if isinstance(status, int) else 0
