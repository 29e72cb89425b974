"""TLS: good and bad certificates, and servers that hang up without a goodbye."""

import ssl
from datetime import UTC, datetime

import httpx
import pytest
import trio
import trio.testing
import trustme

from tests.tinkex_actors.transport.lean.stage import OK, PATIENT, Guest, count_files, open_stage, post, serve_ok


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - pyOpenSSL, which it also takes, has no types
    return context


def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)  # pyright: ignore[reportUnknownMemberType] - the same
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_exchanges_over_tls_share_a_connection(authority: trustme.CA, version: ssl.TLSVersion) -> None:
    """A handshake costs as much as forty requests; session tickets that come late are no content."""
    server = server_side(authority.issue_cert("localhost"))
    server.maximum_version = version
    client = client_side(authority)
    async with open_stage(serve_ok, server_tls=server, client_tls=client, host="localhost") as stage:
        for _ in range(3):
            assert (await stage.fetch(post(b"x"))).content == b"ok"
    assert len(stage.guests) == 1


async def test_large_bodies_go_both_ways_over_tls(authority: trustme.CA) -> None:
    """More than a record, more than all buffers."""
    content = bytes(range(256)) * 20_000
    heard: list[bytes] = []

    async def serve(guest: Guest) -> None:
        heard.append(await guest.hear())
        await guest.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
        await guest.hear()

    server, client = server_side(authority.issue_cert("localhost")), client_side(authority)
    async with open_stage(serve, server_tls=server, client_tls=client, host="localhost") as stage:
        assert (await stage.fetch(post(*[content[:9000]] * 500))).content == content
    assert heard[0].partition(b"\r\n\r\n")[2] == content[:9000] * 500


@pytest.mark.parametrize("fault", ["name", "authority", "age"])
async def test_a_bad_certificate_is_a_connect_error(authority: trustme.CA, fault: str) -> None:
    """Nothing of the request is sent, and nothing stays open."""
    past = datetime(2001, 1, 1, tzinfo=UTC)
    certificate = {
        "name": lambda: authority.issue_cert("elsewhere.example"),
        "authority": lambda: trustme.CA().issue_cert("localhost"),
        "age": lambda: authority.issue_cert("localhost", not_after=past),
    }[fault]()
    before = count_files()
    server, client = server_side(certificate), client_side(authority)
    async with open_stage(serve_ok, server_tls=server, client_tls=client, host="localhost") as stage:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await stage.fetch()
        assert stage.pool.count_open() == 0
        assert all(not guest.raw for guest in stage.guests)
    assert count_files() <= before


async def test_a_server_without_tls_is_a_connect_error(authority: trustme.CA) -> None:
    """The commonest mistake: https:// before a plain server."""

    async def refuse(guest: Guest) -> None:
        await guest.more()
        await guest.stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with open_stage(refuse, client_tls=client_side(authority)) as stage:
        lane = stage.pool.lane(type(stage.origin)("https", stage.origin.host, stage.origin.port))
        with pytest.raises(httpx.ConnectError, match="TLS"):
            await stage.fetch(post(b"x"), lane=lane)


async def test_content_that_ends_without_a_goodbye_is_cut_short(authority: trustme.CA) -> None:
    """Anybody between can end a TCP connection; the end of such content would be theirs to choose."""

    async def serve(guest: Guest) -> None:
        await guest.hear()
        await guest.stream.send_all(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await trio.aclose_forcefully(guest.stream)

    server, client = server_side(authority.issue_cert("localhost")), client_side(authority)
    async with open_stage(serve, server_tls=server, client_tls=client, host="localhost") as stage:
        with pytest.raises(httpx.ReadError, match="TLS"):
            await stage.fetch()


async def test_content_that_ends_with_a_goodbye_is_whole(authority: trustme.CA) -> None:
    """Content without a length, over TLS."""

    async def serve(guest: Guest) -> None:
        await guest.hear()
        await guest.stream.send_all(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await guest.stream.aclose()

    server, client = server_side(authority.issue_cert("localhost")), client_side(authority)
    async with open_stage(serve, server_tls=server, client_tls=client, host="localhost") as stage:
        assert (await stage.fetch()).content == b"hello"


async def test_a_tls_server_that_closed_an_idle_connection_is_noticed(authority: trustme.CA) -> None:
    """Before anything is sent to it."""

    async def serve(guest: Guest) -> None:
        await guest.answer()
        if guest.number == 0:
            await guest.stream.aclose()
        else:
            await serve_ok(guest)

    server, client = server_side(authority.issue_cert("localhost")), client_side(authority)
    async with open_stage(serve, server_tls=server, client_tls=client, host="localhost") as stage:
        await stage.fetch()
        await trio.testing.wait_all_tasks_blocked()
        assert (await stage.fetch(post(b"x"))).status == 200


async def test_an_answer_during_an_encrypted_upload_ends_it(authority: trustme.CA) -> None:
    """As on a plain connection; the ear hears tickets too, and does not mistake them."""

    async def serve(guest: Guest) -> None:
        await guest.more()
        await guest.stream.send_all(OK)
        await trio.sleep_forever()

    server, client = server_side(authority.issue_cert("localhost")), client_side(authority)
    async with open_stage(serve, server_tls=server, client_tls=client, host="localhost") as stage:
        assert (await stage.fetch(post(bytes(30_000_000)), PATIENT)).content == b"ok"
        assert stage.pool.count_open() == 0
