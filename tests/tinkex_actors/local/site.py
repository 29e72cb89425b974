"""The whole server in this process, without sockets: requests go straight into the router."""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
import trio
from attrs import define, frozen
from starlette.types import ASGIApp

from supervisors import open_supervisor
from tests.tinkex_actors.local.engine.tiny_models import random_base
from tests.tinkex_actors.local.worlds import batch, make_workshop
from tinkex_actors.local.bases import BaseEntry, Bases
from tinkex_actors.local.caretaker import Caretaker
from tinkex_actors.local.http.app import make_app
from tinkex_actors.local.keys import Keys
from tinkex_actors.local.limits import Limits
from tinkex_actors.local.registry import Registry
from tinkex_actors.local.service import Service
from tinkex_actors.local.staff import Staff
from tinkex_actors.types.ids import ModelId
from tinkex_actors.types.training import ForwardBackwardInput, ForwardBackwardRequest
from tinkex_actors.wire.futures import PROTOBUF
from tinkex_actors.wire.fwdbwd import encode_forward_backward_request

KEY = "tml-test"


@frozen
class Reply:
    """What the router answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return orjson.loads(self.body)

    @property
    def detail(self) -> str:
        """Why it was refused."""
        detail: str = self.json["detail"]
        return detail


class Client(Protocol):
    """What tests ask of a server, wherever it is."""

    base_model: str

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Send one request; header names are given with underscores. An empty value leaves a header out."""
        ...

    async def post(self, path: str, /, **body: Any) -> Reply:
        """Send a JSON request."""
        return await self.send("POST", path, orjson.dumps(body))

    async def get(self, path: str) -> Reply:
        """Send a request without a body."""
        return await self.send("GET", path)

    async def session(self) -> str:
        """Open a session."""
        opened = await self.post("create_session", tags=[], user_metadata={}, sdk_version="0")
        session_id: str = opened.json["session_id"]
        return session_id

    async def model(self, session_id: str, number: int = 0, **body: Any) -> str:
        """Make a model and wait for it."""
        asked = {
            "session_id": session_id,
            "model_seq_id": number,
            "base_model": self.base_model,
            "lora_config": {"rank": 2},
        }
        promised = await self.post("create_model", **{**asked, **body})
        model_id: str = (await self.fetch(promised)).json["model_id"]
        return model_id

    async def learn(self, model_id: str, seq_id: int, asked: ForwardBackwardInput | None = None) -> Reply:
        """Send forward_backward."""
        request = ForwardBackwardRequest(asked or batch(), ModelId(model_id), seq_id)
        body = encode_forward_backward_request(request)
        return await self.send("POST", "forward_backward", body, content_type=PROTOBUF)

    async def step(self, model_id: str, seq_id: int, learning_rate: float = 0.01) -> Reply:
        """Send optim_step."""
        return await self.post(
            "optim_step", model_id=model_id, seq_id=seq_id, adam_params={"learning_rate": learning_rate}
        )

    async def retrieve(self, request_id: str, accept: str = PROTOBUF) -> Reply:
        """Ask once for what was promised."""
        body = orjson.dumps({"request_id": request_id, "allow_metadata_only": True})
        return await self.send("POST", "retrieve_future", body, accept=accept)

    async def fetch(self, promised: Reply, accept: str = PROTOBUF) -> Reply:
        """Ask until what was promised is there."""
        assert promised.status == 200, promised.body
        while (reply := await self.retrieve(promised.json["request_id"], accept)).status == 408:
            pass
        return reply


@define
class Site(Client):
    """A server in this process."""

    app: ASGIApp
    service: Service
    key: str = KEY
    base_model: str = "random"
    patience: float = math.inf
    """How long the client stays for an answer, in seconds."""

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Send one request; header names are given with underscores. An empty value leaves a header out."""
        path, _, query = path.partition("?")
        given = {"x-api-key": self.key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        replies: list[dict[str, Any]] = []
        parts: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if not parts:
                await trio.sleep(self.patience)
                return {"type": "http.disconnect"}
            return parts.pop()

        async def send(message: Any) -> None:
            replies.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path if path.startswith("/") else f"/api/v1/{path}",
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
            "root_path": "",
            "http_version": "1.1",
        }
        await self.app(scope, receive, send)
        start, *rest = replies
        received = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], received, b"".join(part.get("body", b"") for part in rest))


@asynccontextmanager
async def open_site(
    folder: Path,
    *,
    limits: Limits | None = None,
    keys: tuple[str, ...] = (),
    is_kept: bool = False,
    has_threads: bool = False,
) -> AsyncGenerator[Site]:
    """Open a server over a random model, computing on the event loop; with *is_kept*, one that remembers."""
    registry = Registry.open(folder / "registry.sqlite3" if is_kept else None)
    shop = make_workshop(folder, limits, registry if is_kept else None, has_threads=has_threads)
    async with open_supervisor("test") as root:
        service = Service.open(
            shop,
            registry,
            Bases({"random": BaseEntry(random_base(dtype=np.float32))}),
            await Staff.hire(root, shop),
        )
        await root.start_child(lambda: Caretaker(service), name="caretaker")
        yield Site(make_app(service, Keys.of(keys)), service)
    registry.close()
