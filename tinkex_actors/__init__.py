"""The Tinker client as a supervised tree, and everything around it.

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

from tinkex_actors.actors.errors import ClientClosed as ClientClosed
from tinkex_actors.actors.errors import ClientFenced as ClientFenced
from tinkex_actors.actors.errors import OperationWithdrawn as OperationWithdrawn
from tinkex_actors.actors.errors import SessionEnded as SessionEnded
from tinkex_actors.clients import AdminClient as AdminClient
from tinkex_actors.clients import PagedList as PagedList
from tinkex_actors.clients import Pending as Pending
from tinkex_actors.clients import RestClient as RestClient
from tinkex_actors.clients import SamplingClient as SamplingClient
from tinkex_actors.clients import TinkerClient as TinkerClient
from tinkex_actors.clients import Tokenizer as Tokenizer
from tinkex_actors.clients import TrainingClient as TrainingClient
from tinkex_actors.clients import open_rest_client as open_rest_client
from tinkex_actors.clients import open_tinker as open_tinker
from tinkex_actors.settings import Figures as Figures
from tinkex_actors.settings import Settings as Settings
from tinkex_actors.types import AdamParams as AdamParams
from tinkex_actors.types import Datum as Datum
from tinkex_actors.types import ForwardBackwardOutput as ForwardBackwardOutput
from tinkex_actors.types import LoraConfig as LoraConfig
from tinkex_actors.types import LossFnType as LossFnType
from tinkex_actors.types import ModelInput as ModelInput
from tinkex_actors.types import SampleResponse as SampleResponse
from tinkex_actors.types import SamplingParams as SamplingParams
from tinkex_actors.types import TensorData as TensorData
from tinkex_actors.types import TinkerError as TinkerError
