"""Opening connections: names, several addresses at once, TLS.

Trio does the first two (names in a thread, addresses by happy eyeballs); its socket is then taken out of its stream, since
nothing but the bare socket is used afterwards.
"""

import errno
import socket
import ssl
from collections.abc import Callable
from math import inf
from typing import cast

import httpx
import trio
from attrs import frozen

from tinkex_actors.transport.lean.deadlines import Deadline
from tinkex_actors.transport.lean.tls import HTTP_1, TlsWire
from tinkex_actors.transport.lean.wire import PlainWire, Wire

_FILE_LIMITS = frozenset({errno.EMFILE, errno.ENFILE})
_PORTS = {"http": 80, "https": 443}


class OutOfFiles(httpx.ConnectError):
    """No connection, because this process has as many files open as it may."""


@frozen
class Origin:
    """Where a connection leads."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, scheme: str, host: str, port: int | None) -> "Origin":
        """Make the origin; the scheme's own port if there is none.

        Raises:
            httpx.UnsupportedProtocol: The scheme is neither http nor https.
        """
        if scheme not in _PORTS:
            raise httpx.UnsupportedProtocol(f"the address must begin with http:// or https://, got {scheme!r}")
        return cls(scheme, host, _PORTS[scheme] if port is None else port)


def default_context() -> ssl.SSLContext:
    """Trust what httpx trusts: certifi's authorities, or ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``. Takes 50 ms."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols([HTTP_1])
    return context


@frozen(eq=False)
class Dialler:
    """Opens connections."""

    context: Callable[[], ssl.SSLContext]
    """Called for each TLS connection; must always return the same."""

    async def dial(self, origin: Origin, deadline: Deadline, within: float | None) -> Wire:
        """Open a connection; cancelling leaves none.

        Raises:
            httpx.ConnectError: Nobody is there, or TLS fails.
            httpx.ConnectTimeout: It took longer than *within* seconds.
            OutOfFiles: This process may open no more.
        """
        try:
            with trio.fail_after(inf if within is None else within):
                plain = PlainWire(await _open_socket(origin), deadline)
                return plain if origin.scheme == "http" else await self._encrypt(plain, origin)
        except trio.TooSlowError as error:
            raise httpx.ConnectTimeout(f"no connection to {origin.host}:{origin.port} in {within:g} s") from error

    async def _encrypt(self, plain: PlainWire, origin: Origin) -> TlsWire:
        try:
            wire = TlsWire(plain, self.context(), origin.host)
            await wire.shake_hands()
        except BaseException:
            plain.close()
            raise
        return wire


async def _open_socket(origin: Origin) -> socket.socket:
    try:
        stream = await trio.open_tcp_stream(origin.host, origin.port)
    except OSError as error:
        kind = OutOfFiles if _is_out_of_files(error) else httpx.ConnectError
        raise kind(f"nobody answers at {origin.host}:{origin.port} ({error})") from error
    theirs = stream.socket
    bare = socket.socket(theirs.family, theirs.type, theirs.proto, fileno=theirs.detach())
    bare.setblocking(False)
    # Answer at once, and let the kernel take large bodies at one go, which trio's streams prevent; 0 is the system's figure.
    bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 0)
    return bare


def _is_out_of_files(error: OSError) -> bool:
    """Look also below the group that trio makes of one failure for each address."""
    causes: list[BaseException] = [error]
    group: object = error.__cause__
    if isinstance(group, ExceptionGroup):
        causes += cast("ExceptionGroup[Exception]", group).exceptions
    return any(isinstance(cause, OSError) and cause.errno in _FILE_LIMITS for cause in causes)
