"""The bottom as it is without a user's own transport: hot requests straight to the pool, the rest over httpx.

Hot is what a run does thousands of times a minute: submitting and asking for results. These requests are bytes from the
beginning; an ``httpx.Request`` and its ``Response`` would cost ten times what the network does. Everything else (sessions,
lists, downloads, redirects) goes through an ordinary ``httpx.AsyncClient`` over the same pool.
"""

import httpx

from tinkex_actors.transport.coding import decode_content
from tinkex_actors.transport.deprecation import DeprecationNotes
from tinkex_actors.transport.heads import HeadWriter
from tinkex_actors.transport.lean.pool import Pool
from tinkex_actors.transport.lean.request import LeanRequest
from tinkex_actors.transport.no_answer import no_answer
from tinkex_actors.transport.seam import Answer, Body, Lane, Route, Sending, Transport
from tinkex_actors.wire import BodyParts

HOT_LANES = frozenset({Lane.SUBMIT, Lane.SAMPLE, Lane.RETRIEVE})


class DirectTransport:
    """Sends one request and reads its whole answer; never sends again, but for the pool's one retry."""

    def __init__(self, pool: Pool, writer: HeadWriter, cold: Transport, notes: DeprecationNotes) -> None:
        """Send hot requests over *pool* with heads of *writer*, everything else over *cold*."""
        self._pool = pool
        self._writer = writer
        self._cold = cold
        self._notes = notes

    @property
    def cold(self) -> Transport:
        """What carries everything that is not hot."""
        return self._cold

    def send(self, route: Route, body: Body, /) -> Sending:
        """Send *body* and read the answer."""
        is_hot = route.lane in HOT_LANES and route.method == "POST" and not route.is_streamed
        if not is_hot or body.path_values or body.query:
            return self._cold.send(route, body)
        return self._send_hot(route, body)

    async def _send_hot(self, route: Route, body: Body) -> Answer:
        content = body.content
        pieces, size = (
            (content.parts, content.size_bytes) if isinstance(content, BodyParts) else ((content,), len(content))
        )
        try:
            block = self._writer.block(route)
            head = self._writer.head(block, route, body, size)
            request = LeanRequest(head=head, body=pieces, is_repeatable=bool(body.idempotency_key))
            connection = await self._pool.begin(block.lane, request, block.timeouts, is_whole=True)
            reader = connection.reader
            answered = reader.take()
            block.lane.put(connection)
            decoded = decode_content(reader.headers, answered)
        except httpx.RequestError as fault:
            raise no_answer(route, self._writer.address(), fault) from fault
        answer = Answer(status=reader.status, headers=reader.headers, content=decoded)
        self._notes.pass_on(route, answer)
        return answer
