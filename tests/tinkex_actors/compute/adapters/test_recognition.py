"""Which library a loss is written for: what it declares, else what its code names; nothing is imported to find out."""

import functools
import subprocess
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tinkex_actors.compute.adapters import AutogradLoss, JaxLoss, TorchLoss, adapt, numpy_loss, recognise, torch_loss
from tinkex_actors.compute.adapters import differentiation as differentiation_module
from tinkex_actors.compute.evaluation import evaluate_loss
from tinkex_actors.compute.loss import LossResult
from tinkex_actors.types import Datum, ModelInput

DATA = [Datum(ModelInput.from_ints([1]), {"target_tokens": [2]})]
AT = [np.array([-0.5])]

# Stand-ins: which library it is shows in a module's name.
torch: Any = ModuleType("torch")
jnp: Any = ModuleType("jax.numpy")
anp: Any = ModuleType("autograd.numpy")


class Tensor:
    """As torch's own says of itself."""

    __module__ = "torch"


def declaring(annotation: object) -> Any:
    """Make a loss that declares its log-probabilities, and names torch."""

    def loss(_: Any, logprobs: Any) -> Any:
        return torch.exp(logprobs)

    loss.__annotations__ = {"logprobs": annotation}
    return loss


def named_torch(_: Any, logprobs: Any) -> Any:
    return torch.exp(logprobs[0])


def named_jax(_: Any, logprobs: Any) -> Any:
    def inner(array: Any) -> Any:
        return jnp.exp(array)

    return inner(logprobs[0])


def named_autograd(_: Any, logprobs: Any) -> Any:
    return anp.exp(logprobs[0])


def imports_itself(_: Any, logprobs: Any) -> Any:
    import jax.numpy as own  # type: ignore[import-not-found]  # noqa: PLC0415 - what is under test

    return own.exp(logprobs[0])  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - it is not there


def named_two(_: Any, logprobs: Any) -> Any:
    return torch.exp(jnp.exp(logprobs[0]))


def named_none(_: Any, logprobs: Any) -> Any:
    return np.exp(logprobs[0])


@pytest.mark.parametrize(
    ("loss", "library"),
    [
        (declaring(list[Tensor]), "torch"),
        (declaring(Tensor), "torch"),
        (declaring("list[torch.Tensor]"), "torch"),
        (declaring("Sequence[jax.Array]"), "jax"),
        (declaring(Sequence[npt.NDArray[np.float64]]), "numpy"),
        (declaring("list[np.ndarray]"), "numpy"),
        (declaring("list[Unknown]"), "torch"),
        (named_torch, "torch"),
        (named_jax, "jax"),
        (named_autograd, "autograd"),
        (imports_itself, "jax"),
        (named_none, "numpy"),
        (functools.partial(named_torch), "torch"),
        (len, "numpy"),
    ],
)
def test_a_loss_is_known_by_what_it_declares_or_names(loss: Any, library: str) -> None:
    assert recognise(loss) == library


def test_a_loss_that_names_two_libraries_has_to_say_which() -> None:
    with pytest.raises(TypeError, match="one that names jax and torch; wrap it with jax_loss or another"):
        recognise(named_two)


@pytest.mark.parametrize(
    ("loss", "kind"), [(named_torch, TorchLoss), (named_jax, JaxLoss), (named_autograd, AutogradLoss)]
)
def test_a_known_loss_is_wrapped_and_a_wrapped_one_is_left_alone(loss: Any, kind: type[object]) -> None:
    assert isinstance(adapt(loss), kind)
    wrapped = torch_loss(named_jax)
    assert adapt(wrapped) is wrapped


def test_a_loss_with_gradients_of_its_own_may_name_what_it_likes() -> None:
    """The way out where recognition would guess wrong."""

    def own(_: Any, logprobs: Any) -> LossResult:
        return float(np.sum(logprobs[0])), [np.full(1, float(bool(torch)))]

    assert recognise(own) == "torch"
    assert evaluate_loss(numpy_loss(own), DATA, AT).value == -0.5


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> None:
        raise ModuleNotFoundError(f"no {name}", name=name)

    monkeypatch.setattr(differentiation_module, "import_module", find_nothing)
    with pytest.raises(ModuleNotFoundError, match=r"a loss of torch needs torch; install tinkex-actors\[torch\]"):
        evaluate_loss(named_torch, DATA, AT)


def test_no_library_is_imported_before_a_loss_needs_it() -> None:
    """Torch alone takes seconds."""
    seen = "import sys, tinkex_actors.clients, tinkex_actors.compute.adapters; print({'torch', 'jax', 'autograd'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
