"""A copy of a sampling client, in whatever process its handle has come to.

::

    handle = sampler.handle()                          # here; pickle it, or send handle.to_text()

    async with open_sampler(handle) as sampler:        # there
        await sampler.sample(prompt)

Every copy has numbers of its own, so that no two copies ever send the same; it keeps the session alive while it is open,
and never ends it: that is for whoever opened it.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from secrets import randbelow

from attrs import evolve

from supervisors import Observer
from tinkex_actors.actors.record import SessionRecord
from tinkex_actors.actors.sample_ledger import COPY_SPAN
from tinkex_actors.actors.tree import TinkerTree, open_tree
from tinkex_actors.clients.checks import check_door
from tinkex_actors.clients.handle import SamplerHandle
from tinkex_actors.clients.sampling import SamplingClient, open_sampling_client
from tinkex_actors.settings import Settings
from tinkex_actors.transport.ask import ask
from tinkex_actors.transport.endpoints import JOIN_SAMPLING_SESSION
from tinkex_actors.transport.stack import HttpBelow, open_transport
from tinkex_actors.types import NotSupportedByServer
from tinkex_actors.types.ids import SamplingSessionId
from tinkex_actors.wire.requests import JoinSamplingSessionRequest


@asynccontextmanager
async def open_sampler(
    handle: SamplerHandle | str,
    settings: Settings | None = None,
    *,
    observers: Iterable[Observer] = (),
    below: HttpBelow | None = None,
) -> AsyncGenerator[SamplingClient, None]:
    """Sample from a sampling session that another process has opened.

    Args:
        handle: From `SamplingClient.handle`, or its text.
        settings: The figures and the key; by default the handle's key, or the environment's where it has none. The
            address is always the handle's.
        observers: As for `open_tinker`.
        below: As for `open_tinker`.

    Raises:
        RequestInvalid: The text is none.
        ValueError: There is no key.
        TinkerError: The server refuses, or does not answer.
    """
    check_door(settings)
    known = SamplerHandle.from_text(handle) if isinstance(handle, str) else handle
    told = settings or (Settings(api_key=known.api_key) if known.api_key else Settings())
    told = evolve(told, base_url=known.base_url, default_headers={**known.default_headers, **told.default_headers})
    record = SessionRecord(session_id=known.session_id, dynamic_config=known.dynamic_config, is_borrowed=True)
    record.begin_with(known.config)
    async with (
        open_transport(told, below=below, config=lambda: record.config) as transport,
        open_tree(told, transport, observers=observers, record=record) as tree,
    ):
        copy = await _number_copy(tree, known.sampling_session_id)
        yield open_sampling_client(
            tree,
            known.sampling_session_id,
            known.base_model,
            records_stability=known.record_stability_info,
            copy=copy,
        )


async def _number_copy(tree: TinkerTree, session_id: SamplingSessionId) -> int:
    """Have the server number this copy, or draw a number that nobody else has drawn."""
    if tree.record.capabilities.join_sampling_session:
        try:
            joined = await ask(tree.transport, JOIN_SAMPLING_SESSION, JoinSamplingSessionRequest(session_id))
        except NotSupportedByServer:
            tree.record.learn("join_sampling_session", is_there=False)
        else:
            return joined.client_counter
    return 1 + randbelow(COPY_SPAN)
