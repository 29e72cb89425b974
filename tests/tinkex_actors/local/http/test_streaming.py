"""Samples token by token."""

from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import orjson
import trio

from tests.tinkex_actors.local.http.test_sampling import ask, drawn, sampler
from tests.tinkex_actors.local.site import Reply, Site, open_site
from tinkex_actors.local import TINY, open_server

BODY: dict[str, Any] = {
    "seq_id": 0,
    "num_samples": 2,
    "prompt": {"chunks": [{"type": "encoded_text", "tokens": [1, 2, 3]}]},
    "sampling_params": {"max_tokens": 4, "seed": 1, "stop": []},
}


def events(reply: Reply) -> list[dict[str, Any]]:
    """The events of a stream."""
    return [orjson.loads(part.removeprefix(b"data: ")) for part in reply.body.split(b"\n\n") if part]


async def stream(site: Site, sampling_session_id: str, **changed: Any) -> Reply:
    """Send stream_sample."""
    return await site.post("stream_sample", **{**BODY, "sampling_session_id": sampling_session_id, **changed})


async def test_a_stream_brings_the_tokens_that_a_promise_brings(tmp_path: Path) -> None:
    """One event a token, each with its sample; then the end."""
    async with open_site(tmp_path, has_threads=True) as site:
        sampling_session_id = await sampler(site, await site.session())
        streamed = await stream(site, sampling_session_id)
        assert streamed.headers["content-type"] == "text/event-stream"
        *tokens, done = events(streamed)
        assert done == {"kind": "done", "total_tokens": 8}
        promised = await drawn(site, await ask(site, sampling_session_id))
        for index, sequence in enumerate(promised.sequences):
            mine = [one for one in tokens if one["index"] == index]
            assert [one["token_id"] for one in mine] == sequence.tokens
            assert [one["finish_reason"] for one in mine] == [None, None, None, "length"]


async def test_a_wrong_request_is_refused_before_the_stream_begins(tmp_path: Path) -> None:
    """With a status and a reason, as everywhere."""
    async with open_site(tmp_path, has_threads=True) as site:
        sampling_session_id = await sampler(site, await site.session())
        prompt = {"chunks": [{"type": "encoded_text", "tokens": [99999]}]}
        refused = await stream(site, sampling_session_id, prompt=prompt)
        assert (refused.status, "99999" in refused.detail) == (400, True)
        assert (await stream(site, "nobody")).status == 404
        assert (await stream(site, sampling_session_id, num_samples=0)).status == 400


async def test_a_stream_arrives_while_it_is_drawn_and_ends_with_its_client() -> None:
    """Over a real socket: the first token is there at once; clients that go away free the engine, and crash nothing."""
    async with open_server() as server:
        asked: dict[str, Any] = {"tags": [], "user_metadata": {}, "sdk_version": "0"}
        session_id = (await post(server.url, "create_session", asked))["session_id"]
        asked = {"session_id": session_id, "sampling_session_seq_id": 0, "base_model": TINY}
        sampling = await post(server.url, "create_sampling_session", asked)
        long: dict[str, Any] = {**BODY, **sampling, "sampling_params": {"max_tokens": 900, "stop": []}}
        with trio.fail_after(30):
            for _ in range(8):
                async with await begin(server.url, "stream_sample", long) as connection:
                    received = b""
                    while b'"kind":"token"' not in received:
                        received += await connection.receive_some()
                    assert b'"kind":"done"' not in received
            seats = server.service.shop.seats
            async with seats.take(seats.total):
                assert "restart" not in str(server.tree())


async def begin(url: str, path: str, body: dict[str, Any]) -> trio.SocketStream:
    """Send a request and leave its answer to the caller."""
    parts, content = urlparse(url), orjson.dumps(body)
    connection = await trio.open_tcp_stream(parts.hostname or "", parts.port or 0)
    head = f"POST /api/v1/{path} HTTP/1.1\r\nhost: x\r\nx-api-key: tml-test\r\ncontent-length: {len(content)}\r\n\r\n"
    await connection.send_all(head.encode() + content)
    return connection


async def post(url: str, path: str, body: dict[str, Any]) -> Any:
    """Send a request and read its JSON answer."""
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": "tml-test"}) as http:
        return (await http.post(f"/api/v1/{path}", json=body)).json()
