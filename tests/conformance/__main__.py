"""Run every test that carries a scenario's id and print the account: ``python -m tests.conformance``.

With ``--whole`` the rest of the suite runs too, so that whoever wants both, as CI does, runs nothing twice. What else is
given goes to pytest. Exit status 1 when a test fails, when ids contradict each other, or when a catalogue named by
``--complete`` has a scenario without an account.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from tests.conformance.tally import (
    Account,
    ConformanceError,
    describe,
    read_named_tests,
    read_verdicts,
    take_account,
)

ROOT = Path(__file__).parents[2]


@attrs.frozen
class Catalogue:
    """A list of scenario ids, the mark that names them, and the page with the verdicts."""

    mark: str
    ids: Path
    page: Path


TINKEX = Catalogue("tinkex", ROOT / "tests/conformance/tinkex-ids.txt", ROOT / "docs/design/parity.md")
OTP = Catalogue("otp", ROOT / "tests/conformance/otp-ids.txt", ROOT / "docs/design/otp.md")


@attrs.define(eq=False)
class MarkedTests:
    """A pytest plugin: remember which scenarios passed in all of their tests, by mark or by name, and run no others."""

    named: Mapping[str, set[str]]
    """Tests that the page of tinkex names, each with its ids."""

    is_whole: bool
    """Whether tests of no scenario run too."""

    owed: dict[str, set[tuple[str, str]]] = attrs.field(factory=dict[str, set[tuple[str, str]]])
    failed: set[tuple[str, str]] = attrs.field(factory=set[tuple[str, str]])
    passed: set[tuple[str, str]] = attrs.field(factory=set[tuple[str, str]])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            scenarios = {
                (catalogue.mark, str(scenario))
                for catalogue in (TINKEX, OTP)
                for mark in item.iter_markers(catalogue.mark)
                for scenario in mark.args
            }
            scenarios |= {(TINKEX.mark, scenario) for scenario in self.named.get(item.nodeid.partition("[")[0], ())}
            if scenarios:
                self.owed[item.nodeid] = scenarios
        if not self.is_whole:
            items[:] = [item for item in items if item.nodeid in self.owed]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        scenarios = self.owed.get(report.nodeid, set())
        if report.failed:
            self.failed |= scenarios
        elif report.when == "call" and report.passed:
            self.passed |= scenarios

    def kept(self, mark: str) -> frozenset[str]:
        return frozenset(scenario for name, scenario in self.passed - self.failed if name == mark)


def read_account(catalogue: Catalogue, kept: frozenset[str]) -> tuple[list[str], Account]:
    """Compare one catalogue with what the tests kept."""
    ids = catalogue.ids.read_text().split()
    page = catalogue.page.read_text() if catalogue.page.exists() else ""
    return ids, take_account(ids, passed=kept, verdicts=read_verdicts(page))


def main() -> int:
    """Print both accounts, the OTP line last."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--complete", action="append", default=[], choices=["otp", "tinkex"])
    parser.add_argument("--whole", action="store_true", help="run the tests of no scenario too")
    options, rest = parser.parse_known_args()
    complete: list[str] = options.complete
    page = TINKEX.page.read_text() if TINKEX.page.exists() else ""
    tests = MarkedTests(read_named_tests(page), is_whole=options.whole)
    arguments = ["--quiet", "--no-header", "-p", "no:cacheprovider", *rest, str(ROOT / "tests")]
    status = pytest.main(arguments, plugins=[tests])
    missing = 0
    try:
        for catalogue in (TINKEX, OTP):
            ids, account = read_account(catalogue, tests.kept(catalogue.mark))
            missing += len(account.missing) if catalogue.mark in complete else 0
            print(f"\n{describe(catalogue.mark, ids, account)}")
    except ConformanceError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 1
    return 1 if missing or status not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} else 0


if __name__ == "__main__":
    sys.exit(main())
