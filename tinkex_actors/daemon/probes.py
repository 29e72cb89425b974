"""What the model says to a few prompts while it learns: ``samples.jsonl``, for people to read.

A probe samples from a snapshot between two steps; it waits until no training and no evaluation wait, and the training does
not wait for its answers. What a probe cannot do changes nothing but the file: a step whose answers are missing was probed
by a process that died, or by a server in trouble.
"""

import json
from collections.abc import Awaitable, Callable

import trio

from tinkex_actors.clients import SamplingClient
from tinkex_actors.daemon.admission import Kind, Ticket
from tinkex_actors.daemon.loop import Loop
from tinkex_actors.daemon.plan import ProbePlan
from tinkex_actors.daemon.run_folder import RunFolder, encode_line
from tinkex_actors.log import get_log
from tinkex_actors.types import ModelInput, SamplingParams, TinkerError

SAMPLES = "samples.jsonl"

_log = get_log()


async def make_probe(loop: Loop, plan: ProbePlan) -> Callable[[int], Awaitable[None]]:
    """Return what probes before a step, if it is its turn and it has not been done."""
    folder = RunFolder(loop.site.folder)
    told = await trio.to_thread.run_sync(folder.read, SAMPLES)
    probed = {json.loads(line)["step"] for line in told.splitlines()}

    async def probe(step: int) -> None:
        """Take a snapshot, and ask it behind the training's back."""
        if step % plan.every_steps == 0 and step not in probed:
            probed.add(step)
            ticket = await loop.admit(Kind.SAMPLING, 1)
            with loop.site.admission.keeping(ticket):
                sampler = await loop.trainer.save_weights_and_get_sampling_client()
            loop.nursery.start_soon(_ask_within, ticket, loop, plan, sampler, step)

    return probe


async def _ask_within(ticket: Ticket, loop: Loop, plan: ProbePlan, sampler: SamplingClient, step: int) -> None:
    with loop.site.admission.returning(ticket):
        await _ask(loop, plan, sampler, step)


async def _ask(loop: Loop, plan: ProbePlan, sampler: SamplingClient, step: int) -> None:
    params = SamplingParams(max_tokens=plan.max_tokens, temperature=plan.temperature, seed=step)
    prompts = [ModelInput.from_ints(loop.tokenizer.encode(prompt)) for prompt in plan.prompts]
    answers = [sampler.sample(prompt, sampling_params=params) for prompt in prompts]
    lines = list[bytes]()
    try:
        for prompt, pending in zip(plan.prompts, answers, strict=True):
            text = loop.tokenizer.decode(list((await pending).sequences[0].tokens))
            lines.append(encode_line({"step": step, "prompt": prompt, "text": text}))
    except TinkerError as error:
        _log.warning("a probe failed", run=loop.site.name, step=step, error=str(error))
        return
    await trio.to_thread.run_sync(RunFolder(loop.site.folder).append, SAMPLES, b"".join(lines))
