"""What the server said as it said it, from every method."""

import trio

from tinkex_actors import ModelInput, SamplingParams, open_tinker, record_responses


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        sampler = await tinker.create_sampling_client(base_model="tinkex/tiny")
        with record_responses() as responses:
            await tinker.get_server_capabilities()
            pending = sampler.sample(ModelInput.from_ints([5, 6, 7]), 1, SamplingParams(max_tokens=4))
        await pending  # it was asked for in the block, so its answers are recorded too
        for response in responses:
            print(response.operation, response.status, response.headers["content-type"], response.attempts)


if __name__ == "__main__":
    trio.run(main)
