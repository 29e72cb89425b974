"""The Tinker client as a supervised tree, and everything around it.

Importing this package imports nothing else: a name brings its module when it is first asked for, so that a command such as
``tinkex --version`` does not wait for what it does not use.

Twenty lines that train and sample, on a machine with nothing but this package (``local=True`` starts the embedded
server; ``open_tinker(Settings())`` takes address and key from the environment)::

    import trio
    from tinkex_actors import AdamParams, Datum, ModelInput, SamplingParams, open_tinker

    async def main() -> None:
        async with open_tinker(local=True) as tinker:
            trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8)
            tokenizer = trainer.get_tokenizer()
            tokens = tokenizer.encode("The sea is calm tonight.")
            weights = [1.0] * (len(tokens) - 1)
            datum = Datum(ModelInput.from_ints(tokens[:-1]), {"target_tokens": tokens[1:], "weights": weights})
            for step in range(10):
                gradients = trainer.forward_backward([datum], "cross_entropy")  # in line, at once
                update = trainer.optim_step(AdamParams(learning_rate=1e-3))     # behind it
                if step == 5:
                    trainer.crash("to see that nobody notices")
                print(step, (await gradients).metrics["loss:sum"], await update)
            sampler = await trainer.save_weights_and_get_sampling_client("calm")
            prompt = ModelInput.from_ints(tokenizer.encode("The sea"))
            answer = await sampler.sample(prompt, num_samples=1, sampling_params=SamplingParams(max_tokens=16))
            print(tokenizer.decode(answer.sequences[0].tokens))
            print(tinker.tree())

    trio.run(main)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinkex_actors.actors.errors import (
        ClientBusy,
        ClientClosed,
        ClientFenced,
        OperationWithdrawn,
        SessionEnded,
    )
    from tinkex_actors.actors.queue_state import (
        QueueChange,
    )
    from tinkex_actors.actors.snapshot import (
        ClientSnapshot,
    )
    from tinkex_actors.actors.waits import (
        Wait,
    )
    from tinkex_actors.clients import (
        AdminClient,
        CustomLossOptions,
        PagedList,
        Pending,
        RestClient,
        SamplerHandle,
        SamplingClient,
        TinkerClient,
        Tokenizer,
        TrainingClient,
        open_rest_client,
        open_sampler,
        open_tinker,
    )
    from tinkex_actors.settings import (
        Figures,
        Settings,
    )
    from tinkex_actors.transport.responses import (
        RawResponse,
        Responses,
        record_responses,
    )
    from tinkex_actors.types import (
        AdamParams,
        Datum,
        ForwardBackwardOutput,
        LoraConfig,
        LossFnType,
        ModelInput,
        SampleResponse,
        SamplingParams,
        TensorData,
        TinkerError,
    )

__all__ = [
    "AdamParams",
    "AdminClient",
    "ClientBusy",
    "ClientClosed",
    "ClientFenced",
    "ClientSnapshot",
    "CustomLossOptions",
    "Datum",
    "Figures",
    "ForwardBackwardOutput",
    "LoraConfig",
    "LossFnType",
    "ModelInput",
    "OperationWithdrawn",
    "PagedList",
    "Pending",
    "QueueChange",
    "RawResponse",
    "Responses",
    "RestClient",
    "SampleResponse",
    "SamplerHandle",
    "SamplingClient",
    "SamplingParams",
    "SessionEnded",
    "Settings",
    "TensorData",
    "TinkerClient",
    "TinkerError",
    "Tokenizer",
    "TrainingClient",
    "Wait",
    "open_rest_client",
    "open_sampler",
    "open_tinker",
    "record_responses",
]

_HOMES = {
    "tinkex_actors.actors.errors": ("ClientBusy", "ClientClosed", "ClientFenced", "OperationWithdrawn", "SessionEnded"),
    "tinkex_actors.actors.queue_state": ("QueueChange",),
    "tinkex_actors.actors.snapshot": ("ClientSnapshot",),
    "tinkex_actors.actors.waits": ("Wait",),
    "tinkex_actors.clients": (
        "AdminClient",
        "CustomLossOptions",
        "PagedList",
        "Pending",
        "RestClient",
        "SamplerHandle",
        "SamplingClient",
        "TinkerClient",
        "Tokenizer",
        "TrainingClient",
        "open_rest_client",
        "open_sampler",
        "open_tinker",
    ),
    "tinkex_actors.settings": ("Figures", "Settings"),
    "tinkex_actors.transport.responses": ("RawResponse", "Responses", "record_responses"),
    "tinkex_actors.types": (
        "AdamParams",
        "Datum",
        "ForwardBackwardOutput",
        "LoraConfig",
        "LossFnType",
        "ModelInput",
        "SampleResponse",
        "SamplingParams",
        "TensorData",
        "TinkerError",
    ),
}
"""Where each name lives; the imports above say the same to type checkers, and a test compares them."""


def __dir__() -> list[str]:
    """List the names there are, whether asked for before or not."""
    return sorted({*globals(), *__all__})


# Not shown to type checkers: they would take any name for one of this package's.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Bring a name from its home.

        Raises:
            AttributeError: There is no such name.
        """
        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(home), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
