"""Direct preference optimization: of two answers, the model learns to prefer the one people chose."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np
import trio

from tinkex_actors import AdamParams, Datum, ModelInput, TensorData, open_tinker

BETA = 0.1
PAIRS = [("Are you well?", " Very well, I thank you.", " No."), ("Shall we walk?", " With pleasure.", " Go away.")]


def to_datum(question: str, answer: str) -> Datum:
    """Only the answer counts."""
    tokens, asked = list((question + answer).encode()), len(question.encode())
    weights = np.array([float(place >= asked) for place in range(1, len(tokens))], np.float32)
    return Datum(ModelInput.from_ints(tokens[:-1]), {"target_tokens": tokens[1:], "weights": weights})


def dpo(data: Sequence[Datum], logprobs: Any) -> Any:
    """Data come in pairs: chosen, rejected. Written for autograd, which finds the gradients."""
    gains = list[Any]()
    for datum, ours in zip(data, logprobs, strict=True):
        weights, reference = (datum.loss_fn_inputs[name].to_numpy() for name in ("weights", "reference"))
        gains.append(anp.sum(weights * (ours - reference)))
    margins = [chosen - rejected for chosen, rejected in zip(gains[::2], gains[1::2], strict=True)]
    loss = sum(anp.log(1.0 + anp.exp(-BETA * margin)) for margin in margins) / len(margins)
    return loss, {"margin:mean": sum(margins) / len(margins), "preferred:sum": sum(margin > 0 for margin in margins)}


async def main() -> None:
    batch = [to_datum(question, answer) for question, *answers in PAIRS for answer in answers]
    async with open_tinker(local=True) as tinker:
        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
        # The reference is the model before training: one forward pass.
        before = await trainer.forward(batch, "cross_entropy")
        for datum, output in zip(batch, before.loss_fn_outputs, strict=True):
            datum.loss_fn_inputs["reference"] = TensorData.from_numpy(output["logprobs"].to_numpy())
        steps = [
            (trainer.forward_backward_custom(batch, dpo), trainer.optim_step(AdamParams(learning_rate=5e-3)))
            for _ in range(8)
        ]
        first, last = [(await steps[index][0]).metrics for index in (0, -1)]
        print(f"loss at first: {first['loss:sum']:.4f}, which is ln 2")
        print("lower at last:", last["loss:sum"] < 0.5 * first["loss:sum"])
        print("pairs preferred:", int(last["preferred:sum"]), "of", len(PAIRS))


if __name__ == "__main__":
    trio.run(main)
