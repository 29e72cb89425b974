"""What the server says about itself, and what it listens to politely."""

from tinkex_actors.local.http.call import Answer, Call, answer_json, answer_with
from tinkex_actors.local.refusals import Unprocessable
from tinkex_actors.local.service import Service
from tinkex_actors.types.service import GetServerCapabilitiesResponse, HealthResponse, SupportedModel
from tinkex_actors.wire.requests import ClientConfigRequest


async def healthz(_: Service, __: Call) -> Answer:
    """``GET healthz``."""
    return answer_with(HealthResponse("ok"))


async def client_config(service: Service, call: Call) -> Answer:
    """``POST client/config``: the flags clients keep for good."""
    call.decode(ClientConfigRequest)
    return answer_with(service.flags)


async def dynamic_config(service: Service, call: Call) -> Answer:
    """``POST client/dynamic_config``: the flags clients ask for again and again."""
    call.decode(ClientConfigRequest)
    return answer_with(service.dynamic_flags)


async def capabilities(service: Service, _: Call) -> Answer:
    """``GET get_server_capabilities``: the base models."""
    models = (
        SupportedModel(name, entry.model.config.max_positions, trainable=True, sampleable=True)
        for name, entry in service.bases.entries.items()
    )
    return answer_with(GetServerCapabilitiesResponse(tuple(models)))


async def telemetry(_: Service, call: Call) -> Answer:
    """``POST telemetry``: accepted, and dropped as cheaply as possible; it is dominated by clients' polling."""
    if not call.body.startswith(b"{"):
        raise Unprocessable("$: expected an object of telemetry events, got something else")
    return answer_json(status="accepted")
