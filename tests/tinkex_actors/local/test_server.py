"""The server as a whole, over real sockets."""

import socket
from pathlib import Path

import httpx
import pytest
import trio

from supervisors import StartError, open_supervisor
from tinkex_actors.local import TINY, EmbeddedServer, ServerOptions, open_server
from tinkex_actors.local.engine import ModelLoadError


async def models(url: str) -> list[str]:
    """The base models a server offers."""
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": "tml-test"}) as http:
        offered = (await http.get("/api/v1/get_server_capabilities")).json()["supported_models"]
    return [one["model_name"] for one in offered]


async def test_a_server_is_there_until_its_block_is_left() -> None:
    """And not a moment longer."""
    async with open_server() as server:
        assert await models(server.url) == [TINY]
        assert [child.name for child in server.tree().children] == ["decoding", "models", "samplers", "caretaker"]
    with pytest.raises(httpx.ConnectError):
        await models(server.url)


async def test_what_the_block_raises_goes_on_as_it_is() -> None:
    """Not in a group of the server's making."""
    with pytest.raises(LookupError, match="mine"):
        async with open_server():
            raise LookupError("mine")


async def test_a_cancelled_server_stops() -> None:
    """The surrounding program decides when it ends."""
    with trio.move_on_after(0.5) as scope:
        async with open_server():
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """Before any connection is taken."""
    with pytest.raises(ModelLoadError, match="nothing"):
        async with open_server(ServerOptions(models={"m": tmp_path / "nothing"})):
            pass


async def test_an_address_that_is_taken_is_refused() -> None:
    """As the operating system says it, not in a group."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with open_server(ServerOptions(port=taken.getsockname()[1])):
            pass


async def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        async with open_server(ServerOptions(data=tmp_path / "file")):
            pass


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"models": {}}, "at least one model"),
        ({"host": "0.0.0.0"}, "needs an API key"),  # noqa: S104 - what is refused
        ({"api_keys": ("secret",)}, "must start with"),
    ],
)
def test_options_that_make_no_server_are_refused_at_the_door(options: dict[str, object], reason: str) -> None:
    """Before anything is loaded or bound."""
    with pytest.raises(ValueError, match=reason):
        ServerOptions(**options)  # type: ignore[arg-type] # a table of wrong options


async def test_a_supervised_server_is_ready_when_its_start_returns() -> None:
    """And gone when its supervisor stops."""
    async with open_supervisor("root") as root:
        child = await root.start_child(EmbeddedServer)
        server = await child.call(EmbeddedServer.server)
        assert await models(server.url) == [TINY]
    with pytest.raises(httpx.ConnectError):
        await models(server.url)


async def test_a_supervised_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The start fails; nothing waits for ever."""
    options = ServerOptions(models={"m": tmp_path})
    with trio.fail_after(10):
        async with open_supervisor("root") as root:
            with pytest.raises(StartError, match=r"config\.json"):
                await root.start_child(lambda: EmbeddedServer(options))


async def test_several_models_are_served_by_the_names_given_to_them() -> None:
    """A directory may be served twice, under two names."""
    tiny = ServerOptions().models[TINY]
    async with open_server(ServerOptions(models={"a": tiny, "org/b": tiny})) as server:
        assert await models(server.url) == ["a", "org/b"]
