"""Logging in and out: the key is checked, kept where only its owner reads it, and never shown."""

import json
import stat
from pathlib import Path

import pytest

from tests.tinkex_actors.cli.inside import KEY, Stage

SECRET = "tml-a-secret-that-nobody-may-see"  # noqa: S105 - a test's


def _home(path: Path) -> dict[str, str | None]:
    return {"HOME": str(path), "TINKER_API_KEY": None}


def test_a_key_is_kept_privately_and_used_from_then_on(stage: Stage, tmp_path: Path) -> None:
    """In the official command's file and format, so that either command finds it."""
    environ = _home(tmp_path)
    told = stage.tinkex("auth", "login", given=f"{SECRET}\n", environ=environ)
    file = tmp_path / ".tinker" / "credentials.json"
    kept = json.loads(file.read_text())

    assert told.status == 0, told.err
    assert (stat.S_IMODE(file.parent.stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o700, 0o600)
    assert kept["version"] == 1
    assert kept["keys"][kept["default"]] == {"type": "manual", "key": SECRET, "name": kept["default"]}
    assert stage.tinkex("model", "list", environ=environ).status == 0
    assert SECRET not in told.out + told.err


def test_a_second_login_and_a_second_logout_are_refused(stage: Stage, tmp_path: Path) -> None:
    """A key is not overwritten unseen."""
    environ = _home(tmp_path)

    assert stage.tinkex("auth", "login", given=f"{SECRET}\n", environ=environ).status == 0
    assert "holds a key already" in stage.tinkex("auth", "login", given=f"{SECRET}\n", environ=environ).err
    assert stage.tinkex("auth", "logout", environ=environ).status == 0
    assert "no key to forget" in stage.tinkex("auth", "logout", environ=environ).err
    assert SECRET not in (tmp_path / ".tinker" / "credentials.json").read_text()


def test_what_login_and_logout_say_in_json_and_a_logout_that_is_only_tried(stage: Stage, tmp_path: Path) -> None:
    """--dry-run says what would go, and it is still there afterwards."""
    environ, file = _home(tmp_path), str(tmp_path / ".tinker" / "credentials.json")
    came = stage.tinkex("auth", "login", "--json", given=f"{SECRET}\n", environ=environ).document
    tried = stage.tinkex("auth", "logout", "--dry-run", "--json", environ=environ).document
    went = stage.tinkex("auth", "logout", "--json", environ=environ).document

    assert came == {"name": came["name"], "path": file}
    assert tried == {"would_forget": came["name"], "would_delete_on_server": False}
    assert went == {"name": came["name"], "deleted_on_server": False}


@pytest.mark.parametrize("content", ["{", "[]", '{"keys": []}'])
def test_a_broken_file_is_named_and_not_overwritten(stage: Stage, tmp_path: Path, content: str) -> None:
    """It may hold other keys."""
    file = tmp_path / ".tinker" / "credentials.json"
    file.parent.mkdir()
    file.write_text(content)

    told = stage.tinkex("auth", "login", given=f"{SECRET}\n", environ=_home(tmp_path))

    assert told.status == 1
    assert str(file) in told.err
    assert file.read_text() == content


def test_status_tells_no_key_from_no_server(stage: Stage, tmp_path: Path) -> None:
    """Two different things to do about it; status 1 for scripts."""
    without = stage.tinkex("auth", "status", "--json", environ=_home(tmp_path))
    unreached = stage.tinkex("auth", "status", "--json", "--base-url", "http://127.0.0.1:9", "--timeout", 0.1)

    assert (without.status, without.document["credentials_available"]) == (1, False)
    assert (unreached.status, unreached.document["credentials_available"]) == (1, True)
    assert "127.0.0.1:9" in unreached.document["reason"]
    assert KEY not in unreached.out + unreached.err
