"""A server's notes about what is deprecated reach whoever reads the log."""

from collections.abc import Iterator

import httpx
from structlog.testing import capture_logs

from tinkex_actors.settings import Settings
from tinkex_actors.transport.seam import Body, Route
from tinkex_actors.transport.stack import open_transport

ROUTE = Route(name="get_info", path="/api/v1/get_info")


async def logged(*answers: tuple[int, dict[str, str]]) -> list[tuple[str, str]]:
    """Have a server give *answers*; return what the log says of notes."""
    left: Iterator[tuple[int, dict[str, str]]] = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        del request
        status, headers = next(left)
        return httpx.Response(status, json={}, headers=headers)

    with capture_logs() as logs:
        async with open_transport(Settings.local("http://host"), below=httpx.MockTransport(answer)) as transport:
            for _ in answers:
                await transport.send(ROUTE, Body())
    return [(line["log_level"], line["note"]) for line in logs if "note" in line]


async def test_a_deprecation_is_told_once_with_the_servers_level() -> None:
    """On a success and on a refusal; a thousand answers with the same note are one line."""
    old = {"x-deprecation-note": "upgrade soon"}
    gone = {"X-Deprecation-Note": "no longer served", "X-Deprecation-Level": "error"}
    assert await logged((200, {}), (200, old), (404, gone), (200, old)) == [
        ("warning", "upgrade soon"),
        ("error", "no longer served"),
    ]


async def test_a_server_that_never_repeats_itself_does_not_fill_the_log() -> None:
    """A note with a time in it would be new each time."""
    answers = [(200, {"x-deprecation-note": f"note {number}"}) for number in range(120)]
    assert len(await logged(*answers)) == 100
