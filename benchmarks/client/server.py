"""A scripted Tinker server, fast and without memory: one thread, one epoll, every answer made beforehand.

``python -m benchmarks.client.server`` prints its port and serves until its standard input ends. With ``--tls FILE`` it
speaks TLS with that certificate and key. It knows what a client needs to open a session, sample and train; every result
is there at once, so that what is measured is the client.
"""

import argparse
import re
import select
import socket
import ssl
import sys
from contextlib import suppress

import numpy as np

from benchmarks.client.batch import DATA, LENGTH, SAMPLE_LENGTH
from tinkex_actors.types import (
    ForwardBackwardOutput,
    SampledSequence,
    SampleResponse,
    StopReason,
    TensorData,
)
from tinkex_actors.wire import encode_forward_backward_output, encode_sample_response

_JSON, _PROTOBUF = b"application/json", b"application/x-protobuf"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_REQUEST_ID = re.compile(rb'"request_id": *"(.)')
_CHUNK = 1 << 20


def response(body: bytes, *, kind: bytes = _JSON, status: bytes = b"200 OK") -> bytes:
    """One whole response."""
    return b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (status, kind, len(body), body)


def sample_result() -> bytes:
    """256 tokens and their log-probabilities."""
    tokens = np.arange(SAMPLE_LENGTH, dtype=np.int32)
    sequence = SampledSequence(StopReason.LENGTH, tokens, -np.ones(SAMPLE_LENGTH, np.float32))
    return encode_sample_response(SampleResponse([sequence]))


def training_result() -> bytes:
    """A log-probability for each token of the batch: 1 MB."""
    rows = [{"logprobs": TensorData.from_numpy(-np.ones(LENGTH, np.float32))} for _ in range(DATA)]
    return encode_forward_backward_output(ForwardBackwardOutput("ArrayRecord", rows, {"loss:sum": 1.0}))


RESULTS = {
    b"s": response(sample_result(), kind=_PROTOBUF),
    b"f": response(training_result(), kind=_PROTOBUF),
    b"o": response(b"{}"),
    b"m": response(b'{"model_id":"S:train:0"}'),
}
ANSWERS = {
    b"asample": response(b'{"request_id":"s1","sample_sequence_ids":["q0"]}'),
    b"forward_backward": response(b'{"request_id":"f1"}'),
    b"optim_step": response(b'{"request_id":"o1"}'),
    b"create_model": response(b'{"request_id":"m1"}'),
    b"create_session": response(b'{"session_id":"S"}'),
    b"create_sampling_session": response(b'{"sampling_session_id":"Q"}'),
    b"get_info": response(b'{"model_id":"S:train:0","model_data":{"model_name":"m"}}'),
    b"telemetry": response(b'{"status":"accepted"}'),
    b"dynamic_config": response(b'{"detail":"Not Found"}', status=b"404 Not Found"),
    b"get_server_capabilities": response(b'{"supported_models":[{"model_name":"m"}]}'),
    b"Q": response(b'{"sampler_id":"Q","base_model":"m"}'),
}
NOTHING = response(b"{}")


class Peer:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.read = bytearray()
        self.answer = b""
        self.unread = 0
        """Bytes of content that are still to come and that nobody looks at."""
        self.unsent = memoryview(b"")

    def receive(self, scratch: bytearray) -> bool:
        """Take what has come, and answer what is whole; ``False`` when the client is gone."""
        while True:
            try:
                count = self.sock.recv_into(scratch)
            except (BlockingIOError, ssl.SSLWantReadError):
                return self.send()
            except OSError:
                return False
            if not count:
                return False
            self._take(memoryview(scratch)[:count])

    def send(self) -> bool:
        """Send what the kernel takes; ``False`` when the client is gone."""
        try:
            while self.unsent:
                self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            return True
        except OSError:
            return False
        return True

    def _take(self, data: memoryview) -> None:
        dropped = min(self.unread, len(data))
        self.unread -= dropped
        self.read += data[dropped:]
        if dropped and not self.unread:
            self._reply(self.answer)
        while not self.unread and (end := self.read.find(b"\r\n\r\n")) >= 0 and self._request(end + 4):
            pass

    def _request(self, end: int) -> bool:
        """Answer the request whose head ends at *end*; ``False`` if more of it has to come first."""
        head = bytes(self.read[:end])
        name = head[: head.index(b" HTTP/")].rpartition(b"/")[2].partition(b"?")[0]
        found = _LENGTH.search(head)
        size = int(found[1]) if found else 0
        is_looked_at = name == b"retrieve_future"
        if is_looked_at and len(self.read) < end + size:
            return False
        answer = ANSWERS.get(name, NOTHING)
        if is_looked_at and (asked := _REQUEST_ID.search(self.read, end)):
            answer = RESULTS[asked[1]]
        here = min(size, len(self.read) - end)
        del self.read[: end + here]
        self.unread, self.answer = size - here, answer
        if not self.unread:
            self._reply(answer)
        return True

    def _reply(self, answer: bytes) -> None:
        self.unsent = memoryview(bytes(self.unsent) + answer) if self.unsent else memoryview(answer)


def serve(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    """Serve until standard input ends."""
    poll, peers, scratch = select.epoll(), dict[int, Peer](), bytearray(_CHUNK)
    poll.register(listener, select.EPOLLIN)
    poll.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)
    while True:
        for file, event in poll.poll():
            if file == sys.stdin.fileno():
                return
            if file == listener.fileno():
                _accept(listener, context, poll, peers)
            elif not _turn(peers[file], event, scratch):
                peers.pop(file).sock.close()


def _turn(peer: Peer, event: int, scratch: bytearray) -> bool:
    return peer.receive(scratch) if event & (select.EPOLLIN | select.EPOLLHUP) else peer.send()


def _accept(
    listener: socket.socket, context: ssl.SSLContext | None, poll: select.epoll, peers: dict[int, Peer]
) -> None:
    with suppress(BlockingIOError):
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            if context is not None:
                sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            peers[sock.fileno()] = Peer(sock)
            poll.register(sock, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)


def main() -> None:
    """Open the port, say which, and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client.server", description=__doc__)
    parser.add_argument("--tls", default="", help="a file with a certificate chain and its key")
    options = parser.parse_args()
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls)
        context.set_alpn_protocols(["http/1.1"])
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        listener.setblocking(False)
        print(listener.getsockname()[1], flush=True)
        serve(listener, context)


if __name__ == "__main__":
    main()
