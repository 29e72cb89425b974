"""Attacks on the last line of defence: secrets in every disguise they come in, and texts that only look like some."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.redaction import (
    MASK,
    is_secret_name,
    mask,
    mask_url,
    redact,
    redact_fields,
    redact_headers,
    redact_record,
    redact_text,
)

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
        (repr(f"a line\n{KEY}"), KEY),
        (repr("a line\napi_key=0a1b2c"), "0a1b2c"),
        (repr(f"x={JWT}".encode()), JWT),
        (f"jwt_{JWT}", JWT.split(".")[2]),
        (f"https://host/?token%3D{KEY}", KEY),
        ("https://hunter2@host/path", "hunter2"),
        ("https://me:hun@ter2@host/path", "ter2"),
        (r'{"password": "hun\"ter2"}', "ter2"),
        (json.dumps(json.dumps({"password": "hunter number 2"})), "number 2"),
        ("password='hunter number 2", "number 2"),
        ("Cookie: a=1; session=abc123; b=2", "abc123"),
        ('Authorization: Digest username="me", response="0a1b2c"', "0a1b2c"),
        ("clientSecret: 0a1b2c", "0a1b2c"),
        ('{"accessToken":"0a1b2c","myApiKey":"3d4e5f"}', "3d4e5f"),
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
        "an html-page and its keys, signed by its author",
        "see https://host/a?b=c@d#e",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    """A log that hides everything helps nobody."""
    assert redact_text(text) == text


# Letters that no key has; "h" before a key makes "html-…" of it.
BESIDE = st.text(st.characters(exclude_characters="h", codec="utf-8"), max_size=12)
DISGUISES = st.one_of(
    st.just(KEY),
    st.just(JWT),
    st.just(KEY.encode()),
    BESIDE.map(lambda before: f"{before}{KEY} {before}"),
    BESIDE.map(lambda before: f"{before}{KEY}".encode()),
    st.just(ValueError("refused", {"headers": [(b"x-api-key", KEY.encode())]})),
    BESIDE.map(lambda before: repr(repr(f"{before}\n{KEY}"))),
    st.just(f"https://{KEY}:x@host/"),
)


@given(
    st.recursive(
        DISGUISES,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text() | st.just(KEY) | st.just(KEY.encode()), inner, max_size=3)
            | st.tuples(inner)
            | st.builds(ValueError, inner)
        ),
        max_leaves=8,
    )
)
def test_no_nesting_and_no_neighbour_hides_a_key(value: Any) -> None:
    """Lists in mappings in tuples in errors, between any letters, as log fields and errors have them."""
    for told in (repr(redact(value)), redact_text(repr(value)), repr(redact_fields({"field": value}))):
        assert KEY not in told
        assert JWT not in told


@given(st.text(max_size=200))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    """A text passes several doors: nothing may grow or break at the second."""
    assert redact_text(redact_text(text)) == redact_text(text)


@pytest.mark.parametrize(
    "piece",
    ["_", "-a", "a_key_", "token ", 'token=\\"', "token=" + "\\" * 9, "eyJ", "://", "a@", "Bearer ", "cookie: ", "x-amz-", "key"],
)  # fmt: skip
def test_no_text_is_slow_to_redact(piece: str) -> None:
    """What a server sends may be logged; were the time not linear, this would take minutes."""
    redact_text("://" + piece * (150_000 // len(piece)))


def test_an_error_is_told_with_its_notes_and_a_traceback_without_secrets() -> None:
    """Notes are where context is added, and context quotes what was sent."""
    error = ValueError("refused")
    error.add_note(f"sent with {KEY}")

    assert redact(error) == "ValueError('refused'); sent with tml-***"


def test_a_record_of_the_standard_library_is_told_as_formatters_print_it() -> None:
    """Message, arguments, traceback, notes and extra fields of whatever library; the record itself is left alone."""
    error = ValueError(f"bad {KEY}")
    error.add_note(f"sent with {JWT}")
    record = logging.getLogger("httpx").makeRecord(
        "httpx", logging.INFO, __file__, 1, "sent %s", (f"x-api-key: {KEY}",), (ValueError, error, None),
        extra={"headers": {"authorization": "0a1b2c"}},
    )  # fmt: skip
    record.stack_info = f"Stack: log.info('{KEY}', stack_info=True)"

    told = redact_record(record)
    printed = logging.Formatter("%(message)s %(headers)s").format(told)

    assert printed.startswith(f"sent x-api-key: {MASK}")
    assert not any(secret in printed for secret in (KEY, JWT, "0a1b2c"))
    assert "ValueError: bad tml-***" in printed
    assert "stack_info=True" in printed
    assert record.args == (f"x-api-key: {KEY}",)


def test_a_record_whose_arguments_do_not_fit_is_still_told() -> None:
    """A bug in somebody's log line must not hide the line."""
    record = logging.makeLogRecord({"msg": "sent %d", "args": (KEY,)})

    assert redact_record(record).getMessage() == "sent %d ('tml-***',)"


def test_headers_that_only_sound_like_secrets_are_masked() -> None:
    """A user or a proxy may have called them anything; what helps to find a request stays."""
    told = redact_headers({
        "X-Our-Authority": "0a1b2c",
        "CF-Access-Client-Id": "0a1b2c",
        "x-idempotency-key": "tinkex-7",
        "x-request-id": f"7 {KEY}",
        "content-type": "application/json",
    })  # fmt: skip

    assert list(told.values()) == [MASK, MASK, "tinkex-7", "7 tml-***", "application/json"]


def test_a_setting_shows_that_a_secret_is_there_and_its_kind() -> None:
    """Whether a key is set is the first thing to know when it is refused."""
    assert [mask(""), mask(KEY), mask(JWT), mask("0a1b2c")] == ["''", "'tml-***'", "'eyJ***'", "'***'"]
    assert mask_url("http://me:hunter2@proxy:8080") == "'http://***@proxy:8080'"
    assert mask_url("me:hunter2@proxy:8080") == "'***@proxy:8080'"
    assert mask_url("http://me:hun/t@er#2@proxy") == "'http://***@proxy'"
    assert is_secret_name("HF_TOKEN")
    assert not is_secret_name("tokens")


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


@pytest.mark.parametrize("text", ["idempotency_key='S-1'", '{"X-Idempotency-Key": "S-1"}', "x-idempotency-key: S-1"])
def test_the_key_by_which_a_repeat_is_known_is_no_secret(text: str) -> None:
    """Whoever looks for one request in the logs of both sides looks for that."""
    assert redact_text(text) == text
    assert redact_text(f"{text}, api_key=0a1b2c") == f"{text}, api_key={MASK}"
