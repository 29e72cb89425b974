"""Bytes to one response after the other, by httptools, in whatever pieces they come.

httptools (llhttp) is strict about framing: a second Content-Length, a Transfer-Encoding beside one, a bare line feed, a
folded or spaced header name are errors there. What is added here: limits; only ``chunked`` as a transfer coding; responses
without content (HEAD); interim responses (1xx) skipped; content that ends with the connection; and whether the connection
can carry another exchange afterwards. A byte behind the response means that it cannot.
"""

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from tinkex_actors.transport.lean.limits import Limits

_FIRST_INTERIM_STATUS = 100
_FIRST_FINAL_STATUS = 200
_SWITCHING_PROTOCOLS = 101
_BODILESS = frozenset({204, 304})
_MAX_PIECES = 4096
"""Pieces of content before they are put together: a server may send a byte at a time, and an object each is dear."""
_VERSIONS = frozenset({"1.0", "1.1"})


class ResponseReader:
    """Reads one response at a time: :meth:`begin`, and feed it until :attr:`is_complete`.

    It stays with its connection. A parser and its reader hold one another, so a pair for each response would be left for
    the garbage collector to find.
    """

    __slots__ = (
        "_bodyless_bytes",
        "_fault",
        "_field_count",
        "_is_head",
        "_is_parser_lost",
        "_limits",
        "_parser",
        "headers",
        "is_begun",
        "is_complete",
        "is_reusable",
        "length",
        "pieces",
        "raw_headers",
        "reason",
        "received_bytes",
        "status",
        "version",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._is_parser_lost = True
        self.begin(is_head=False)

    def begin(self, *, is_head: bool) -> None:
        """Expect the answer to a request; *is_head* says that it was a HEAD."""
        if self._is_parser_lost:
            self._parser = HttpResponseParser(self)
        # The parser would wait for the content that a HEAD's headers describe.
        self._is_head = self._is_parser_lost = is_head
        self._fault = ""
        self._field_count = 0
        self._bodyless_bytes = 0
        self.status = 0
        """The final status, once the head is complete; before that, 0."""
        self.version = ""
        self.reason = b""
        self.raw_headers: list[tuple[bytes, bytes]] = []
        """The fields as they came; trailers are not among them."""
        self.headers: dict[str, str] = {}
        """The same by lower-case name; repeated fields are joined by a comma."""
        self.length: int | None = None
        """The content's announced length; ``None`` for chunks, for content that ends with the connection, for none."""
        self.pieces: list[bytes] = []
        """Content that has come and was not yet taken."""
        self.received_bytes = 0
        """How much content has come."""
        self.is_begun = False
        """Whether any byte has come."""
        self.is_complete = False
        """Whether all of it has come."""
        self.is_reusable = False
        """Whether the connection can carry another exchange; meaningful when complete."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            httpx.RemoteProtocolError: They are no response, or exceed a limit.
        """
        self.is_begun = True
        self._bodyless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fault = self._fault or "it switches to another protocol"
        except HttpParserError as error:
            self._note_parser_error(error)
        if self._fault:
            raise httpx.RemoteProtocolError(f"the response cannot be read: {self._fault}")
        if self._bodyless_bytes > self._limits.head_bytes and not self.is_complete:
            raise httpx.RemoteProtocolError(
                f"the response has more than {self._limits.head_bytes} bytes of headers or framing in a row"
            )

    def feed_eof(self) -> None:
        """The server has closed its side.

        Raises:
            httpx.RemoteProtocolError: In the middle of a response, or before it.
        """
        if self.is_complete:
            self.is_reusable = False
        elif self.status and self.length is None and not self._is_chunked():
            self.is_complete = True
        else:
            where = "in the middle of its response" if self.is_begun else "without a response"
            raise httpx.RemoteProtocolError(f"the server closed the connection {where}")

    def take(self) -> bytes:
        """Take the content that has come."""
        pieces, self.pieces = self.pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def complete_with(self, content: bytes) -> None:
        """The whole content is *content*, which was read past this reader, and nothing behind it."""
        self._is_parser_lost = True
        self.pieces = [content]
        self.is_complete = True

    def _note_parser_error(self, error: HttpParserError) -> None:
        if self.is_complete:
            # What follows a response is not ours to understand.
            self.is_reusable = False
        else:
            self._fault = self._fault or str(error)

    def _is_chunked(self) -> bool:
        return "transfer-encoding" in self.headers

    # ------------------------------------------------------------------ httptools calls these

    def on_message_begin(self) -> None:
        """A status line begins."""
        if self.is_complete:
            self.is_reusable = False

    def on_status(self, reason: bytes) -> None:
        """The words of the status line, or a part of them."""
        if not self.is_complete:
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head or of the trailers."""
        if self.is_complete:
            return
        self._field_count += 1
        if self._field_count > self._limits.header_count:
            self._fault = f"it has more than {self._limits.header_count} headers"
        elif not self.status:
            self.raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there: an interim one is forgotten, a final one decides the framing."""
        if self.is_complete:
            return
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL_STATUS:
            self._skip_interim(status)
            return
        self.status = status
        self.version = self._parser.get_http_version()
        self.headers = fields_by_name(self.raw_headers)
        if self.version not in _VERSIONS:
            self._fault = f"its version is {self.version}, expected 1.0 or 1.1"
            return
        self.is_reusable = self._parser.should_keep_alive()
        self._frame()

    def on_body(self, data: bytes) -> None:
        """Content."""
        if self.is_complete:
            self.is_reusable = False
            return
        self._bodyless_bytes = 0
        self.received_bytes += len(data)
        self.pieces.append(data)
        if len(self.pieces) >= _MAX_PIECES:
            self.pieces = [b"".join(self.pieces)]

    def on_message_complete(self) -> None:
        """The end of a response, interim ones included."""
        if self.status:
            self.is_complete = True

    def _skip_interim(self, status: int) -> None:
        if status < _FIRST_INTERIM_STATUS or status == _SWITCHING_PROTOCOLS:
            self._fault = f"its status is {status}, which nobody asked for"
        self.raw_headers.clear()
        self.reason = b""

    def _frame(self) -> None:
        coding = self.headers.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            self._fault = "its transfer coding is not chunked"
        elif self._is_head or self.status in _BODILESS:
            self.is_complete = True
        elif "content-length" in self.headers:
            self.length = int(self.headers["content-length"])


def fields_by_name(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Read header fields by lower-case name; repeated ones are joined by a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
