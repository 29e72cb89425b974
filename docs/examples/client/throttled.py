"""Sample from a server that is over its limits: everybody waits as long as it asks, and nothing is lost."""

import trio

from tinkex_actors import ModelInput, SamplingParams, Settings, open_tinker
from tinkex_actors.local import Fault, FaultKind, FaultPlan, ServerOptions, open_server

PROMPT = ModelInput.from_ints([5, 6, 7])


async def main() -> None:
    full = Fault(kind=FaultKind.STATUS, status=429, route="POST asample", count=1)
    async with (
        open_server(ServerOptions(faults=FaultPlan([full]))) as server,
        open_tinker(Settings.local(server.url)) as tinker,
    ):
        sampler = await tinker.create_sampling_client(base_model="tinkex/tiny")
        pending = [sampler.sample(PROMPT, 1, SamplingParams(max_tokens=2)) for _ in range(20)]
        for handle in pending:
            await handle
        refused = tinker.metrics.snapshot().counters["tinkex_requests_failure"][("asample",)]
        print("refused with 429:", int(refused))
        print("answered:", len(pending), "- drawn by the server:", server.audit.count("sample"))


if __name__ == "__main__":
    trio.run(main)
