"""What goes wrong is told where it was asked for, as a class for each reaction."""

import trio

from tinkex_actors import Datum, Figures, ModelInput, Settings, TinkerError, open_tinker
from tinkex_actors.types import APIConnectionError, BadRequestError, RequestFailedError


async def main() -> None:
    async with open_tinker(local=True) as tinker:
        try:
            await tinker.create_lora_training_client("no/such-model")
        except (BadRequestError, RequestFailedError) as error:
            print(type(error).__name__, "-", error)

        trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8)
        try:
            trainer.forward_backward([], "cross_entropy")
        except ValueError as error:  # nothing was sent, no number was taken
            print("ValueError -", error)

        lopsided = Datum(ModelInput.from_ints([5, 6, 7]), {"target_tokens": [6, 7], "weights": [1.0, 1.0]})
        try:
            await trainer.forward_backward([lopsided], "cross_entropy")
        except TinkerError as error:  # every error of the client is one
            print(type(error).__name__, "-", error)

        good = Datum(ModelInput.from_ints([5, 6, 7]), {"target_tokens": [6, 7, 8], "weights": [1.0, 1.0, 1.0]})
        print("and the client goes on:", (await trainer.forward([good], "cross_entropy")).metrics["loss:sum"] > 0)

    hasty = Settings(
        base_url="http://127.0.0.1:9", api_key="tml-nobody", figures=Figures(retry_patience=0, max_retries=1)
    )
    try:
        async with open_tinker(hasty):
            print("unreachable")
    except APIConnectionError as error:
        print(type(error).__name__, "in", error.operation)


if __name__ == "__main__":
    trio.run(main)
