"""Losses written for torch, jax or autograd, as losses of ours: one file a library, none imported before it is needed.

=================  ==================================  ======================================
wrap it            it gets log-probabilities as        install
=================  ==================================  ======================================
`torch_loss`       ``list[torch.Tensor]``, float32     ``tinkex-actors[torch]``
`jax_loss`         ``list[jax.Array]``, float32        ``tinkex-actors[jax]``
`autograd_loss`    ``list`` of autograd's arrays,      ``tinkex-actors[autograd]``
                   float64
`numpy_loss`       ``list[numpy.ndarray]``, float64    (nothing)
=================  ==================================  ======================================

The first three return their loss, or their loss and metrics, and are differentiated; a loss of numpy returns its gradients.
A function that is not wrapped is recognised (`recognise`) by the type it declares for its second parameter, and without a
declaration by the library that its code names.
"""

from tinkex_actors.compute.adapters.autograd_loss import AutogradLoss, autograd_loss
from tinkex_actors.compute.adapters.jax_loss import JaxLoss, jax_loss
from tinkex_actors.compute.adapters.recognition import adapt, numpy_loss, recognise
from tinkex_actors.compute.adapters.torch_loss import TorchLoss, torch_loss

__all__ = [
    "AutogradLoss",
    "JaxLoss",
    "TorchLoss",
    "adapt",
    "autograd_loss",
    "jax_loss",
    "numpy_loss",
    "recognise",
    "torch_loss",
]
