"""Httpx's failures become ours: one class for no answer, one for none in time."""

import httpx

from tinkex_actors.transport.seam import Route
from tinkex_actors.types.errors import APIConnectionError, APITimeoutError


def no_answer(route: Route, address: str, fault: httpx.RequestError) -> APIConnectionError:
    """Say what happened and with whom; httpx's own words only where they cannot hold a header."""
    kind = APITimeoutError if isinstance(fault, httpx.TimeoutException) else APIConnectionError
    words = "" if isinstance(fault, httpx.ProtocolError) else f": {fault}" * bool(str(fault))
    return kind(
        f"{route.name}: no answer from {address} ({type(fault).__name__}{words})", operation=route.name, attempts=1
    )
