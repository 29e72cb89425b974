"""Reading request bodies: bounded as they travel and bounded when unpacked."""

from collections.abc import AsyncIterator

import zstandard

from tinkex_actors.local.limits import Limits
from tinkex_actors.local.refusals import BadRequest, TooLarge

_SWALLOWED = 4
"""How many times the limit is read on before the connection is left to itself: many clients only listen once all is sent."""


async def read_body(chunks: AsyncIterator[bytes], encoding: str | None, limits: Limits) -> bytes:
    """Collect and unpack a body.

    Args:
        chunks: Its parts as they arrive.
        encoding: The ``Content-Encoding`` header.
        limits: How long it may be.

    Raises:
        TooLarge: Longer than the limits allow, packed or unpacked.
        BadRequest: An unknown encoding, or data that does not unpack.
    """
    parts: list[bytes] = []
    size_bytes = 0
    async for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes <= limits.max_body_bytes:
            parts.append(chunk)
        elif size_bytes > _SWALLOWED * limits.max_body_bytes:
            break
    if size_bytes > limits.max_body_bytes:
        raise TooLarge(f"a request body may have {limits.max_body_bytes} bytes, got at least {size_bytes}; send less")
    body = b"".join(parts)
    if encoding in (None, "", "identity"):
        return body
    if encoding != "zstd":
        raise BadRequest(f"Content-Encoding must be zstd or absent, got {encoding!r}")
    return unpack_zstd(body, limits.max_decompressed_bytes)


def unpack_zstd(body: bytes, limit_bytes: int) -> bytes:
    """Decompress one zstd frame.

    Raises:
        TooLarge: It unpacks to more than *limit_bytes*; at most one byte more is ever held.
        BadRequest: It is no whole frame.
    """
    reader = zstandard.ZstdDecompressor().stream_reader(body)
    try:
        unpacked = reader.read(limit_bytes + 1)
    except zstandard.ZstdError as error:
        raise BadRequest(f"the body is no zstd frame: {error}") from error
    if len(unpacked) > limit_bytes:
        raise TooLarge(f"a request body may unpack to {limit_bytes} bytes, got more; send less")
    return unpacked
