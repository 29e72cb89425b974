"""What a model reads: a list of chunks of text, images and audio.

Only text has a length known here for certain; an image counts as many positions as its author expects.
"""

from base64 import b64decode
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from attrs import evolve, field, frozen

from tinkex_actors.types._checks import INT32_MAX, integer, optional, text
from tinkex_actors.types.tensors import BY_ELEMENTS, TokenArray, brief, brief_list, to_tokens

ImageFormat = Literal["png", "jpeg"]
_IMAGE_FORMATS = ("png", "jpeg")

_CONSTANT_TENSOR = 254
_LAST_DTYPE = 7
_MAX_VARINT_BITS = 63
_MAX_RANK = 32


def _to_bytes(value: bytes | bytearray | memoryview | str) -> bytes:
    """Take bytes as they are and text as base64, which is how JSON carries them."""
    return b64decode(value, validate=True) if isinstance(value, str) else bytes(value)


def _image_format(_: Any, __: Any, value: Any) -> None:
    if value not in _IMAGE_FORMATS:
        raise ValueError(f"format must be one of {', '.join(_IMAGE_FORMATS)}, got {value!r}")


@frozen
class EncodedTextChunk:
    """Tokens."""

    tokens: TokenArray = field(converter=to_tokens, eq=BY_ELEMENTS, hash=False, repr=brief)
    """Token ids, int32, shape ``(length,)``. Lists are converted; an int32 array is kept without a copy."""

    @property
    def length(self) -> int:
        """Positions this chunk takes."""
        return int(self.tokens.size)


@frozen
class ImageChunk:
    """An image, inline."""

    data: bytes = field(converter=_to_bytes, repr=lambda data: f"<{len(data)} bytes>")
    """The encoded picture. Text is read as base64."""
    format: ImageFormat = field(validator=_image_format)
    """``"png"`` or ``"jpeg"``."""
    expected_tokens: int | None = field(default=None, validator=optional(integer(minimum=0, maximum=INT32_MAX)))
    """How many positions the author expects; the server refuses early when it counts otherwise."""

    @property
    def length(self) -> int:
        """Positions this chunk takes.

        Raises:
            ValueError: ``expected_tokens`` is unset.
        """
        return _expected_length(self.expected_tokens)


@frozen
class ImageAssetPointerChunk:
    """An image the server already has. For sampling only."""

    location: str = field(validator=text(empty=False))
    """Where the server finds it."""
    format: ImageFormat = field(validator=_image_format)
    """``"png"`` or ``"jpeg"``."""
    expected_tokens: int | None = field(default=None, validator=optional(integer(minimum=0, maximum=INT32_MAX)))
    """How many positions the author expects."""

    @property
    def length(self) -> int:
        """Positions this chunk takes.

        Raises:
            ValueError: ``expected_tokens`` is unset.
        """
        return _expected_length(self.expected_tokens)


@frozen
class DmelChunk:
    """Audio, as a serialized tensor of tokens whose first side counts positions."""

    dmel: bytes = field(converter=_to_bytes, repr=lambda data: f"<{len(data)} bytes>")
    """The serialized tensor. Text is read as base64."""

    @property
    def length(self) -> int:
        """Positions this chunk takes.

        Raises:
            ValueError: The header of the tensor is broken or it has no sides.
        """
        shape = tensor_container_shape(self.dmel)
        if not shape:
            raise ValueError("dmel must be a tensor of at least one side, got a scalar")
        return shape[0]


ModelInputChunk: TypeAlias = EncodedTextChunk | ImageChunk | ImageAssetPointerChunk | DmelChunk


def _to_chunks(chunks: Iterable[ModelInputChunk]) -> tuple[ModelInputChunk, ...]:
    return tuple(chunks)


@frozen
class ModelInput:
    """What a model reads, in order."""

    chunks: tuple[ModelInputChunk, ...] = field(default=(), converter=_to_chunks, repr=brief_list)
    """The pieces."""

    @classmethod
    def from_ints(cls, tokens: "Sequence[int] | TokenArray") -> "ModelInput":
        """Make an input of one text chunk. Give an int32 array where speed matters: a list costs a conversion."""
        return cls((EncodedTextChunk(tokens),))

    @classmethod
    def empty(cls) -> "ModelInput":
        """Make an input without a chunk."""
        return cls()

    @property
    def length(self) -> int:
        """Positions in all.

        Raises:
            ValueError: An image lacks ``expected_tokens``, or audio has a broken header.
        """
        return sum(chunk.length for chunk in self.chunks)

    def to_ints(self) -> list[int]:
        """Return the tokens of a text-only input.

        Raises:
            ValueError: A chunk is not text.
        """
        tokens: list[int] = []
        for chunk in self.chunks:
            if not isinstance(chunk, EncodedTextChunk):
                raise ValueError(f"to_ints needs text chunks only, got {type(chunk).__name__}")  # noqa: TRY004 - the SDK's class
            tokens += chunk.tokens.tolist()
        return tokens

    def append(self, chunk: ModelInputChunk) -> "ModelInput":
        """Return a new input with *chunk* at the end."""
        return evolve(self, chunks=(*self.chunks, chunk))

    def append_int(self, token: int) -> "ModelInput":
        """Return a new input with *token* at the end, in the last chunk if that is text."""
        last = self.chunks[-1] if self.chunks else None
        if not isinstance(last, EncodedTextChunk):
            return self.append(EncodedTextChunk([token]))
        return evolve(self, chunks=(*self.chunks[:-1], EncodedTextChunk([*last.tokens.tolist(), token])))


def _expected_length(expected_tokens: int | None) -> int:
    if expected_tokens is None:
        raise ValueError("the length of an image is unknown; set expected_tokens")
    return expected_tokens


def tensor_container_shape(container: bytes) -> tuple[int, ...]:
    """Read the shape from the header of a serialized tensor, without touching its elements.

    The header is an optional constant marker (254), a dtype byte (0 to 7), the rank and then each side, as base-128
    little-endian varints.

    Raises:
        ValueError: Cut short, an unknown dtype, or numbers beyond 63 bits.
    """
    start = 1 if container[:1] == bytes([_CONSTANT_TENSOR]) else 0
    if len(container) <= start or container[start] > _LAST_DTYPE:
        raise ValueError(f"expected the header of a tensor container, got {container[:4].hex() or 'nothing'}")
    rank, position = _read_varint(container, start + 1)
    if rank > _MAX_RANK:
        raise ValueError(f"expected a tensor container of rank <= {_MAX_RANK}, got rank {rank}")
    sides: list[int] = []
    for _ in range(rank):
        side, position = _read_varint(container, position)
        sides.append(side)
    return tuple(sides)


def _read_varint(container: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(container) and shift <= _MAX_VARINT_BITS:
        byte = container[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, position
        shift += 7
    raise ValueError("expected a varint in the header of the tensor container, got its end")
