"""The embedded server as a person starts it: a process, a real socket, real signals."""

import json
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.tinkex_actors.cli import inside
from tests.tinkex_actors.cli.process import read_line, running


def _post(url: str, body: object, *, key: str) -> tuple[int, object]:
    request = urllib.request.Request(  # noqa: S310 - the address is our own server's
        url, json.dumps(body).encode(), {"Content-Type": "application/json", "X-API-Key": key}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read())


def test_the_server_prints_one_line_and_stops_when_asked(tmp_path: Path) -> None:
    """Whoever starts it from a program reads that line and nothing else."""
    with running(["serve"], tmp_path) as process:
        url = read_line(process).strip()
        status, answer = _post(f"{url}/api/v1/client/config", {"sdk_version": "0.38.0"}, key="tml-local")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)

    assert url.startswith("http://127.0.0.1:")
    assert (status, isinstance(answer, dict)) == (200, True)
    assert (process.returncode, output, errors) == (0, "", "")


def test_requests_go_wrong_as_planned_and_are_logged_beside_the_address(tmp_path: Path) -> None:
    """Whoever tests a client of theirs starts the server so; stdout is still one line."""
    (tmp_path / "plan.toml").write_text(
        '[[fault]]\nkind = "status"\nroute = "POST client/config"\nstatus = 503\ncount = 1\n'
    )
    with running(["serve", "--faults", "plan.toml", "--log-requests"], tmp_path) as process:
        url = read_line(process).strip()
        answers = [
            _post(f"{url}/api/v1/client/config", {"sdk_version": "0.38.0"}, key="tml-local")[0] for _ in range(2)
        ]
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)

    assert answers == [503, 200]
    assert output == ""
    assert "client/config" in errors
    assert "tml-local" not in errors


def test_limits_and_flags_are_as_given(tmp_path: Path) -> None:
    """From a file and beside it; clients are told the flags and refused by the limits."""
    (tmp_path / "c.toml").write_text(
        "[limits]\nmax_models = 1\nmax_body_bytes = 300\n[flags]\nsample_no_retries = true\n"
    )
    with running(["serve", "--config", "c.toml", "--limit", "max_body_bytes=40"], tmp_path) as process:
        url = read_line(process).strip()
        _, told = _post(f"{url}/api/v1/client/config", {"sdk_version": "0.38.0"}, key="tml-local")
        status, refused = _post(f"{url}/api/v1/telemetry", {"events": ["x" * 40]}, key="tml-local")

    assert isinstance(told, dict)
    assert told["sample_no_retries"] is True
    assert (status, "40 bytes" in str(refused)) == (413, True)


def test_only_the_given_keys_are_accepted(tmp_path: Path) -> None:
    """A refused key is told in one sentence, by the server and by the demo; the key itself is never shown."""
    with running(["serve", "--api-key", "tml-right"], tmp_path) as process:
        url = read_line(process).strip()
        accepted, _ = _post(f"{url}/api/v1/client/config", {"sdk_version": "0.38.0"}, key="tml-right")
        refused, _ = _post(f"{url}/api/v1/client/config", {"sdk_version": "0.38.0"}, key="tml-wrong")
        demo = ["demo", "--base-url", url, "--base-model", "tinkex/tiny", "--out", "run"]
        told = inside.tinkex_in(tmp_path, *demo, TINKER_API_KEY="tml-wrong")

    assert (accepted, refused) == (200, 401)
    assert (told.status, len(told.err.splitlines())) == (1, 1), told.err
    assert "401" in told.err
    assert "tml-wrong" not in told.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--model", "nowhere"], 1, "nowhere"),
        (["--limit", "max_rank=many"], 2, "max_rank: expected an integer, got 'many'"),
        (["--flag", "x=1"], 2, "a flag must be one of"),
        (["--config", "nowhere.toml"], 1, "nowhere.toml"),
        (["--model", "name="], 2, "--model must be DIR or NAME=DIR, got 'name='"),
        (["--host", "0.0.0.0"], 2, "needs an API key"),  # noqa: S104 - refused
        (["--api-key", "secret"], 2, "tml-"),
        (["--data", "a-file"], 1, "a-file"),
        (["--faults", "a-file.toml"], 1, "a-file.toml"),
        (["--faults", "broken.toml"], 2, "expected a plan of faults"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, arguments: list[str], status: int, sentence: str) -> None:
    """What a person gets wrong is told to a person."""
    (tmp_path / "a-file").write_text("")
    (tmp_path / "broken.toml").write_text("fault = 3")

    told = inside.tinkex_in(tmp_path, "serve", *arguments)

    assert (told.status, told.out) == (status, ""), told.err
    assert sentence in told.err


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """The commonest reason why a server does not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = inside.tinkex_in(tmp_path, "serve", "--port", port)

    assert (told.status, len(told.err.splitlines())) == (1, 1), told.err
    assert str(port) in told.err
