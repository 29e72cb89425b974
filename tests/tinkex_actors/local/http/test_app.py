"""What holds for every route."""

from pathlib import Path

import pytest
import zstandard
from structlog.testing import capture_logs

from tests.tinkex_actors.local.site import open_site
from tinkex_actors.local.limits import Limits


@pytest.mark.parametrize("key", ["", "sk-1"])
async def test_without_a_key_nothing_is_read(tmp_path: Path, key: str) -> None:
    """The answer says what to send."""
    async with open_site(tmp_path) as site:
        refused = await site.send("POST", "create_session", b"{", x_api_key=key)
        assert (refused.status, "tml-" in refused.detail) == (401, True)


async def test_with_keys_configured_another_key_is_refused(tmp_path: Path) -> None:
    """Whoever can reach the server needs one of them."""
    async with open_site(tmp_path, keys=("tml-right",)) as site:
        assert (await site.get("get_server_capabilities")).status == 401
        site.key = "tml-right"
        assert (await site.get("get_server_capabilities")).status == 200


async def test_health_needs_no_key(tmp_path: Path) -> None:
    """Supervisors of processes have none."""
    async with open_site(tmp_path) as site:
        healthy = await site.send("GET", "healthz", x_api_key="")
        assert healthy.json == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nowhere", b"", 404),
        ("PUT", "create_session", b"", 405),
        ("POST", "create_session", b"", 422),
        ("POST", "create_session", b"{", 422),
        ("POST", "create_session", b"[]", 422),
        ("POST", "create_session", b"\xff\xfe", 422),
        ("POST", "forward_backward", b"\xff\xfe", 422),
        ("POST", "telemetry", b"", 422),
        ("POST", "retrieve_future", b'{"request_id": 5}', 422),
        ("POST", "retrieve_future", b'{"request_id": "x"}', 404),
        ("GET", "samplers/x", b"", 404),
    ],
)
async def test_every_refusal_is_json_with_a_reason_and_a_length(
    tmp_path: Path, method: str, path: str, body: bytes, status: int
) -> None:
    """An error without a length makes the official client retry for minutes."""
    async with open_site(tmp_path) as site:
        refused = await site.send(method, path, body)
        assert refused.status == status
        assert refused.detail
        assert int(refused.headers["content-length"]) == len(refused.body)


async def test_compressed_bodies_are_unpacked(tmp_path: Path) -> None:
    """Clients compress training data when told to."""
    async with open_site(tmp_path) as site:
        packed = zstandard.compress(b'{"sdk_version": "0.38.0"}')
        assert (await site.send("POST", "client/config", packed, content_encoding="zstd")).status == 200
        assert (await site.send("POST", "client/config", b"xx", content_encoding="zstd")).status == 400
        assert (await site.send("POST", "client/config", packed, content_encoding="br")).status == 400


async def test_bodies_beyond_the_limit_are_refused_packed_and_unpacked(tmp_path: Path) -> None:
    """A few bytes may unpack to gigabytes."""
    limits = Limits(max_body_bytes=1000, max_decompressed_bytes=5000)
    async with open_site(tmp_path, limits=limits) as site:
        assert (await site.send("POST", "telemetry", b"{" * 1001)).status == 413
        assert (await site.send("POST", "telemetry", b"{" * 9000)).status == 413
        bomb = zstandard.compress(b"{" * 6000)
        assert (await site.send("POST", "telemetry", bomb, content_encoding="zstd")).status == 413


async def test_a_bug_is_answered_and_shown_to_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client learns that it is not its fault; the traceback goes on to the server's log."""
    async with open_site(tmp_path) as site:
        monkeypatch.setattr(site.service, "bases", None)
        with pytest.raises(AttributeError):
            await site.get("get_server_capabilities")


async def test_clients_are_told_the_flags_and_the_models(tmp_path: Path) -> None:
    """What a client asks before anything else."""
    async with open_site(tmp_path) as site:
        config = (await site.post("client/config", sdk_version="0.38.0")).json
        assert config["pjwt_auth_enabled"] is False
        assert (await site.post("client/dynamic_config", sdk_version="0.38.0")).json["refresh_interval_sec"] == 300
        models = (await site.get("get_server_capabilities")).json["supported_models"]
        assert models == [{"model_name": "random", "max_context_length": 64, "trainable": True, "sampleable": True}]
        assert (await site.post("telemetry", events=[])).json == {"status": "accepted"}


async def test_the_access_log_has_a_line_for_each_request_and_never_a_key(tmp_path: Path) -> None:
    """Method, path, status, size, duration."""
    async with open_site(tmp_path) as site:
        site.service.logs_requests = True
        with capture_logs() as lines:
            await site.get("get_server_capabilities")
            await site.get("samplers/nobody")
        assert [(line["method"], line["path"], line["status"]) for line in lines] == [
            ("GET", "/api/v1/get_server_capabilities", 200),
            ("GET", "/api/v1/samplers/nobody", 404),
        ]
        assert site.key not in str(lines)
