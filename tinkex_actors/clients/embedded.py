"""The embedded server as a supervised child of the client that uses it.

A server that crashes is started again and the client follows it to its new address. Without a data folder its models live
in memory and are lost with it; what hangs on them then fails with the server's own words.
"""

from importlib import import_module
from typing import TYPE_CHECKING, cast

from attrs import define

from supervisors import Actor, ChildSpec, Name

if TYPE_CHECKING:
    from tinkex_actors.local.options import ServerOptions


@define(eq=False)
class Place:
    """Where the server is at the moment."""

    url: str = "http://127.0.0.1"

    def move(self, url: str) -> None:
        """The server is there now."""
        self.url = url


def embedded_server(place: Place, options: "ServerOptions | None") -> ChildSpec[Actor]:
    """Describe the child that runs a server and says in *place* where.

    Raises:
        ModuleNotFoundError: The extra is not installed.
        TypeError: *options* are none.
    """
    try:
        import_module("tinkex_actors.local.embedded")
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"the embedded server needs {missing.name}; install tinkex-actors[local]", name=missing.name
        ) from missing
    from tinkex_actors.local.embedded import EmbeddedServer  # noqa: PLC0415 - an extra, needed by this function alone
    from tinkex_actors.local.options import ServerOptions  # noqa: PLC0415 - as said above

    if not isinstance(cast("object", options), ServerOptions | None):  # in spite of the type
        raise TypeError(f"local must be True, False or ServerOptions, got {type(options).__name__}")
    return ChildSpec(lambda: EmbeddedServer(options, place.move), name=Name("local", EmbeddedServer))
