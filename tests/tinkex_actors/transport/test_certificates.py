"""Whom a client trusts and how it shows who it is: by settings, checked at the door."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from attrs import evolve

from tests.tinkex_actors.transport.lean.stage import Guest, open_stage, serve_ok
from tests.tinkex_actors.transport.lean.test_tls import client_side, server_side
from tinkex_actors.settings import Settings
from tinkex_actors.transport.bottom import open_bottom
from tinkex_actors.transport.seam import Body, Lane, Route
from tinkex_actors.types.errors import APIConnectionError

HOT = Route(name="asample", path="/api/v1/asample", lane=Lane.SAMPLE)
COLD = Route(name="create_session", path="/api/v1/create_session")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def settings_for(url: str, **more: Any) -> Settings:
    return Settings.from_environ({}, api_key="tml-x", base_url=url, **more)


async def test_an_authority_of_one_s_own_is_trusted_and_no_other(authority: trustme.CA, ca_file: str) -> None:
    """Hot requests and cold ones alike; without the setting, the server is a stranger."""
    server = server_side(authority.issue_cert("localhost"))
    async with open_stage(serve_ok, server_tls=server, host="localhost") as stage:
        async with open_bottom(settings_for(stage.url, ca_file=ca_file)) as transport:
            for route in (HOT, COLD):
                assert (await transport.send(route, Body(content=b"{}"))).status == 200
        async with open_bottom(settings_for(stage.url)) as transport:
            for route in (HOT, COLD):
                with pytest.raises(APIConnectionError, match="certificate"):
                    await transport.send(route, Body(content=b"{}"))


async def test_what_the_environment_says_by_now_is_not_asked(
    authority: trustme.CA, ca_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was read when the settings were made: two clients of one program do not meet in it, nor trip over it."""
    server = server_side(authority.issue_cert("localhost"))
    async with open_stage(serve_ok, server_tls=server, host="localhost") as stage:
        monkeypatch.setenv("SSL_CERT_FILE", ca_file)
        async with open_bottom(settings_for(stage.url)) as transport:
            with pytest.raises(APIConnectionError, match="certificate"):
                await transport.send(HOT, Body(content=b"{}"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing"))
        async with open_bottom(settings_for(stage.url)) as transport:
            with pytest.raises(APIConnectionError, match="certificate"):
                await transport.send(HOT, Body(content=b"{}"))


@pytest.mark.parametrize("files", ["one", "two", "encrypted"])
async def test_a_server_that_asks_who_we_are_is_shown_our_certificate(
    authority: trustme.CA, ca_file: str, files: str, tmp_path: Path
) -> None:
    """Certificate and key in one file or two, the key encrypted or not."""
    mine, names = authority.issue_cert("me@example.org"), list[object]()
    certificate, key, password = tmp_path / "me.pem", tmp_path / "key.pem", "" if files != "encrypted" else "sesame"
    mine.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    if files != "one":
        mine.cert_chain_pems[0].write_to_path(str(certificate))
        key.write_bytes(encrypted(mine.private_key_pem.bytes(), password))
    server = server_side(authority.issue_cert("localhost"))
    server.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server)  # pyright: ignore[reportUnknownMemberType] - pyOpenSSL, which it also takes, has no types

    async def serve(guest: Guest) -> None:
        while await guest.answer():
            stream: Any = guest.stream  # of TLS, whose methods trio takes from ssl as they are
            names.append(stream.getpeercert()["subjectAltName"])

    own = {"client_certificate": str(certificate), "client_key": "" if files == "one" else str(key)}
    async with open_stage(serve, server_tls=server, client_tls=client_side(authority), host="localhost") as stage:
        settings = settings_for(stage.url, ca_file=ca_file, client_key_password=password, **own)
        async with open_bottom(settings) as transport:
            await transport.send(HOT, Body(content=b"{}"))
            await transport.send(COLD, Body(content=b"{}"))
    assert names == [(("email", "me@example.org"),)] * 2


def encrypted(key: bytes, password: str) -> bytes:
    """Encrypt a key, unless the password is empty."""
    from cryptography.hazmat.primitives import serialization as pem  # noqa: PLC0415 - comes with trustme

    if not password:
        return key
    return pem.load_pem_private_key(key, None).private_bytes(
        pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(password.encode())
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"ca_file": "nowhere.pem"}, r"ca_file must be a PEM file .* got 'nowhere.pem' \(no such file"),
        ({"ca_file": __file__}, r"ca_file must be a PEM file .* \(no certificate or crl found\)"),
        ({"client_certificate": "nowhere.pem"}, r"client_certificate must be a PEM file .* got 'nowhere.pem'"),
        ({"client_certificate": __file__}, "client_certificate must be a PEM file"),
        ({"client_key": "key.pem"}, "client_key goes with client_certificate"),
    ],
)
async def test_a_file_that_is_none_is_found_at_the_door(given: dict[str, str], sentence: str) -> None:
    """By name, with what to check; not in the middle of the first request."""
    with pytest.raises(ValueError, match=sentence):
        async with open_bottom(settings_for("https://localhost", **given)):
            pass


async def test_an_encrypted_key_without_a_password_asks_nobody(authority: trustme.CA, tmp_path: Path) -> None:
    """OpenSSL would ask on the terminal, and a daemon would wait for ever. The password shows nowhere."""
    mine, key = authority.issue_cert("me@example.org"), tmp_path / "key.pem"
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "me.pem"))
    key.write_bytes(encrypted(mine.private_key_pem.bytes(), "sesame"))
    settings = settings_for("https://localhost", client_certificate=str(tmp_path / "me.pem"), client_key=str(key))
    with pytest.raises(ValueError, match="an encrypted key needs client_key_password"):
        async with open_bottom(settings):
            pass
    assert "sesame" not in repr(evolve(settings, client_key_password="sesame"))  # noqa: S106 - of this test


def test_checking_certificates_cannot_be_turned_off() -> None:
    """Whoever signs their own names that certificate; anybody else's would be taken otherwise."""
    with pytest.raises(ValueError, match=r"settings must be of .*ca_file.*got verify"):
        Settings.from_environ({}, api_key="tml-x", verify=False)
