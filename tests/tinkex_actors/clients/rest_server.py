"""The REST client over the embedded server in this process, and over a server that answers everything alike."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.tinkex_actors.local.site import KEY, Site
from tinkex_actors.clients import RestClient, open_rest_client
from tinkex_actors.settings import Settings

SETTINGS = Settings.from_environ({}, api_key=KEY, base_url="http://server")


@asynccontextmanager
async def rest_of(site: Site, key: str = KEY) -> AsyncGenerator[RestClient]:
    """Open a client of *site*, without sockets."""
    settings = Settings.from_environ({}, api_key=key, base_url="http://server")
    # Starlette declares an application's messages as mutable mappings, httpx as dictionaries.
    app: Any = site.app
    async with open_rest_client(settings, below=httpx.ASGITransport(app)) as rest:
        yield rest


@asynccontextmanager
async def rest_over(
    answer: Callable[[httpx.Request], httpx.Response], settings: Settings = SETTINGS
) -> AsyncGenerator[RestClient]:
    """Open a client of a server that is one function."""
    async with open_rest_client(settings, below=httpx.MockTransport(answer)) as rest:
        yield rest
