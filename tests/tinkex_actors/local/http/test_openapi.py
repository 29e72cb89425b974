"""The server's own document: complete, and true under schemathesis, which makes requests of it.

``OPENAPI_EXAMPLES`` says how many for each route (5 by default; ``make fuzz-server`` takes more).
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tests.tinkex_actors.local.site import KEY
from tinkex_actors.local.http.openapi import BODIES, make_document
from tinkex_actors.local.http.routes import KEYED, OPEN, PREFIX

EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "5"))
ROUTES = [*OPEN, *KEYED]
QUICK = ("long_poll=0.01", "gap_timeout=0.01", "max_models=100000", "max_samples=2", "max_request_tokens=50")
schemathesis: Any = import_module("schemathesis")  # Any: half of its types are unknown to pyright
_rules: Any = import_module("schemathesis.specs.openapi.checks")
CHECKS = [
    schemathesis.checks.not_a_server_error,
    _rules.status_code_conformance,
    _rules.content_type_conformance,
    _rules.response_schema_conformance,
]
UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.fixture(scope="module", name="url")
def url_fixture() -> Iterator[str]:
    """A server in a process of its own."""
    limits = [f"--limit={limit}" for limit in QUICK]
    with subprocess.Popen(
        [sys.executable, "-m", "tinkex_actors.cli", "serve", *limits], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture(scope="module", name="schema")
def schema_fixture(url: str) -> Any:
    """The document as schemathesis understands it; it refuses one that is wrong."""
    return schemathesis.openapi.from_url(f"{url}{PREFIX}openapi.json")


def test_every_route_is_described_with_what_it_reads() -> None:
    """No route is forgotten: whoever sends a body has a type for it."""
    document = make_document(OPEN, KEYED, PREFIX)
    for route in ROUTES:
        method, path = route.split(" ")
        described = document["paths"][PREFIX + path][method.lower()]
        assert described["summary"], route
        assert described["security"] == ([] if route in OPEN else [{"key": []}])
    silent = {route for route in ROUTES if not route.startswith(("GET", "DELETE")) and route not in BODIES}
    publish = "POST training_runs/{run_id}/checkpoints/{kind}/{name}/publish"
    assert silent == {"POST telemetry", "POST create_custom_loss", publish}


@pytest.mark.parametrize("route", ROUTES)
def test_what_the_document_says_holds(schema: Any, route: str) -> None:
    """No 5xx, and statuses, content types and bodies as described, whatever the document allows to be sent.

    Every refusal has a reason and a length.
    """
    method, path = route.split(" ")
    operation = schema[PREFIX + path][method]

    @given(case=operation.as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=UNHURRIED, database=None)
    def check(case: Any) -> None:
        response = case.call(headers={"X-API-Key": KEY}, timeout=30, allow_redirects=False)
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400 and response.status_code != 408:
            assert response.json()["detail"]
            assert int(response.headers["content-length"][0]) > 0

    check()


def test_the_server_is_still_well(url: str) -> None:
    """After all of that."""
    assert httpx.get(f"{url}{PREFIX}healthz").json() == {"status": "ok"}
