"""Bytes to responses: every cut, every framing, every limit, and h11's opinion."""

from itertools import pairwise

import h11
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.transport.lean.limits import Limits
from tinkex_actors.transport.lean.reader import ResponseReader

RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\n\r\nhello",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nSum: 1\r\nX: y\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "empty": b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    "unchanged": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
    "old": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
    "wordless": b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
}


def read(*pieces: bytes, is_head: bool = False, limits: Limits | None = None) -> ResponseReader:
    reader = ResponseReader(limits or Limits())
    reader.begin(is_head=is_head)
    for piece in pieces:
        reader.feed(piece)
    return reader


def found(reader: ResponseReader) -> tuple[object, ...]:
    return (reader.status, reader.headers, b"".join(reader.pieces), reader.is_complete, reader.is_reusable)


@pytest.mark.parametrize("name", RESPONSES)
def test_every_cut_of_a_response_reads_the_same(name: str) -> None:
    """The network cuts where it likes: in a number, between CR and LF, inside an interim response."""
    raw = RESPONSES[name]
    whole = found(read(raw))
    assert whole[3:] == (True, True)
    for cut in range(1, len(raw)):
        assert found(read(raw[:cut], raw[cut:])) == whole
    assert found(read(*[raw[i : i + 1] for i in range(len(raw))])) == whole


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_complete_with_its_last_byte_and_not_before(name: str) -> None:
    """Early would leave bytes for the next response; late would wait for ever."""
    raw = RESPONSES[name]
    for cut in range(len(raw)):
        reader = read(raw[:cut])
        assert not reader.is_complete
        with pytest.raises(httpx.RemoteProtocolError, match="closed the connection"):
            reader.feed_eof()


@pytest.mark.parametrize("first", RESPONSES)
@pytest.mark.parametrize("second", RESPONSES)
def test_a_second_response_is_read_as_if_it_were_the_first(first: str, second: str) -> None:
    """A connection keeps its reader; nothing of one exchange may be found in the next, whatever their framing."""
    reader = read(RESPONSES[first])
    reader.begin(is_head=False)
    assert not reader.is_begun
    reader.feed(RESPONSES[second])
    assert found(reader) == found(read(RESPONSES[second]))


def test_the_answer_to_a_head_and_content_read_elsewhere_leave_the_parser_waiting_for_nothing() -> None:
    """Both end before the parser thinks so, and the next response is no content of theirs."""
    announced = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    for_head, past_parser = read(announced, is_head=True), read(announced)
    past_parser.complete_with(bytes(500))
    for reader in (for_head, past_parser):
        reader.begin(is_head=False)
        reader.feed(RESPONSES["length"])
        assert found(reader) == found(read(RESPONSES["length"]))


def test_an_interim_response_leaves_nothing_behind() -> None:
    """Neither its headers nor its words are the answer's."""
    reader = read(RESPONSES["interim"])
    assert (reader.status, reader.reason, reader.headers) == (200, b"OK", {"content-length": "5"})


def test_content_without_a_length_ends_with_the_connection() -> None:
    """And the connection with it."""
    reader = read(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
    assert not reader.is_complete
    reader.feed_eof()
    assert (b"".join(reader.pieces), reader.is_complete, reader.is_reusable) == (b"hello", True, False)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
    ],
)
def test_the_answer_to_a_head_has_no_content(head: bytes) -> None:
    """Whatever its headers describe."""
    assert read(head, is_head=True).is_complete
    assert not read(head + b"hello", is_head=True).is_reusable


@pytest.mark.parametrize(
    ("head", "is_reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nX", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\nX", False),
    ],
)
def test_a_connection_goes_on_only_when_nothing_speaks_against_it(head: bytes, *, is_reusable: bool) -> None:
    """A byte too many would be the beginning of somebody else's answer."""
    reader = read(head)
    assert (reader.status, reader.is_complete, reader.is_reusable) == (200, True, is_reusable)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"<html>I am no HTTP server</html>",
        b"\x16\x03\x01\x00\xee\x01\x00\x00\xea\x03\x03",
    ],
)
def test_ambiguous_framing_is_no_response(raw: bytes) -> None:
    """Two readers that disagree on where a response ends are how answers get swapped."""
    with pytest.raises(httpx.RemoteProtocolError, match="the response cannot be read"):
        read(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 " + b"O" * 3000,
        b"HTTP/1.1 200 OK\r\n" + b"N" * 3000,
        b"HTTP/1.1 200 OK\r\nA: " + b"v" * 3000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 3000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: " + b"v" * 3000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100,
    ],
)
def test_endless_framing_meets_a_limit(raw: bytes) -> None:
    """However it is cut: nothing that is not content may grow for ever."""
    limits = Limits(head_bytes=2000)
    for size in (1, 500, len(raw)):
        with pytest.raises(httpx.RemoteProtocolError, match="more than 2000 bytes"):
            read(*[raw[at : at + size] for at in range(0, len(raw), size)], limits=limits)


def test_too_many_headers_are_refused_and_trailers_count() -> None:
    """Each is an object of ours."""
    limits = Limits(header_count=10)
    headers = b"".join(b"H%d: v\r\n" % number for number in range(9))
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + headers + b"\r\n0\r\n"
    assert read(whole + b"\r\n", limits=limits).is_complete
    with pytest.raises(httpx.RemoteProtocolError, match="more than 10 headers"):
        read(whole + b"T: v\r\n\r\n", limits=limits)


def test_content_in_single_bytes_does_not_cost_an_object_each() -> None:
    """A server that sends a byte a chunk cannot make forty of each here."""
    reader = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 10_000)
    assert len(reader.pieces) < 5000
    assert reader.take() == b"x" * 10_000


def test_no_message_repeats_what_the_server_sent() -> None:
    """It may be somebody's secret."""
    with pytest.raises(httpx.RemoteProtocolError) as fault:
        read(b"HTTP/1.1 200 OK\r\nSet-Cookie: hush\x00\r\n\r\n")
    assert "hush" not in str(fault.value)


# ---------------------------------------------------------------------- h11's reading

TOKENS = st.text("abcdefXYZ-", min_size=1, max_size=8).map(str.encode)
VALUES = st.text('abc 019,;="', max_size=12).map(lambda text: text.strip().encode())
FIELDS = st.lists(st.tuples(st.just(b"X-").flatmap(lambda x: TOKENS.map(lambda t: x + t)), VALUES), max_size=4)


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[bytes, str]:
    """One response in its bytes, and the method of the request."""
    status = draw(st.sampled_from([200, 201, 204, 304, 400, 404, 408, 429, 500, 503]))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
    content = draw(st.binary(max_size=40))
    fields = [*draw(FIELDS)]
    framing = draw(st.sampled_from(["length", "chunks", "close"])) if version == b"1.1" else "length"
    fields += [(b"Connection", draw(st.sampled_from([b"close", b"keep-alive"])))] * draw(st.integers(0, 1))
    if framing == "length":
        fields.append((b"Content-Length", str(len(content)).encode()))
    elif framing == "chunks":
        fields.append((b"Transfer-Encoding", b"chunked"))
        cuts = sorted({0, len(content), *draw(st.lists(st.integers(0, len(content)), max_size=3))})
        chunks = b"".join(b"%x\r\n%b\r\n" % (b - a, content[a:b]) for a, b in pairwise(cuts))
        trailers = b"".join(b"%b: %b\r\n" % pair for pair in draw(FIELDS))
        content = chunks + b"0\r\n" + trailers + b"\r\n"
    method = draw(st.sampled_from(["GET", "POST", "HEAD"]))
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * draw(st.integers(0, 2))
    head = b"HTTP/%b %d Words\r\n" % (version, status) + b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n"
    bodiless = method == "HEAD" or status in {204, 304}
    return interim + head + (b"" if bodiless else content), method


def h11_reading(raw: bytes, method: str) -> tuple[object, ...]:
    """What h11 makes of *raw* and the end of the connection behind it: status, fields, content, and whether it is whole."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "h"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(raw)
    status, fields, content, is_eof = 0, [], b"", False
    try:
        while True:
            match connection.next_event():
                case h11.Response() as response:
                    status, fields = response.status_code, [*response.headers]
                case h11.Data() as data:
                    content += bytes(data.data)
                case h11.EndOfMessage():
                    return (status, fields, content, True)
                case h11.NEED_DATA if not is_eof:
                    is_eof = True
                    connection.receive_data(b"")
                case h11.InformationalResponse():
                    pass
                case _:
                    return (status, fields, content, False)
    except h11.RemoteProtocolError:
        return (status, fields, content, False)


def our_reading(raw: bytes, method: str, cuts: list[int]) -> tuple[object, ...]:
    reader = ResponseReader(Limits())
    reader.begin(is_head=method == "HEAD")
    try:
        for begin, end in pairwise(sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})):
            reader.feed(raw[begin:end])
        reader.feed_eof()
    except httpx.RemoteProtocolError:
        pass
    fields = [(name.lower(), value.strip()) for name, value in reader.raw_headers] if reader.status else []
    return (reader.status, fields, b"".join(reader.pieces), reader.is_complete)


@given(exchanges(), st.lists(st.integers(min_value=0, max_value=10_000), max_size=6))
def test_good_responses_are_read_as_h11_reads_them(exchange: tuple[bytes, str], cuts: list[int]) -> None:
    """Two implementations of one specification, on whatever framing, cut anywhere."""
    raw, method = exchange
    assert our_reading(raw, method, cuts) == h11_reading(raw, method)


@given(exchanges(), st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=4))
def test_a_response_that_is_cut_short_is_whole_for_both_or_for_neither(
    exchange: tuple[bytes, str], at: int, cuts: list[int]
) -> None:
    """The connection breaks anywhere."""
    raw, method = exchange
    short = raw[: at % (len(raw) + 1)]
    assert our_reading(short, method, cuts) == h11_reading(short, method)


@given(
    exchanges(), st.integers(0, 10_000), st.binary(min_size=1, max_size=4), st.lists(st.integers(0, 10_000), max_size=4)
)
def test_what_we_accept_of_a_damaged_response_h11_accepts_too(
    exchange: tuple[bytes, str], at: int, damage: bytes, cuts: list[int]
) -> None:
    """We may refuse more than h11, never read something else than it does; and nothing but a refusal comes out."""
    raw, method = exchange
    place = at % (len(raw) + 1)
    damaged = raw[:place] + damage + raw[place + len(damage) :]
    ours, its = our_reading(damaged, method, cuts), h11_reading(damaged, method)
    if ours[3] and its[3]:
        assert ours == its
