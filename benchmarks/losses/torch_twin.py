"""The same composition in torch: one graph of all eight terms, one backward pass, one thread, doubles."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tinkex_actors.compute.regularizers import Values


# Torch has no types here: it is not among the project's dependencies.
def torch_composition(x: Values, q: Values, weights: tuple[float, ...]) -> Callable[[], tuple[float, Values]]:
    """Build a step that evaluates the weighted sum and its gradient."""
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    reference = torch.from_numpy(q)

    def terms(tensor: Any) -> list[Any]:
        p, n = tensor.exp(), len(tensor)
        m = torch.nn.functional.normalize(tensor, dim=1)
        gram = m @ m.T
        off = gram - torch.diag(torch.diag(gram))
        (slope,) = torch.autograd.grad(tensor.square().sum(), tensor, create_graph=True)
        return [
            tensor.abs().sum(),
            tensor.square().sum(),
            0.5 * tensor.abs().sum() + 0.5 * tensor.square().sum(),
            -(p * tensor).sum() / n,
            (p * (tensor - reference).clamp(-100, 100)).sum() / n,
            (tensor - reference).square().mean(),
            off.square().sum(),
            (slope.norm() - 1) ** 2,
        ]

    def step() -> tuple[float, Values]:
        leaf = torch.from_numpy(x).clone().requires_grad_()
        total: Any = sum(weight * term for weight, term in zip(weights, terms(leaf), strict=True))
        total.backward()
        gradient: Values = leaf.grad.numpy()
        return float(total.detach()), gradient

    return step
