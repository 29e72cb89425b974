"""Compressed content, both ways, and bounded: a small answer may claim to be a large one.

Httpx would decode what a server sends without a limit, and so would any client of a user's: here answers are taken as
they came, and decoded up to a size.
"""

import zlib
from collections.abc import Mapping

import httpx
import zstandard

ACCEPTED = "gzip, deflate, zstd"
"""What a request says it takes."""
MAX_DECODED_BYTES = 1 << 30
"""The largest answer after decoding."""

_ZSTD_LEVEL = 1
"""As small as level 3 within a few per cent, for two thirds of the time."""
_MAX_WINDOW_BYTES = 1 << 23
"""What a decoder of zstd must have at least, says RFC 8878; more would be the server's choice of our memory."""
_SLICE_BYTES = 1024
_GZIP, _ZLIB, _RAW = 31, 15, -15
_MAX_CODINGS = 3


def compress_zstd(content: bytes) -> bytes:
    """Write *content* as one frame of zstd. Lets other threads run."""
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(content)


def decode_content(headers: Mapping[str, str], content: bytes, *, limit: int = MAX_DECODED_BYTES) -> bytes:
    """Undo what ``content-encoding`` says.

    Raises:
        httpx.DecodingError: It is damaged, in a coding that was not asked for, or larger than *limit* bytes.
    """
    coding = headers.get("content-encoding")
    if not coding or not content:
        return content
    names = [name.strip().lower() for name in coding.split(",")]
    if len(names) > _MAX_CODINGS:
        raise httpx.DecodingError(f"the answer is encoded {len(names)} times")
    for name in reversed(names):
        content = _decode(name, content, limit)
    return content


def _decode(name: str, content: bytes, limit: int) -> bytes:
    try:
        match name:
            case "gzip" | "x-gzip":
                return _inflate(content, _GZIP, limit)
            case "deflate":
                # The specification says zlib; some servers send the bare stream.
                return _inflate(content, _ZLIB if content[0] & 0x0F == zlib.DEFLATED else _RAW, limit)
            case "zstd":
                return _unpack(content, limit)
            case "identity" | "":
                return content
            case _:
                raise httpx.DecodingError("the answer has a content-encoding that was not asked for")
    except (zlib.error, zstandard.ZstdError) as error:
        raise httpx.DecodingError(f"the answer is no whole {name}") from error


def _inflate(content: bytes, bits: int, limit: int) -> bytes:
    """Undo deflate; gzip may be several members, one behind the other."""
    whole = bytearray()
    while content:
        decoder = zlib.decompressobj(bits)
        whole += decoder.decompress(content, limit - len(whole) + 1)
        _check(len(whole), limit)
        if not decoder.eof:
            raise zlib.error("it ends too early")
        content = decoder.unused_data if bits == _GZIP else b""
    return bytes(whole)


def _unpack(content: bytes, limit: int) -> bytes:
    """Undo zstd; several frames may follow one another. Fed in slices, since one byte can become thirty thousand."""
    whole = bytearray()
    while content:
        decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()
        at = 0
        while at < len(content) and not decoder.eof:
            whole += decoder.decompress(content[at : at + _SLICE_BYTES])
            at += _SLICE_BYTES
            _check(len(whole), limit)
        if not decoder.eof:
            raise zstandard.ZstdError("it ends too early")
        content = decoder.unused_data + content[at:]
    return bytes(whole)


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise httpx.DecodingError(f"the answer has more than {limit} bytes after decoding")
