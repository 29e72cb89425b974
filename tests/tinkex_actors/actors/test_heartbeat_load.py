"""A thousand samples at once do not move the heartbeat."""

from itertools import pairwise
from statistics import median

import httpx
import trio
from attrs import evolve

from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker
from tests.tinkex_actors.real_server import real_server
from tinkex_actors.actors.tree import open_tree
from tinkex_actors.clients.tinker import TinkerClient
from tinkex_actors.settings import Figures
from tinkex_actors.transport.stack import open_transport
from tinkex_actors.types import ModelInput, SamplingParams

AT_ONCE = 1000


async def test_beats_are_on_time_under_a_thousand_samples() -> None:
    """The samples keep the program's loop busy for seconds; the server's clock sees the beats come evenly."""
    fake = FakeTinker(latency=0.0)
    prompt, params = ModelInput.from_ints([1, 2, 3]), SamplingParams(max_tokens=2)
    with real_server() as server:
        line = server.settings(Figures(heartbeat_interval=0.05))
        settings = evolve(SETTINGS, figures=line.figures)
        async with (
            open_transport(settings, below=httpx.MockTransport(fake.handle)) as transport,
            open_tree(settings, transport, open_line=lambda: open_transport(line)) as tree,
        ):
            tinker = TinkerClient(tree)
            sampler = await tinker.create_sampling_client(base_model="fake/model")
            server.arrivals.clear()
            async with trio.open_nursery() as nursery:
                for _ in range(AT_ONCE):
                    nursery.start_soon(sampler.sample(prompt, num_samples=1, sampling_params=params)._wait)
    assert len(fake.times["asample"]) == AT_ONCE
    gaps = [later - earlier for earlier, later in pairwise(server.arrivals)]
    # The interval is 0.05 s. One gap may be the machine's; a starved heartbeat would have gaps only.
    assert median(gaps) < 0.2
    assert max(gaps) < 5
