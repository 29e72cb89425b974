"""Compressed answers: what was asked for, whole, and not larger than allowed."""

import gzip
import zlib
from collections.abc import Callable

import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.transport.coding import compress_zstd, decode_content

CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
}


@given(st.binary(max_size=3000), st.sampled_from(sorted(CODERS)))
def test_what_was_encoded_is_decoded(content: bytes, name: str) -> None:
    """In every coding that requests ask for."""
    assert decode_content({"content-encoding": name.upper()}, CODERS[name](content)) == content


def test_servers_deviate() -> None:
    """Deflate without its envelope, several members or frames in a row, one coding in another, none at all."""
    raw = zlib.compressobj(wbits=-15)
    assert decode_content({"content-encoding": "deflate"}, raw.compress(b"a") + raw.flush()) == b"a"
    assert decode_content({"content-encoding": "gzip"}, gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"
    assert decode_content({"content-encoding": "zstd"}, compress_zstd(b"a") + compress_zstd(b"b")) == b"ab"
    assert decode_content({"content-encoding": "gzip, zstd"}, compress_zstd(gzip.compress(b"a"))) == b"a"
    assert decode_content({"content-encoding": "gzip"}, b"") == b""
    assert decode_content({}, b"a") == b"a"


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd"])
def test_a_damaged_answer_is_a_typed_error(name: str) -> None:
    """Cut anywhere, or something else altogether."""
    whole = CODERS[name](bytes(range(256)) * 20)
    for cut in (*range(1, min(len(whole), 40)), len(whole) - 1):
        with pytest.raises(httpx.DecodingError):
            decode_content({"content-encoding": name}, whole[:cut])
    with pytest.raises(httpx.DecodingError):
        decode_content({"content-encoding": name}, b"<html>")


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd"])
def test_a_bomb_does_not_go_off(name: str) -> None:
    """A gigabyte of zeros is a few kilobytes; what is made of it stays near the limit."""
    bomb = CODERS[name](bytes(50_000_000))
    with pytest.raises(httpx.DecodingError, match="more than 1000 bytes"):
        decode_content({"content-encoding": name}, bomb, limit=1000)


def test_a_coding_nobody_asked_for_is_refused_without_being_shown() -> None:
    """As are codings upon codings."""
    with pytest.raises(httpx.DecodingError, match="not asked for"):
        decode_content({"content-encoding": "br"}, b"x")
    with pytest.raises(httpx.DecodingError, match="encoded 4 times"):
        decode_content({"content-encoding": "gzip,gzip,gzip,gzip"}, b"x")


def test_a_frame_that_wants_too_much_memory_is_refused() -> None:
    """The window is the sender's choice, up to what the specification has every decoder take."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=False)
    large = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = large.compress(bytes(range(256)) * 600_000) + large.flush()
    with pytest.raises(httpx.DecodingError):
        decode_content({"content-encoding": "zstd"}, frame)
