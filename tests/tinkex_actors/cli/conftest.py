"""One server for all tests that only look."""

from collections.abc import Generator

import pytest

from tests.tinkex_actors.cli.inside import Stage, open_stage


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    """A server with a run and three checkpoints; tests that change it make their own."""
    with open_stage(tmp_path_factory.mktemp("stage")) as opened:
        yield opened
