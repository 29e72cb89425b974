"""The reader of R's lazy-load data base."""

import struct
import zlib
from pathlib import Path

import pytest

from benchmarks.pretrain.novels import read_novels


def pack_novel(lines: list[str]) -> bytes:
    """Write one character vector as R does: a header with the encoding's name, the vector, its strings; then compress."""
    strings = [
        (b"\x00\x04\x00\x09" if line.isascii() else b"\x00\x00\x80\x09")
        + struct.pack(">i", len(line.encode()))
        + line.encode()
        for line in lines
    ]
    header = b"X\n" + struct.pack(">3i", 3, 0x040201, 0x030500) + struct.pack(">i", 5) + b"UTF-8"
    serialized = header + struct.pack(">2i", 16, len(lines)) + b"".join(strings)
    return struct.pack(">i", len(serialized)) + zlib.compress(serialized)


def test_novels_come_in_order_with_their_paragraphs(tmp_path: Path) -> None:
    """Hard line breaks and italics are the printer's; paragraphs and accents are the author's."""
    database = tmp_path / "Rdata.rdb"
    first = pack_novel(["EMMA", "", "She was _very_", "fond of her", "", "", "naïve café."])
    database.write_bytes(first + pack_novel(["PERSUASION"]))
    assert read_novels(database) == ["EMMA\n\nShe was very fond of her\n\nnaïve café.", "PERSUASION"]


def test_another_kind_of_data_is_refused(tmp_path: Path) -> None:
    """Numbers read as text would quietly spoil the training."""
    database = tmp_path / "Rdata.rdb"
    serialized = struct.pack(">6i", 0, 16, 2, 7, 7, 7)
    database.write_bytes(struct.pack(">i", len(serialized)) + zlib.compress(serialized))
    with pytest.raises(ValueError, match="expected a string at byte 12"):
        read_novels(database)
