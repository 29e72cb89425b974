"""`tinkex_actors.types.model_input`: chunks, lengths, and growing an input."""

import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinker import types as sdk

from tinkex_actors.types import DmelChunk, EncodedTextChunk, ImageAssetPointerChunk, ImageChunk, ModelInput
from tinkex_actors.types.model_input import tensor_container_shape

IMAGE = ImageChunk(b"png!", "png", expected_tokens=4)


@pytest.mark.tinkex("T132")
def test_a_token_extends_text_and_follows_an_image() -> None:
    """Renderers build prompts token by token."""
    assert ModelInput.from_ints([1]).append_int(2) == ModelInput((EncodedTextChunk([1, 2]),))
    assert ModelInput((IMAGE,)).append_int(2) == ModelInput((IMAGE, EncodedTextChunk([2])))
    assert ModelInput.empty().append_int(2) == ModelInput.from_ints([2])


@pytest.mark.tinkex("T132")
def test_an_image_without_a_count_has_no_length() -> None:
    """A guess would shift every target after it."""
    assert ModelInput((IMAGE, EncodedTextChunk([1]))).length == 5
    for chunk in (ImageChunk(b"", "jpeg"), ImageAssetPointerChunk("asset", "png")):
        with pytest.raises(ValueError, match="expected_tokens"):
            _ = ModelInput((chunk,)).length


def test_only_text_turns_back_into_ints() -> None:
    """An image has no token ids."""
    assert ModelInput((EncodedTextChunk([1]), EncodedTextChunk([2, 3]))).to_ints() == [1, 2, 3]
    with pytest.raises(ValueError, match="ImageChunk"):
        ModelInput((IMAGE,)).to_ints()


def test_tokens_given_as_int32_are_not_copied() -> None:
    """The fast path of batches and prompts."""
    tokens = np.arange(3, dtype=np.int32)
    assert np.shares_memory(EncodedTextChunk(tokens).tokens, tokens)


def test_text_given_for_bytes_is_base64() -> None:
    """That is how JSON carries pictures, and how the official SDK reads them."""
    assert ImageChunk(base64.b64encode(b"\x00\xff").decode(), "png").data == b"\x00\xff"
    with pytest.raises(ValueError, match=r"base64|padding|alphabet"):
        ImageChunk("not base64!", "png")


def test_a_wrong_picture_is_refused() -> None:
    """Before it costs an upload."""
    gif: Any = "gif"
    with pytest.raises(ValueError, match="format must be one of png, jpeg, got 'gif'"):
        ImageChunk(b"", gif)
    with pytest.raises(ValueError, match="location must not be empty"):
        ImageAssetPointerChunk("", "png")


@given(
    st.binary(max_size=40)
    | st.lists(st.integers(0, 200), max_size=4).map(lambda s: bytes([254, 3, len(s), *[x & 127 for x in s]]))
)
def test_lengths_of_audio_agree_with_the_official_sdk(container: bytes) -> None:
    """Same header, same positions; where the SDK refuses, so do we."""
    try:
        expected = sdk.DmelChunk(dmel=container).length
    except ValueError:
        with pytest.raises(ValueError, match="tensor"):
            _ = DmelChunk(container).length
    else:
        assert DmelChunk(container).length == expected


def test_a_header_that_never_ends_or_has_no_side_is_refused() -> None:
    """Cut off in the middle of a number, or a scalar, whose length means nothing."""
    with pytest.raises(ValueError, match="expected a varint"):
        tensor_container_shape(bytes([0, 0x80]))
    with pytest.raises(ValueError, match="at least one side, got a scalar"):
        _ = DmelChunk(bytes([0, 0])).length


def test_a_bomb_in_the_header_of_audio_is_refused() -> None:
    """A rank of 2**63 must not become a loop."""
    with pytest.raises(ValueError, match="rank"):
        tensor_container_shape(bytes([0]) + b"\xff" * 8 + b"\x7f")
