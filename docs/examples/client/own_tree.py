"""A client in a supervision tree of one's own, and a job that works with whatever client there is."""

from functools import partial

import trio

from supervisors import Host, Ref, Strategy, child_from, open_supervisor
from tinkex_actors import ModelInput, SamplingParams, TinkerClient, open_tinker


async def draw(client: Ref[Host[TinkerClient]], drawn: trio.MemorySendChannel[int]) -> None:
    tinker = await client.call(Host[TinkerClient].value)
    sampler = await tinker.create_sampling_client(base_model="tinkex/tiny")
    answer = await sampler.sample(ModelInput.from_ints([5, 6, 7]), 1, SamplingParams(max_tokens=4))
    await drawn.send(len(answer.sequences[0].tokens))
    await trio.sleep_forever()


async def main() -> None:
    send, drawn = trio.open_memory_channel[int](0)
    async with open_supervisor("program", strategy=Strategy.REST_FOR_ONE) as program:
        client = await program.start_child(child_from(partial(open_tinker, local=True), name="client"))
        await program.start_child(child_from(partial(draw, client, send), name="job"))
        print("drawn:", await drawn.receive(), "tokens")
        client.kill()  # client and job begin anew, in this order
        print("drawn:", await drawn.receive(), "tokens")
        print(program.tree())


if __name__ == "__main__":
    trio.run(main)
