"""The account of scenarios: which a passing test keeps, which differ on purpose, which cannot apply, which are missing.

Pure: ids, verdicts and test results in, an account and its text out. The verdicts are the table rows of a design page,
``| SU-36 | n/a | why |`` or ``| SU-72 | differs | why |``; a scenario that differs on purpose still owes a test, by a mark
or by its name in the row.
"""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Literal

import attrs

Verdict = Literal["n/a", "differs"]
_ID = r"(?P<id>[A-Z]+\d*-?\d+[a-z]?)"
VERDICT_ROW = re.compile(rf"^\|\s*{_ID}\s*\|\s*(?P<verdict>n/a|differs)\b[^|]*\|\s*(?P<why>[^|]*\S)\s*\|")


TESTED_ROW = re.compile(rf"^\|\s*{_ID}\s*\|\s*(?P<verdict>kept|differs)\b[^|]*\|\s*(?P<tests>[^|]*\S)\s*\|")
NAMED_TEST = re.compile(r"`(?P<path>[\w/]+\.py)::(?P<name>test_\w+)`")
HOME = "tests/tinkex_actors/"
"""Where the tests lie that a page names by a shorter path."""


class ConformanceError(Exception):
    """The list of ids, the design page and the tests contradict each other."""


@attrs.frozen
class Account:
    """Every id of one catalogue in exactly one of four sets."""

    covered: frozenset[str]
    differing: frozenset[str]
    not_applicable: frozenset[str]
    missing: frozenset[str]

    @property
    def accounted(self) -> int:
        return len(self.covered) + len(self.differing) + len(self.not_applicable)

    def restricted_to(self, ids: AbstractSet[str]) -> "Account":
        return Account(self.covered & ids, self.differing & ids, self.not_applicable & ids, self.missing & ids)


def section_of(scenario: str) -> str:
    """``SU-47`` belongs to ``SU``, ``T31`` to ``T``."""
    match = re.match(r"[A-Z]+", scenario)
    if match is None:
        raise ConformanceError(f"expected an id such as SU-47 or T31, got {scenario!r}")
    return match.group()


def read_verdicts(page: str) -> dict[str, Verdict]:
    """Collect the table rows of a design page that give a verdict on one scenario."""
    verdicts: dict[str, Verdict] = {}
    for line in page.splitlines():
        row = VERDICT_ROW.match(line)
        if row is None:
            continue
        if row["id"] in verdicts:
            raise ConformanceError(f"{row['id']} has two verdicts")
        verdicts[row["id"]] = "n/a" if row["verdict"] == "n/a" else "differs"
    return verdicts


def read_named_tests(page: str) -> dict[str, set[str]]:
    """Collect the tests that a design page names, each with the ids of its rows.

    Raises:
        ConformanceError: A row names no test.
    """
    named: dict[str, set[str]] = {}
    for line in page.splitlines():
        if (row := TESTED_ROW.match(line)) is None:
            continue
        tests = NAMED_TEST.findall(row["tests"])
        if not tests and row["verdict"] == "kept":
            raise ConformanceError(f"{row['id']} is said to be kept, but names no test")
        for path, name in tests:
            whole = path if path.startswith("tests/") else HOME + path
            named.setdefault(f"{whole}::{name}", set()).add(row["id"])
    return named


def take_account(ids: Iterable[str], *, passed: AbstractSet[str], verdicts: Mapping[str, Verdict]) -> Account:
    """Put each id in its set.

    Raises:
        ConformanceError: A test or a verdict names an unknown id, a scenario is both kept and called not applicable,
            or one that differs on purpose has no passing test.
    """
    known = frozenset(ids)
    impossible = frozenset(i for i, verdict in verdicts.items() if verdict == "n/a")
    differing = frozenset(i for i, verdict in verdicts.items() if verdict == "differs")
    _refuse(passed - known, "tests name scenarios that the list does not have")
    _refuse(frozenset(verdicts) - known, "the design page names scenarios that the list does not have")
    _refuse(passed & impossible, "called not applicable, yet a test keeps them")
    _refuse(differing - passed, "said to differ on purpose, but no passing test shows how")
    covered = frozenset(passed) - differing
    return Account(covered, differing, impossible, known - covered - differing - impossible)


def _refuse(ids: AbstractSet[str], complaint: str) -> None:
    if ids:
        raise ConformanceError(f"{complaint}: {', '.join(sorted(ids))}")


def describe(name: str, ids: Iterable[str], account: Account) -> str:
    """One row a section, then the line with the sum."""
    ids = list(ids)
    sections = list(dict.fromkeys(section_of(i) for i in ids))
    rows = [f"{name:<8}{'scenarios':>10}{'covered':>9}{'differing':>11}{'n/a':>5}{'missing':>9}"]
    for section in sections:
        members = {i for i in ids if section_of(i) == section}
        part = account.restricted_to(members)
        counts = (len(part.covered), len(part.differing), len(part.not_applicable), len(part.missing))
        rows.append("{:<8}{:>10}{:>9}{:>11}{:>5}{:>9}".format(section, len(members), *counts))
    rows.append(summary(name, account))
    return "\n".join(rows)


def summary(name: str, account: Account) -> str:
    """The line that other tools read."""
    return (
        f"{name}: {account.accounted} accounted ({len(account.covered)} covered, {len(account.differing)} differing, "
        f"{len(account.not_applicable)} not applicable), {len(account.missing)} missing"
    )
