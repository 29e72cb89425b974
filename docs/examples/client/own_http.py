"""Carry a client's requests by an HTTP client of one's own: its hooks, its proxy, its HTTP/2."""

from collections import Counter

import httpx
import trio

from tinkex_actors import Settings, open_tinker
from tinkex_actors.local import ServerOptions, open_server


async def main() -> None:
    seen = Counter[str]()

    async def note(request: httpx.Request) -> None:
        seen[request.url.path.removeprefix("/api/v1/")] += 1

    async with (
        open_server(ServerOptions()) as server,
        httpx.AsyncClient(event_hooks={"request": [note]}) as http,
    ):
        for _ in range(2):  # it stays open: whoever opened it closes it
            async with open_tinker(Settings.local(server.url), below=http) as tinker:
                trainer = await tinker.create_lora_training_client("tinkex/tiny", rank=8, seed=0)
                await trainer.optim_step()
    print("sessions:", seen["create_session"], "- steps:", seen["optim_step"])


if __name__ == "__main__":
    trio.run(main)
