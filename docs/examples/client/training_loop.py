"""Fine-tune a small model, keep a checkpoint, and ask it a question."""

import trio

from tinkex_actors import AdamParams, Datum, ModelInput, SamplingParams, Tokenizer, open_tinker

PAIRS = {
    "banana split": "anana-bay plit-say",
    "quantum physics": "uantum-qay ysics-phay",
    "donut shop": "onut-day op-shay",
    "coffee break": "offee-cay eak-bray",
}


def question(english: str) -> str:
    return f"English: {english}\nPig Latin:"


def example(tokenizer: Tokenizer, english: str, pig_latin: str) -> Datum:
    prompt = tokenizer.encode(question(english))
    answer = tokenizer.encode(f" {pig_latin}\n")
    tokens = prompt + answer
    weights = [0.0] * len(prompt) + [1.0] * len(answer)  # learn the answers, not the questions
    return Datum(ModelInput.from_ints(tokens[:-1]), {"target_tokens": tokens[1:], "weights": weights[1:]})


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=16, seed=0)
        tokenizer = trainer.get_tokenizer()
        batch = [example(tokenizer, *pair) for pair in PAIRS.items()]

        losses: list[float] = []
        for _ in range(40):
            gradients = trainer.forward_backward(batch, "cross_entropy")
            update = trainer.optim_step(AdamParams(learning_rate=2e-3))
            losses.append((await gradients).metrics["loss:sum"])
            await update
        print("the loss fell below a hundredth:", losses[-1] < losses[0] / 100)

        sampler = await trainer.save_weights_and_get_sampling_client()
        prompt = ModelInput.from_ints(tokenizer.encode(question("donut shop")))
        answer = await sampler.sample(prompt, 1, SamplingParams(max_tokens=40, temperature=0.0, stop=["\n"]))
        print("donut shop:", tokenizer.decode(answer.sequences[0].tokens).strip())

        saved = await trainer.save_state("pig-latin")
        again = await tinker.create_training_client_from_state_with_optimizer(saved.path)
        here, there = trainer.forward(batch, "cross_entropy"), again.forward(batch, "cross_entropy")
        print("a checkpoint brings back the same model:", (await here).metrics == (await there).metrics)


if __name__ == "__main__":
    trio.run(main)
