"""What may be told to an actor: the public ``async def`` methods of its class; and why something else is not one of them."""

from inspect import iscoroutinefunction, ismethod
from typing import Final

from supervisors._exit import describe

_HOOKS: Final = frozenset({"on_start", "on_stop", "on_enter"})


def find_operations(cls: type, hooks: frozenset[str]) -> dict[object, tuple[str]]:
    """Map every function that may be called to its name, as messages begin with it; overridden ones included."""
    return {
        value: (name,)
        for base in cls.__mro__
        for name, value in vars(base).items()
        if _is_operation(name, value, hooks)
    }


def _is_operation(name: str, value: object, hooks: frozenset[str]) -> bool:
    return not name.startswith("_") and name not in hooks and iscoroutinefunction(value)


def name_operation(function: object) -> str | None:
    """Name what looks like an operation of some actor; `None` if it cannot be one."""
    name = getattr(function, "__name__", "_")
    return name if _is_operation(name, function, _HOOKS) and not ismethod(function) else None


def refuse_operation(path: str, wrong: object, known: dict[object, tuple[str]]) -> TypeError:
    """The error for *wrong*, which is no operation of the actor at *path*; *known* are."""
    return TypeError(
        f"expected an operation of {path}, a public async method given as `Class.method`, got {_name_fault(wrong)}; "
        f"its operations are: {', '.join(sorted({name for (name,) in known.values()})) or 'none'}"
    )


def _name_fault(wrong: object) -> str:
    if isinstance(wrong, str):
        return f"the text {describe(wrong)}"
    if not callable(wrong):
        return describe(wrong)
    full_name = str(getattr(wrong, "__qualname__", None) or describe(wrong))
    name = full_name.rpartition(".")[2]
    if ismethod(wrong):
        return f"{full_name} of one instance, a bound method"
    if name in _HOOKS:
        return f"{full_name}, which the runtime calls"
    if name.startswith("_"):
        return f"{full_name}, which is private"
    return full_name if iscoroutinefunction(wrong) else f"{full_name}, which is not `async def`"
