"""``module:function``: how a plan names code.

The folder of the plan is searched first, so that a plan and its code can lie side by side.
"""

import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs

_FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@attrs.frozen
class Reference:
    """A function by name."""

    text: str

    @classmethod
    def is_one(cls, text: str) -> bool:
        """Whether *text* has the form ``module:function``; a path with a drive or a scheme has not."""
        return _FORM.fullmatch(text) is not None

    # Any: what a plan's author wrote. Whoever calls it checks what comes back.
    def resolve(self, folder: Path) -> Callable[..., Any]:
        """Import the module, looking into *folder* first, and return the function.

        Raises:
            ValueError: There is no such module or no such function, or the module fails when it is imported.
        """
        module_name, _, name = self.text.partition(":")
        try:
            found = _import(module_name, folder)
            for part in name.split("."):
                found = getattr(found, part)
        except AttributeError:
            raise ValueError(f"{module_name} has no function {name!r}") from None
        if not callable(found):
            raise ValueError(f"{self.text} is {type(found).__name__}, expected a function")  # noqa: TRY004 - one kind of fault
        function: Callable[..., Any] = found
        return function


def _import(name: str, folder: Path) -> Any:
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        raise ValueError(
            f"no module named {missing.name!r}; it is looked for beside the plan and where Python looks"
        ) from missing
    except Exception as error:  # whatever a user's module raises when it is imported is a fault of the plan
        raise ValueError(f"importing {name} failed: {type(error).__name__}: {error}") from error
