"""Jane Austen's six novels, read from the R package janeaustenr as Debian ships it.

The texts are in the public domain (the author died in 1817; the package took them from Project Gutenberg). The package
keeps them in R's lazy-load format, which needs no R to read: each entry is a big-endian length, then a zlib stream of
R's XDR serialization; a line of text is a CHARSXP, which is the flags ``00 04 00 09`` (or ``00 00 80 09`` when it is not
ASCII), a big-endian length and that many bytes of UTF-8.

Source: "Serialization Formats" in the manual *R Internals*.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_WORD = struct.Struct(">i")
_CHARSXP = (b"\x00\x04\x00\x09", b"\x00\x00\x80\x09")
_VECTOR_FLAGS = b"\x00\x00\x00\x10"


def read_novels(database: Path) -> list[str]:
    """Read every novel in an ``Rdata.rdb`` file, one string each, paragraphs separated by an empty line.

    Args:
        database: ``usr/lib/R/site-library/janeaustenr/data/Rdata.rdb`` of the Debian package r-cran-janeaustenr.

    Raises:
        ValueError: The file is not a lazy-load database of character vectors.
    """
    return [_join_paragraphs(_read_lines(entry)) for entry in _read_entries(database.read_bytes())]


def _read_entries(packed: bytes) -> Iterator[bytes]:
    """Yield the serialized values of a lazy-load database, in file order."""
    start = 0
    while start < len(packed):
        inflater = zlib.decompressobj()
        yield inflater.decompress(packed[start + _WORD.size :])
        start = len(packed) - len(inflater.unused_data)


def _read_lines(serialized: bytes) -> Iterator[str]:
    """Yield the strings of one serialized character vector."""
    at = serialized.find(_VECTOR_FLAGS) + len(_VECTOR_FLAGS)
    (count,) = _WORD.unpack_from(serialized, at)
    at += _WORD.size
    for _ in range(count):
        if serialized[at : at + 4] not in _CHARSXP:
            raise ValueError(
                f"expected a string at byte {at}, got {serialized[at : at + 4]!r}; is this janeaustenr's data?"
            )
        (size,) = _WORD.unpack_from(serialized, at + 4)
        at += 8
        yield serialized[at : at + size].decode()
        at += size


def _join_paragraphs(lines: Iterator[str]) -> str:
    """Undo the hard line breaks, keep the paragraphs, and drop the underscores that stand for italics."""
    text = "\n".join(line.strip() for line in lines).replace("_", "")
    paragraphs = (re.sub(r"\s+", " ", paragraph) for paragraph in re.split(r"\n{2,}", text))
    return "\n\n".join(paragraph.strip() for paragraph in paragraphs if paragraph.strip())
