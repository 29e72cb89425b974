"""Attacks on the last line of defence: secrets in every disguise they come in, and texts that only look like some."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.redaction import MASK, redact, redact_text

KEY = "tml-4f9aXq_77-Zz"
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"no such key {KEY}", KEY),
        (f"({KEY})", KEY),
        (f"Authorization: Bearer {JWT}", JWT),
        (f"'{JWT}'", JWT),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("{'X-API-Key': 'sk-anything-else'}", "sk-anything-else"),
        ('{"api_key":"sk-anything-else"}', "sk-anything-else"),
        (json.dumps(json.dumps({"api_key": "sk-anything-else"})), "sk-anything-else"),
        ("[(b'x-api-key', b'sk-anything-else')]", "sk-anything-else"),
        ("api_key=sk-anything-else, rank=4", "sk-anything-else"),
        ("password = hunter2", "hunter2"),
        ("HF_TOKEN=hf_abcdef", "hf_abcdef"),
        ("aws_secret_access_key: abc/def+ghi", "abc/def+ghi"),
        ("https://me:hunter2@host/path", "hunter2"),
        ("https://store/f?X-Amz-Signature=0a1b2c&x=1", "0a1b2c"),
        ("https://store/f?sig=0a1b2c&x=1", "0a1b2c"),
        ("Cookie: session=abc123", "abc123"),
        ("CF-Access-Client-Secret: 0a1b2c", "0a1b2c"),
        ("X-Tinker-Weights-Access-Token: 0a1b2c", "0a1b2c"),
    ],
)
def test_a_secret_in_a_text_is_taken_out(text: str, secret: str) -> None:
    """By what it looks like, or by what it is called."""
    told = redact_text(text)

    assert secret not in told
    assert MASK in told


@pytest.mark.parametrize(
    "text",
    [
        "num_tokens=4096, tokens per second 12",
        "step 7 of 10: loss 1.25",
        "tinker://run:train:0/weights/000100",
        "https://tinker.thinkingmachines.dev/services/tinker-prod",
        "a tokenizer and its special_tokens",
        "tml- is how a key begins",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    """A log that hides everything helps nobody."""
    assert redact_text(text) == text


@given(
    st.recursive(
        st.just(KEY),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner),
        max_leaves=8,
    )
)
def test_no_nesting_hides_a_key(value: object) -> None:
    """Lists in mappings in tuples, as log fields and errors have them."""
    assert KEY not in repr(redact(value))


def test_what_is_named_like_a_secret_is_masked_whatever_it_holds() -> None:
    """In mappings by key, also where the value looks like nothing."""
    told = redact({"password": "x", "api_key": b"12", "token": ["a"], "rank": 4, "headers": {"Authorization": "y"}})

    assert told == {"password": MASK, "api_key": MASK, "token": MASK, "rank": 4, "headers": {"Authorization": MASK}}


def test_other_objects_are_told_by_their_words_and_bottomless_ones_end() -> None:
    """An object's repr may quote a key; a structure may hold itself."""
    endless: list[object] = []
    endless.append(endless)

    assert redact(ValueError(f"bad {KEY}")) == "ValueError('bad tml-***')"
    assert MASK in repr(redact(endless))
