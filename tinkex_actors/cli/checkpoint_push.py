"""``tinkex checkpoint push-hf``: a checkpoint's adapter on the Hugging Face Hub."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import trio

from tinkex_actors.cli._asking import TINKER_PATH, asks_server
from tinkex_actors.cli._fetch import Fetch
from tinkex_actors.cli._hub import Upload
from tinkex_actors.cli._output import Output, facts
from tinkex_actors.cli._words import say, say_yes
from tinkex_actors.cli.checkpoint_download import open_downloadable
from tinkex_actors.clients import RestClient
from tinkex_actors.clients.download import find_files
from tinkex_actors.types import ParsedCheckpointTinkerPath


@click.command("push-hf")
@asks_server
@click.argument("path", type=TINKER_PATH)
@click.option("-r", "--repo", show_default="named after base model and run", help="The repository, such as me/adapter.")
@click.option("--public", is_flag=True, help="Make a repository that everybody sees.")
@click.option("--revision", help="The branch; made if it is not there.")
@click.option("--commit-message", help="Of the commit.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing.")
@click.option("--allow-pattern", "allowed", multiple=True, help="Only files like this; may be given again.")
@click.option("--ignore-pattern", "ignored", multiple=True, help="No files like this; may be given again.")
@click.option("--no-model-card", is_flag=True, help="Write no README.md.")
async def command(  # noqa: PLR0913 - one parameter an option
    rest: RestClient,
    output: Output,
    *,
    path: ParsedCheckpointTinkerPath,
    repo: str | None,
    public: bool,
    revision: str | None,
    commit_message: str | None,
    create_pr: bool,
    allowed: tuple[str, ...],
    ignored: tuple[str, ...],
    no_model_card: bool,
) -> None:
    """Upload the checkpoint at PATH to the Hugging Face Hub, as an adapter that PEFT loads.

    A private repository, unless --public. One that holds another checkpoint is left alone.
    """
    upload = Upload(
        path=path,
        repo=repo,
        revision=revision,
        is_public=public,
        message=commit_message,
        is_pull_request=create_pr,
        allowed=allowed,
        ignored=ignored,
        has_card=not no_model_card,
    )
    told = await rest.get_weights_info_by_tinker_path(path.tinker_path)
    with TemporaryDirectory(prefix="tinkex-push-") as temporary:
        folder = Path(temporary) / "adapter"
        async with open_downloadable(rest, path) as tinker_path:
            await Fetch(rest, output, folder, partial(find_files, rest, tinker_path)).run()
        # Whoever interrupts does not wait for the hub: a commit is one request, made or not.
        repo_id, branch = await trio.to_thread.run_sync(upload.run, folder, told, abandon_on_cancel=True)
    document = {"checkpoint_path": path.tinker_path, "repo_id": repo_id, "revision": branch, "public": public}
    output.show(
        document,
        facts(
            {"Checkpoint": path.tinker_path, "Repository": repo_id, "Revision": say(branch), "Public": say_yes(public)}
        ),
    )
