"""Sample from a base model: many prompts at once, repeatable draws, scores, and an answer nobody waits for any more."""

import trio

from tinkex_actors import ModelInput, SamplingParams, open_tinker


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        sampler = await tinker.create_sampling_client(base_model="tinkex/tiny")
        tokenizer = sampler.get_tokenizer()

        # Submitted at once, answered in any order; the server decodes what comes together as one batch.
        greedy = SamplingParams(max_tokens=48, temperature=0.0, stop=["."])
        starts = ["The old man", "A lemon", "In the morning"]
        prompts = [ModelInput.from_ints(tokenizer.encode(start)) for start in starts]
        pending = [sampler.sample(prompt, 1, greedy) for prompt in prompts]
        for start, handle in zip(starts, pending, strict=True):
            (sequence,) = (await handle).sequences
            text = tokenizer.decode(sequence.tokens)
            print(f"{start} ...: {len(text)} characters, {sequence.stop_reason}")

        # A task that gives up takes its sample with it: the server is told, and does no work for nobody.
        endless = sampler.sample(prompts[0], 1, SamplingParams(max_tokens=200))
        with trio.move_on_after(0.01):
            await endless
        print("withdrawn:", endless.is_done)

        # The same seed draws the same sequences.
        drawn = SamplingParams(max_tokens=8, temperature=0.8, top_p=0.9, seed=7)
        first, second = await sampler.sample(prompts[0], 2, drawn), await sampler.sample(prompts[0], 2, drawn)
        print("repeatable:", [one.tokens for one in first.sequences] == [one.tokens for one in second.sequences])

        # How likely does the model find a text? One number for each token; the first has nothing before it.
        scores = await sampler.compute_logprobs(prompts[2])
        print("scored:", len(scores), "tokens, the first:", scores[0])


if __name__ == "__main__":
    trio.run(main)
