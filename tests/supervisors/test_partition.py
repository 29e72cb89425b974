"""Partitions: where a key goes, in every run, and how many there are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors._partition import Key, partitioned, stable_hash
from tests.supervisors.otp.actors import Diary, Part

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary())
KEYS = st.recursive(SCALARS, lambda keys: st.lists(keys, max_size=3).map(tuple), max_leaves=6)


def test_the_hash_of_a_key_never_changes() -> None:
    """These figures are a promise: what one version stored under a key, the next one must find."""
    figures: dict[Key, int] = {
        "user 42": 12317002385319586509,
        b"\x00": 15498455231004401563,
        7: 7695845615331770099,
        ("a", 1): 3799411710078162235,
        None: 6753767377493465268,
        2.5: 15281506909960001378,
        "": 2669058277339150580,
    }
    assert {key: stable_hash(key) for key in figures} == figures


@given(KEYS, KEYS)
def test_keys_are_told_apart_exactly_when_python_does(first: Key, second: Key) -> None:
    """Equal keys have one hash, also across number types; different ones differ (64 bits: no chance collision here)."""
    assert (stable_hash(first) == stable_hash(second)) == (first == second)


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), ((0, "a"), (0.0, "a")), (-0.0, 0)])
def test_equal_numbers_are_one_key(one: Key, other: Key) -> None:
    """As they are in a dict."""
    assert one == other
    assert stable_hash(one) == stable_hash(other)


@pytest.mark.parametrize(
    ("one", "other"), [("1", 1), ("a", b"a"), (("a", "b"), ("ab",)), ((), None), (("a",), "a"), (("1",), (1,))]
)
def test_different_kinds_are_different_keys(one: Key, other: Key) -> None:
    """Nothing is flattened or turned into text."""
    assert stable_hash(one) != stable_hash(other)


@pytest.mark.parametrize("key", [object(), ["a"], {"a": 1}, ("a", object())], ids=repr)
def test_a_key_without_a_stable_hash_is_refused(key: Any) -> None:
    """An address in memory would route differently in the next run, silently."""
    with pytest.raises(TypeError, match="a key must be a number, a string, bytes, None or a tuple"):
        stable_hash(key)


def test_a_spec_of_partitions_is_a_spec_like_any_other() -> None:
    """It can be declared, and reads back with numbers for names."""
    spec = partitioned("shards", lambda number: Part(Diary(), f"s{number}").spec(), partitions=3, max_restarts=7)
    assert [str(child.name) for child in spec.children] == ["0", "1", "2"]
    assert (spec.name, spec.max_restarts) == ("shards", 7)
