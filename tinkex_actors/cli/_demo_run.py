"""The demo: a real fine-tuning run under supervision, with a crash in the middle.

The order is that of any run: read and check the data, open the tree, train, save, tell. The one unusual thing is the
crash, half-way and on purpose, with a step's requests under way.
"""

import signal
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import attrs
import trio

from tinkex_actors.cli._questions import Answer, Questions
from tinkex_actors.cli._screen import Screen
from tinkex_actors.clients import SamplingClient, TinkerClient, TrainingClient
from tinkex_actors.daemon.datasets import Example, read_examples
from tinkex_actors.daemon.entries import JsonScalar
from tinkex_actors.daemon.finetune import FineTuning
from tinkex_actors.daemon.plot import plot_loss
from tinkex_actors.daemon.rendering import Rendered, render_examples
from tinkex_actors.daemon.run_folder import CheckpointRecord, RunFolder, StepRecord
from tinkex_actors.daemon.schedule import Schedule

INTERRUPTED = 130
_GRACE = 4.0
"""Seconds between an interrupt and the end: enough for the step under way, a checkpoint and an ordered stop."""


@attrs.frozen(kw_only=True)
class DemoOptions:
    """What the command line asked for."""

    data: Path
    out: Path
    schedule: Schedule
    base_model: str
    server: str
    """Where the model runs, for people: an address, or "embedded"."""
    rank: int
    max_length: int = 256


@attrs.define
class Interrupt:
    """Whether somebody asked the run to stop, and how long it may still take."""

    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    is_asked: bool = False

    async def watch(self) -> None:
        """First signal: finish the step, save, stop. Second signal: stop at once."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                if self.is_asked:
                    self.scope.cancel()
                self.is_asked = True
                self.scope.deadline = trio.current_time() + _GRACE


async def run_demo(options: DemoOptions, client: AbstractAsyncContextManager[TinkerClient], screen: Screen) -> int:
    """Run the demo and return its exit status.

    Args:
        options: What to do.
        client: Opened when the data has been checked.
        screen: Shows the run; it should also observe the client's tree.

    Raises:
        RunError: The data or the run folder are unusable.
        TinkerError: The server refuses, or is not there.
    """
    examples = await trio.to_thread.run_sync(read_examples, options.data)
    interrupt = Interrupt()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(interrupt.watch)
        with interrupt.scope:
            async with client as tinker:
                await _Demo(options, examples, screen, interrupt).run(tinker)
        nursery.cancel_scope.cancel()
    return INTERRUPTED if interrupt.is_asked else 0


@attrs.define
class _Demo:
    """The stations of one run."""

    options: DemoOptions
    examples: Sequence[Example]
    screen: Screen
    interrupt: Interrupt
    records: list[StepRecord] = attrs.field(factory=list[StepRecord])
    crashes: list[int] = attrs.field(factory=list[int])

    async def run(self, tinker: TinkerClient) -> None:
        """Go through them in order; an interrupt leads from the training straight to the checkpoint."""
        options = self.options
        trainer = await tinker.create_lora_training_client(
            options.base_model, rank=options.rank, seed=options.schedule.seed
        )
        tokenizer = await trio.to_thread.run_sync(trainer.get_tokenizer)
        rendered = render_examples(self.examples, tokenizer, max_length=options.max_length)
        folder = RunFolder.create(options.out, self._config())
        questions = Questions.choose(self.examples, tokenizer)
        self.screen.say(
            f"fine-tuning {options.base_model} ({options.server} server) on {len(rendered)} sequences of {options.data.name}"
        )
        base = await tinker.create_sampling_client(base_model=options.base_model)
        self._show("before training", await questions.ask(base))
        with self.screen:
            await self._train(trainer, rendered, folder)
        if self.records:
            sampler = await self._save(trainer, folder)
            if not self.interrupt.is_asked:
                self._show("after training", await questions.ask(sampler))
        if self.records and not self.interrupt.is_asked:  # a picture takes seconds that an interrupt does not give
            await trio.to_thread.run_sync(self._draw, folder)
        self._tell(tinker, folder)

    async def _train(self, trainer: TrainingClient, rendered: Sequence[Rendered], folder: RunFolder) -> None:
        half_way = self.options.schedule.steps // 2

        def keep(record: StepRecord) -> None:
            folder.append_step(record)
            self.records.append(record)
            self.screen.show_step(record)

        def crash(step: int) -> None:
            if step == half_way:
                self.screen.say(f"crashing the trainer on purpose, with step {step + 1} under way", style="bold")
                self.crashes.append(step)
                trainer.crash("on purpose")

        loop = FineTuning(
            trainer=trainer,
            examples=rendered,
            schedule=self.options.schedule,
            on_step=keep,
            on_submitted=crash,
            should_stop=lambda: self.interrupt.is_asked,
        )
        await loop.run()

    async def _save(self, trainer: TrainingClient, folder: RunFolder) -> SamplingClient:
        last = self.records[-1]
        name = "interrupted" if self.interrupt.is_asked else "final"
        state, weights = trainer.save_state(name), trainer.save_weights_for_sampler(name)
        sampler_path = (await weights).path
        folder.append_checkpoint(
            CheckpointRecord(
                name=name,
                batch=last.step + 1,
                epoch=last.epoch,
                state_path=(await state).path,
                sampler_path=sampler_path,
                elapsed_tokens=sum(record.num_tokens for record in self.records),
                final=not self.interrupt.is_asked,
            )
        )
        return await trainer.create_sampling_client(sampler_path or "")

    def _show(self, when: str, answers: Sequence[Answer]) -> None:
        self.screen.say(f"\n{when}", style="bold")
        for answer in answers:
            self.screen.say(f"  {answer.question}\n    {answer.text.strip() or '(nothing)'}")
        self.screen.say("")

    def _draw(self, folder: RunFolder) -> None:
        title = f"{self.options.base_model}, {len(self.records)} steps"
        folder.write("loss.png", plot_loss(self.records, title=title, crashes=self.crashes))

    def _tell(self, tinker: TinkerClient, folder: RunFolder) -> None:
        self.screen.say(f"{tinker.tree()}\n")
        if self.records:
            first, last = self.records[0].train_mean_nll, self.records[-1].train_mean_nll
            self.screen.say(
                f"loss {first:.3f} → {last:.3f} in {len(self.records)} steps, {self.records[-1].total_seconds:.1f} s"
            )
        self.screen.say(f"run folder: {folder.path}", style="bold")

    def _config(self) -> dict[str, JsonScalar]:
        schedule = self.options.schedule
        return {
            "model_name": self.options.base_model,
            "recipe_name": "demo",
            "renderer_name": "chatml",
            "lora_rank": self.options.rank,
            "learning_rate": schedule.learning_rate,
            "log_path": str(self.options.out),
            "batch_size": schedule.batch_size,
            "steps": schedule.steps,
            "seed": schedule.seed,
            "max_length": self.options.max_length,
            "data": str(self.options.data),
            "server": self.options.server,
        }
