"""Downloads as people use them: whole folders, continued, never half, never over what is there."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tinkex_actors.cli.inside import Stage
from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.cli._extract import extract

Pack = Callable[[tarfile.TarFile], None]


@pytest.mark.tinkex("T143")
def test_a_training_checkpoint_comes_as_an_adapter_that_others_load(stage: Stage, tmp_path: Path) -> None:
    """Exported for the while, fetched file by file, and the export deleted."""
    told = stage.tinkex("checkpoint", "download", stage.state, "-o", tmp_path / "adapter", "--json")

    assert told.status == 0, told.err
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(told.document["files"])
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["r"] == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["adapter"]
    assert "external" not in stage.tinkex("checkpoint", "list", "--limit", 0).out


@pytest.mark.tinkex("T143")
def test_a_folder_that_is_there_is_replaced_only_by_force(stage: Stage, tmp_path: Path) -> None:
    """And only when the new one is whole."""
    target = tmp_path / "adapter"
    target.mkdir()
    (target / "mine").write_text("precious")

    refused = stage.tinkex("checkpoint", "download", stage.state, "-o", target)
    kept = (target / "mine").exists()
    forced = stage.tinkex("checkpoint", "download", stage.state, "-o", target, "--force")

    assert (refused.status, kept) == (1, True)
    assert "--force" in refused.err
    assert forced.status == 0, forced.err
    assert not (target / "mine").exists()
    assert (target / "adapter_config.json").exists()


@pytest.mark.tinkex("T143")
def test_what_is_not_there_leaves_the_old_folder_alone(stage: Stage, tmp_path: Path) -> None:
    """--force does not delete before there is something else."""
    target = tmp_path / "adapter"
    target.mkdir()
    (target / "mine").write_text("precious")

    told = stage.tinkex("checkpoint", "download", stage.state.replace("first", "never"), "-o", target, "--force")

    assert told.status == 1
    assert (target / "mine").read_text() == "precious"


def test_sampler_weights_come_as_an_archive_unpacked(stage: Stage, tmp_path: Path) -> None:
    """From servers that pack archives."""
    told = stage.tinkex("checkpoint", "download", stage.sampler, "-o", tmp_path / "sampler", "--json")

    assert told.status == 0, told.err
    assert not [name for name in told.document["files"] if name.endswith(".tar")]


def _archive(folder: Path, pack: Pack, *, is_packed: bool = False) -> Path:
    file = folder / "a.tar"
    opened = tarfile.open(file, "w:gz") if is_packed else tarfile.open(file, "w")  # noqa: SIM115 - closed below
    with opened as packed:
        pack(packed)
    (folder / "out").mkdir()
    return file


def _file(name: str, content: bytes = b"x", **fields: object) -> Pack:
    def pack(packed: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for field, value in fields.items():
            setattr(member, field, value)
        packed.addfile(member, io.BytesIO(content))

    return pack


def _both(*packs: Pack) -> Pack:
    def pack(packed: tarfile.TarFile) -> None:
        for one in packs:
            one(packed)

    return pack


def test_plain_files_are_unpacked_with_ordinary_permissions(tmp_path: Path) -> None:
    """Not the archive's: a file from elsewhere is nobody's program."""
    file = _archive(tmp_path, _file("deep/er/weights", b"abc", mode=0o6777))

    (found,) = extract(file, tmp_path / "out")

    assert found.read_bytes() == b"abc"
    assert found == tmp_path / "out" / "deep" / "er" / "weights"
    assert found.stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize(
    ("pack", "words"),
    [
        (_file("../escape"), "outside of its folder"),
        (_file("/etc/escape"), "outside of its folder"),
        (_file("a/../../escape"), "outside of its folder"),
        (_file("..\\escape"), "outside of its folder"),
        (_file("c:\\escape"), "outside of its folder"),
        (_file("link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link or a device"),
        (_file("link", b"", type=tarfile.LNKTYPE, linkname="../x"), "a link or a device"),
        (_file("null", b"", type=tarfile.CHRTYPE), "a link or a device"),
        (_file("pipe", b"", type=tarfile.FIFOTYPE), "a link or a device"),
        (_both(_file("twice"), _file("twice", b"other")), "broken"),
    ],
)
def test_an_archive_that_reaches_out_is_refused(tmp_path: Path, pack: Pack, words: str) -> None:
    """Traversal, links, devices, and names that come twice."""
    file = _archive(tmp_path, pack)

    with pytest.raises(CommandFailed, match=words):
        extract(file, tmp_path / "out")
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.tar", "out"}


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """A few kilobytes that unpack to a disk full of zeros."""
    file = _archive(tmp_path, _file("zeros", bytes(80 << 20)), is_packed=True)

    with pytest.raises(CommandFailed, match="more than a checkpoint has"):
        extract(file, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08broken"])
def test_what_is_no_archive_is_said(tmp_path: Path, content: bytes) -> None:
    """A proxy's error page, or half a file."""
    (tmp_path / "a.tar").write_bytes(content)

    with pytest.raises(CommandFailed, match="no archive"):
        extract(tmp_path / "a.tar", tmp_path)
