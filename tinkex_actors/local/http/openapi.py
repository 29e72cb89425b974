"""``GET openapi.json``: what this server understands, as an OpenAPI 3.1 document.

Made from the table of endpoints, their docstrings and the types that their bodies are read with, so it cannot tell another
story than the server.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import orjson

from tinkex_actors.local.http.call import Answer, Call, Endpoint
from tinkex_actors.local.http.schemas import Schema, Schemas
from tinkex_actors.local.service import Service
from tinkex_actors.wire import ForwardBackwardJsonRequest, ForwardJsonRequest
from tinkex_actors.wire import requests as wire
from tinkex_actors.wire.futures import JSON, PROTOBUF

BODIES: Mapping[str, type[Any]] = {
    "POST client/config": wire.ClientConfigRequest,
    "POST client/dynamic_config": wire.ClientConfigRequest,
    "POST create_session": wire.CreateSessionRequest,
    "POST session_heartbeat": wire.SessionHeartbeatRequest,
    "POST sessions/{session_id}/finish": wire.FinishSessionRequest,
    "PUT sessions/{session_id}/project": wire.AssignProjectRequest,
    "POST sessions/search": wire.SessionSearchRequest,
    "POST create_model": wire.CreateModelRequest,
    "POST get_info": wire.GetInfoRequest,
    "POST forward_backward": ForwardBackwardJsonRequest,
    "POST forward": ForwardJsonRequest,
    "POST optim_step": wire.OptimStepRequest,
    "POST save_weights": wire.SaveWeightsRequest,
    "POST save_weights_for_sampler": wire.SaveWeightsForSamplerRequest,
    "POST save_weights_external": wire.SaveWeightsExternalRequest,
    "POST unload_model": wire.UnloadModelRequest,
    "POST load_weights": wire.LoadWeightsRequest,
    "POST weights_info": wire.WeightsInfoRequest,
    "POST copy_weights": wire.CopyWeightsRequest,
    "PUT training_runs/{run_id}/checkpoints/{kind}/{name}/ttl": wire.CheckpointTtlRequest,
    "POST create_sampling_session": wire.CreateSamplingSessionRequest,
    "POST join_sampling_session": wire.JoinSamplingSessionRequest,
    "POST asample": wire.SampleRequest,
    "POST stream_sample": wire.SampleRequest,
    "POST retrieve_future": wire.RetrieveFutureRequest,
    "POST retrieve_futures": wire.RetrieveFuturesRequest,
    "POST cancel_future": wire.CancelFutureRequest,
}
"""What each endpoint reads."""

_UNREAD = ("POST telemetry", "POST create_custom_loss")
"""Whose bodies are JSON of any kind."""
_PAGED = ("training_runs", "checkpoints", "sessions")
_SCOPED = ("training_runs", "training_runs/{run_id}", "sessions")
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SCOPE: Schema = {"enum": ["owned", "accessible"]}
_REFUSAL: Schema = {
    "type": "object",
    "properties": {"detail": {"type": "string", "minLength": 1}},
    "required": ["detail"],
}
_FREE: Schema = {"type": "object"}
_STREAM, _FILE = "text/event-stream", "application/octet-stream"
_FOUND: Mapping[str, tuple[str, ...]] = {
    "POST stream_sample": (_STREAM,),
    "GET downloads/{ticket}/{file}": (_FILE,),
    "POST retrieve_future": (JSON, PROTOBUF),
}
"""Content types of the answers that are not JSON alone."""


def make_document(open_routes: Mapping[str, Endpoint], keyed_routes: Mapping[str, Endpoint], prefix: str) -> Schema:
    """Describe the routes of the two tables, those without and those with a key, below *prefix*."""
    schemas, paths = Schemas(), dict[str, Schema]()
    for route, endpoint in [*open_routes.items(), *keyed_routes.items()]:
        method, path = route.split(" ")
        described = _operation(route, endpoint, schemas)
        described["security"] = [{"key": []}] if route in keyed_routes else []
        paths.setdefault(prefix + path, {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "tinkex: a Tinker-compatible server", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": {"Refusal": _REFUSAL, **schemas.components},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        },
    }


def _operation(route: str, endpoint: Endpoint, schemas: Schemas) -> Schema:
    operation: Schema = {
        "summary": (endpoint.__doc__ or "").partition("\n")[0],
        "operationId": f"{route.partition(' ')[0].lower()}_{getattr(endpoint, '__name__', route)}",
        "parameters": list(_parameters(route)),
        "responses": _responses(route),
    }
    if route in BODIES:
        content: Schema = {JSON: {"schema": schemas.of(BODIES[route])}}
        if route == "POST forward_backward":
            content[PROTOBUF] = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {"required": True, "content": content}
    elif route in _UNREAD:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _FREE}}}
    return operation


def _parameters(route: str) -> Iterator[Schema]:
    method, path = route.split(" ")
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    if method != "GET":
        return
    if path in _PAGED:
        yield {"name": "limit", "in": "query", "schema": _COUNT}
        yield {"name": "offset", "in": "query", "schema": _COUNT}
    if path in _SCOPED:
        yield {"name": "access_scope", "in": "query", "schema": _SCOPE}
    if path == "training_runs":
        yield {"name": "project_id", "in": "query", "schema": {"type": "string"}}


def _responses(route: str) -> Schema:
    kinds = _FOUND.get(route, (JSON,))
    responses: Schema = {
        "200": {"description": "done", "content": {kind: {"schema": {} if kind == JSON else _TEXT} for kind in kinds}},
        "4XX": {
            "description": "refused, and why",
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/Refusal"}}},
        },
    }
    if route.endswith("/archive"):
        responses["302"] = {"description": "where the archive is", "content": {JSON: {"schema": _FREE}}}
    if route == "POST retrieve_future":
        responses["408"] = {"description": "not yet; ask again", "content": {JSON: {"schema": _FREE}}}
    return responses


_TEXT: Schema = {"type": "string"}


@cache
def _written() -> bytes:
    from tinkex_actors.local.http.routes import KEYED, OPEN, PREFIX  # noqa: PLC0415 - the table has this endpoint in it

    return orjson.dumps(make_document(OPEN, KEYED, PREFIX))


async def openapi(_: Service, __: Call) -> Answer:
    """``GET openapi.json``: this document."""
    return Answer(_written())
