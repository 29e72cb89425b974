"""Which library a loss is written for, when nobody says.

1. An object with ``evaluate_loss`` says all itself: `torch_loss` and its likes make one.
2. The annotation of the second parameter: ``list[torch.Tensor]``, ``Sequence[jax.Array]``, ``list[np.ndarray]``.
3. Where that says nothing, the modules that the function's code names: torch, jax or ``autograd.numpy``.
4. Otherwise it is a loss of numpy and returns its gradients.

Nothing is imported to find out.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, Literal, TypeAlias

from attrs import frozen

from tinkex_actors.compute.adapters.autograd_loss import AutogradLoss
from tinkex_actors.compute.adapters.jax_loss import JaxLoss
from tinkex_actors.compute.adapters.torch_loss import TorchLoss
from tinkex_actors.compute.loss import Loss, LossFunction, SeededLoss, is_async_loss
from tinkex_actors.compute.regularizers.term import Values
from tinkex_actors.types import Datum

Library: TypeAlias = Literal["numpy", "torch", "jax", "autograd"]

_DECLARED: Mapping[Library, "re.Pattern[str]"] = {
    "torch": re.compile(r"(?<![\w.])torch\."),
    "jax": re.compile(r"(?<![\w.])jax(lib)?\."),
    "numpy": re.compile(r"(?<![\w.])(np|npt|numpy)\."),
}
_NAMED: Mapping[str, Library] = {"torch": "torch", "jax": "jax", "autograd": "autograd"}


@frozen
class NumpyLoss:
    """A function that returns its gradients, whatever libraries it names; made by `numpy_loss`."""

    function: LossFunction

    def __call__(self, data: Sequence[Datum], logprobs: Sequence[Values]) -> Any:
        """Call it."""
        return self.function(data, logprobs)


def numpy_loss(function: LossFunction) -> NumpyLoss:
    """Take *function* for one that returns its gradients: the way out where recognition would guess otherwise."""
    return NumpyLoss(function)


def adapt(loss: Loss) -> Loss:
    """Wrap *loss* for the library it is written for; what needs no wrapping comes back as it is."""
    if isinstance(loss, SeededLoss) or is_async_loss(loss):
        return loss
    match recognise(loss):
        case "torch":
            return TorchLoss(loss)
        case "jax":
            return JaxLoss(loss)
        case "autograd":
            return AutogradLoss(loss)
        case "numpy":
            return loss


def recognise(loss: Callable[..., Any]) -> Library:
    """Say which library *loss* is written for.

    Raises:
        TypeError: Its code names more than one, and it declares nothing.
    """
    function = inspect.unwrap(loss)
    function = getattr(function, "func", function)  # a functools.partial
    if not inspect.isfunction(function):
        return "numpy"
    declared = _declared(function)
    for library, pattern in _DECLARED.items():
        if pattern.search(declared):
            return library
    libraries = sorted(_libraries(function.__code__, function.__globals__))
    if len(libraries) > 1:
        raise TypeError(
            f"expected a loss of one library, got one that names {' and '.join(libraries)}; "
            f"wrap it with {libraries[0]}_loss or another, or annotate its second parameter"
        )
    return libraries[0] if libraries else "numpy"


def _declared(function: Callable[..., Any]) -> str:
    parameters = list(inspect.signature(function).parameters)
    name = parameters[1] if len(parameters) > 1 else ""
    try:
        annotations = inspect.get_annotations(function, eval_str=True)
    except (NameError, AttributeError, SyntaxError, TypeError):
        # Names that only type checkers have; their text is enough where it has the library's name.
        annotations = inspect.get_annotations(function)
    annotation = annotations.get(name, "")
    return annotation if isinstance(annotation, str) else repr(annotation).replace("<class '", "")


def _libraries(code: CodeType, scope: Mapping[str, object]) -> set[Library]:
    found: set[Library] = set()
    for name in code.co_names:
        # A name the module does not have may be an import within the function.
        module = scope.get(name)
        path = module.__name__ if isinstance(module, ModuleType) else "" if name in scope else name
        library = _NAMED.get(path.partition(".")[0])
        if library is not None:
            found.add(library)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _libraries(constant, scope)
    return found
