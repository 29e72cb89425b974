"""Words on a terminal: the ``tinkex`` command.

Each command is a module of this package, imported when it is asked for, so that ``tinkex --version`` stays quick.
"""

from tinkex_actors.cli._main import main as main

__all__ = ["main"]
