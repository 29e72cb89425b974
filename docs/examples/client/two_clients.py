"""Two clients in one program: nothing of one reaches the other."""

import trio

from tinkex_actors import Settings, open_tinker
from tinkex_actors.local import ServerOptions, open_server
from tinkex_actors.types import NotFoundError


async def main() -> None:
    async with (
        open_server(ServerOptions()) as server,
        open_tinker(Settings(base_url=server.url, api_key="tml-one")) as one,
        open_tinker(Settings(base_url=server.url, api_key="tml-two")) as two,
    ):
        mine = await one.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
        saved = await mine.save_state("private")
        try:
            await two.create_training_client_from_state(saved.path)
        except NotFoundError as error:
            print(error.operation, "was answered with", error.status_code)
        await one.create_training_client_from_state(saved.path)
        print("its owner can")


if __name__ == "__main__":
    trio.run(main)
