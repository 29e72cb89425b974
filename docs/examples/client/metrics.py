"""Count what a client does, and what the program around it wants counted."""

import trio

from tinkex_actors import open_tinker
from tinkex_actors.metrics.prometheus import write_prometheus


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8)
        rewards = tinker.metrics.summary("reward", window=300.0).of()  # a program's own
        for reward in (0.2, 0.4, 0.9):
            await trainer.optim_step()
            rewards.observe(reward)

        snapshot = tinker.metrics.snapshot()
        steps = snapshot.histograms["tinkex_request_duration_seconds"][("optim_step",)]
        print("steps:", steps.count, "- 99 of 100 within a second:", steps.p99 < 1.0)
        print(f"mean reward: {snapshot.summaries['reward'][()].mean:.2f}")

        for line in write_prometheus(tinker.metrics).decode().splitlines():
            if line.startswith("tinkex_requests_success") and "optim_step" in line:
                print(line)


if __name__ == "__main__":
    trio.run(main)
