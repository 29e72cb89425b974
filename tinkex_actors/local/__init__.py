"""The embedded server: a small, real, Tinker-compatible service in this process or in one of its own.

``async with open_server(ServerOptions(...)) as server`` runs it inside a program, `EmbeddedServer` as a supervised child
of one, `serve` as a process (``tinkex serve``). It trains and samples with the numpy engine of `local.engine`; clients,
ours or the official SDK, find it at ``server.url``. Nothing here knows the client.
"""

from tinkex_actors.local.audit import AuditEntry, AuditLog
from tinkex_actors.local.embedded import EmbeddedServer, serve
from tinkex_actors.local.faults import Fault, FaultKind, FaultPlan
from tinkex_actors.local.limits import Limits
from tinkex_actors.local.option_text import WrittenOptions
from tinkex_actors.local.options import TINY, ServerOptions, tiny_model_path
from tinkex_actors.local.server import LocalServer, open_server

__all__ = [
    "TINY",
    "AuditEntry",
    "AuditLog",
    "EmbeddedServer",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Limits",
    "LocalServer",
    "ServerOptions",
    "WrittenOptions",
    "open_server",
    "serve",
    "tiny_model_path",
]
