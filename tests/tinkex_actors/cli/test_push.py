"""``tinkex checkpoint push-hf``: an adapter on the hub, in a repository that holds no other, or a sentence that says why not."""

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from tests.tinkex_actors.cli.fake_hub import FakeHub, open_fake_hub
from tests.tinkex_actors.cli.inside import Stage, Told
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._hub import check_adapter, repository_name


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[FakeHub]:
    """A hub that takes one key, which this machine has."""
    with open_fake_hub() as opened:
        # Read once, when huggingface_hub is imported.
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", opened.url)
        monkeypatch.setattr(
            huggingface_hub.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            opened.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setenv("HF_TOKEN", opened.token)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        yield opened


def _push(stage: Stage, *arguments: object, environ: Mapping[str, str | None] | None = None) -> Told:
    return stage.tinkex("checkpoint", "push-hf", stage.state, *arguments, environ=environ)


def test_an_adapter_is_on_the_hub_with_a_card_that_says_whence(stage: Stage, hub: FakeHub) -> None:
    """In a private repository named after base model and run, on a branch named after the checkpoint."""
    told = _push(stage, "--json")

    assert told.status == 0, told.err
    repo = f"me/{repository_name(f'tinker-tiny-{stage.run_id}')}"
    assert told.document == {
        "checkpoint_path": stage.state, "repo_id": repo, "revision": "weights-first", "public": False,
    }  # fmt: skip
    assert hub.repositories == {repo: True}
    files = hub.files[repo, "weights-first"]
    assert set(files) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == "tinkex/tiny"
    assert f"tinker_path: {stage.state}\n" in files["README.md"].decode()
    assert f'from_pretrained("{repo}"' in files["README.md"].decode()


def test_the_options_say_where_and_what(stage: Stage, hub: FakeHub) -> None:
    """Its own name, everybody's eyes, a message, no card, and only files of one kind."""
    told = _push(
        stage, "--repo", "them/mine", "--public", "--commit-message", "step 7", "--no-model-card",
        "--allow-pattern", "*.json",
    )  # fmt: skip

    assert told.status == 0, told.err
    assert hub.repositories == {"them/mine": False}
    assert set(hub.files["them/mine", "main"]) == {"adapter_config.json"}
    assert hub.commits[0]["summary"] == "step 7"


def test_a_pull_request_is_opened_instead_of_a_commit(stage: Stage, hub: FakeHub) -> None:
    """For repositories that somebody looks after."""
    told = _push(stage, "--repo", "them/theirs", "--create-pr")

    assert told.status == 0, told.err
    # Older clients of the hub ask for one with the commit.
    by_commit = {commit["repo"] for commit in hub.commits if "create_pr=1" in commit["query"]}
    assert by_commit | hub.pull_requests == {"them/theirs"}


def test_a_repository_with_another_checkpoint_is_left_alone(stage: Stage, hub: FakeHub) -> None:
    """The same one may be pushed again."""
    other = b"tinker_path: tinker://another/weights/one\n"
    hub.files["me/taken", "main"] = {"README.md": other}
    refused = _push(stage, "--repo", "me/taken")
    hub.files["me/mine", "main"] = {"README.md": f"tinker_path: {stage.state}\n".encode()}
    again = _push(stage, "--repo", "me/mine")

    assert (refused.status, refused.out) == (1, "")
    assert "me/taken holds another checkpoint, tinker://another/weights/one" in refused.err
    assert hub.files["me/taken", "main"] == {"README.md": other}
    assert again.status == 0, again.err


def test_without_a_key_or_with_a_wrong_one_nothing_is_made(stage: Stage, hub: FakeHub) -> None:
    """And what to do about it is in the sentence."""
    none = _push(stage, environ={"HF_TOKEN": None})
    wrong = _push(stage, environ={"HF_TOKEN": "hf_wrong"})

    assert none.status == wrong.status == 1
    assert none.err == wrong.err
    assert "hf auth login" in none.err
    assert "hf_wrong" not in wrong.err
    assert len(wrong.err.splitlines()) == 1
    assert hub.repositories == {}


@pytest.mark.parametrize("files", [{}, {"adapter_config.json": "{}"}, {"adapter_model.safetensors.age": "x"}])
def test_what_is_no_adapter_is_not_uploaded(tmp_path: Path, files: dict[str, Any]) -> None:
    """A repository without weights, or with encrypted ones, would look as if it could be used."""
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(CommandFailed, match="no adapter that others can load"):
        check_adapter(tmp_path, "a/model")


@pytest.mark.parametrize(
    ("words", "name"), [("tinker-a b:train:0", "tinker-a-b-train-0"), ("--x--y..", "x-y"), ("ü/ß", "")]
)
def test_a_repository_has_a_name_that_the_hub_takes(words: str, name: str) -> None:
    """Letters, digits and three signs, none of them at the ends."""
    assert repository_name(words) == name
