"""An answer that is sent while it is made, as an ASGI response."""

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tinkex_actors.local.http.call import Streamed, refuse
from tinkex_actors.local.refusals import Refusal


class EventStream(Response):
    """Sends the pieces of a `Streamed` as they come; ends the making when the client goes away.

    The status waits for the first piece, so that a refusal before it is a refusal as everywhere else.
    """

    def __init__(self, streamed: Streamed) -> None:
        super().__init__(media_type=streamed.content_type)
        self._streamed = streamed
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make and send the answer."""

        async def write(piece: bytes) -> None:
            if not self._has_begun:
                self._has_begun = True
                headers = [(b"content-type", self._streamed.content_type.encode()), (b"cache-control", b"no-store")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": piece, "more_body": True})

        refusal: Refusal | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, receive, nursery.cancel_scope)
            try:
                await self._streamed.produce(write)
            except Refusal as error:
                refusal = error
            nursery.cancel_scope.cancel()
        if refusal is not None and not self._has_begun:
            answer = refuse(refusal.status, refusal.detail)
            await Response(answer.body, answer.status, media_type=answer.content_type)(scope, receive, send)
        elif self._has_begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _watch(receive: Receive, scope: trio.CancelScope) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
