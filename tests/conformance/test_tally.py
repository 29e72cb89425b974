import ast
import re
from pathlib import Path

import pytest

from tests.conformance.tally import (
    Account,
    ConformanceError,
    describe,
    read_named_tests,
    read_verdicts,
    take_account,
)

PAGE = """
| id | verdict | why |
|---|---|---|
| SU-36 | n/a | there are no callback modules |
| SU-72 | differs (D-1) | giving up is a crash |
| SU-73 is discussed elsewhere | | |
"""


def test_verdicts_are_read_from_the_table_rows_that_give_one() -> None:
    """Prose and other tables of the page must not be mistaken for verdicts."""
    assert read_verdicts(PAGE) == {"SU-36": "n/a", "SU-72": "differs"}


def test_every_id_lands_in_exactly_one_set() -> None:
    """The sum of the four sets is the catalogue."""
    account = take_account(["SU-1", "SU-36", "SU-72", "SU-9"], passed={"SU-1", "SU-72"}, verdicts=read_verdicts(PAGE))

    assert account == Account(frozenset({"SU-1"}), frozenset({"SU-72"}), frozenset({"SU-36"}), frozenset({"SU-9"}))
    assert account.accounted == 3


@pytest.mark.parametrize(
    ("passed", "complaint"),
    [
        ({"SU-72", "SU-404"}, "tests name scenarios that the list does not have: SU-404"),
        ({"SU-72", "SU-36"}, "called not applicable, yet a test keeps them: SU-36"),
        (set[str](), "no passing test shows how: SU-72"),
    ],
)
def test_contradictions_are_refused_by_name(passed: set[str], complaint: str) -> None:
    """A tally that glosses over a contradiction would count what is not there."""
    with pytest.raises(ConformanceError, match=complaint):
        take_account(["SU-36", "SU-72"], passed=passed, verdicts=read_verdicts(PAGE))


def test_a_scenario_has_one_verdict() -> None:
    """Two rows for one id would let the later one win unseen."""
    with pytest.raises(ConformanceError, match="SU-36 has two verdicts"):
        read_verdicts(PAGE + "| SU-36 | differs | no |")


def test_the_last_line_is_the_sum() -> None:
    """Other tools read that line."""
    ids = ["EX-01", "SU-01", "SU-02", "SU-36"]
    account = take_account(ids, passed={"EX-01", "SU-01"}, verdicts={"SU-36": "n/a"})

    text = describe("otp", ids, account).splitlines()

    assert text[-1] == "otp: 3 accounted (2 covered, 0 differing, 1 not applicable), 1 missing"
    assert text[2].split() == ["SU", "3", "1", "0", "1", "1"]


ROOT = Path(__file__).parents[2]
PARITY = (ROOT / "docs/design/parity.md").read_text()


def test_a_row_that_is_kept_names_its_tests() -> None:
    """By their file and name; one test may keep several rows."""
    page = "| F001 | kept | `a/test_b.py::test_c`, `tests/test_d.py::test_e` | x |\n| F002 | kept | `a/test_b.py::test_c` | y |"
    assert read_named_tests(page) == {
        "tests/tinkex_actors/a/test_b.py::test_c": {"F001", "F002"},
        "tests/test_d.py::test_e": {"F001"},
    }
    with pytest.raises(ConformanceError, match="F003 is said to be kept, but names no test"):
        read_named_tests("| F003 | kept | surely | z |")


def test_every_test_that_the_parity_page_names_exists() -> None:
    """A page may not promise what was renamed away."""
    for node in read_named_tests(PARITY):
        path, _, name = node.partition("::")
        functions = ast.walk(ast.parse((ROOT / path).read_text()))
        assert any(isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef)) and f.name == name for f in functions), node


def test_every_feature_and_fault_has_a_row() -> None:
    """Nothing is passed over in silence; the scenarios carry marks instead."""
    told = {scenario for ids in read_named_tests(PARITY).values() for scenario in ids} | set(read_verdicts(PARITY))
    ids = (ROOT / "tests/conformance/tinkex-ids.txt").read_text().split()
    assert not {scenario for scenario in ids if not scenario.startswith("T")} - told


def test_every_scenario_has_a_test_or_a_verdict() -> None:
    """Found here in a second, and not by the whole tally after minutes."""
    told = {scenario for ids in read_named_tests(PARITY).values() for scenario in ids} | set(read_verdicts(PARITY))
    ids = set((ROOT / "tests/conformance/tinkex-ids.txt").read_text().split())
    assert ids - told - marked() == set()
    assert (told | marked()) - ids == set()


def marked() -> set[str]:
    """Every id that a mark names."""
    marks = re.compile(r"mark\.tinkex\(([^)]*)\)")
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    return set(re.findall(r'"([A-Z]\d*-?\d+)"', " ".join(found for text in texts for found in marks.findall(text))))


def test_no_test_keeps_what_the_parity_page_calls_impossible() -> None:
    """Or the page would be wrong about one of the two."""
    impossible = {scenario for scenario, verdict in read_verdicts(PARITY).items() if verdict == "n/a"}
    assert marked() & impossible == set()


def test_a_row_that_differs_may_name_its_tests() -> None:
    """Beside the reason; one without is shown by a mark."""
    page = "| D3-01 | differs | for a reason; `a/test_b.py::test_c` | x |\n| T36 | differs | for a reason | |"
    assert read_named_tests(page) == {"tests/tinkex_actors/a/test_b.py::test_c": {"D3-01"}}
    assert read_verdicts(page) == {"D3-01": "differs", "T36": "differs"}
