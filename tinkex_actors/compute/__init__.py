"""Arithmetic without a clock or a network: splitting a call's data, putting its results together, custom losses, figures.

============== ============================================================================================
batching       `slice_data`: by count and estimated bytes; `estimate_bytes`
combining      `combine_outputs`: outputs in order, metrics by the suffix of their names
metrics        `mean_nll`, `count_batch`
loss           what a custom loss is and returns; `evaluation` runs one and checks what it returned
adapters       losses of torch, jax and autograd: `torch_loss`, `jax_loss`, `autograd_loss`, `numpy_loss`
regularizers   terms of one array, each with its exact gradient
batch_terms    `per_datum`, `concatenated`: a loss over a batch of a term; `only`: over some of its data
composition    `compose`: a base and weighted `RegularizerSpec`; `loss_outputs` is what it reports
gradient_check `check_gradient`, `check_gradient_async`: is the gradient the slope?
topk           `topk_datum`: the likeliest tokens of every position, for terms that need a vocabulary
surrogate      a custom loss as two cross-entropy passes
loss_errors    what goes wrong
============== ============================================================================================
"""

from tinkex_actors.compute.adapters import autograd_loss, jax_loss, numpy_loss, torch_loss
from tinkex_actors.compute.batch_terms import concatenated, only, per_datum
from tinkex_actors.compute.batching import DataSlice, SliceLimits, check_trainable, estimate_bytes, slice_data
from tinkex_actors.compute.combining import combine_metrics, combine_outputs
from tinkex_actors.compute.composition import ComposedLoss, RegularizerSpec, compose
from tinkex_actors.compute.gradient_check import GradientCheck, check_gradient, check_gradient_async
from tinkex_actors.compute.loss import LossEvaluation
from tinkex_actors.compute.loss_errors import GradientMismatch, LossError, LossFailed, LossInvalid, RegularizerFailed
from tinkex_actors.compute.loss_outputs import CustomForwardBackwardOutput, CustomLossOutput, RegularizerOutput
from tinkex_actors.compute.metrics import BatchCounts, count_batch, mean_nll
from tinkex_actors.compute.topk import topk_datum

__all__ = [
    "BatchCounts",
    "ComposedLoss",
    "CustomForwardBackwardOutput",
    "CustomLossOutput",
    "DataSlice",
    "GradientCheck",
    "GradientMismatch",
    "LossError",
    "LossEvaluation",
    "LossFailed",
    "LossInvalid",
    "RegularizerFailed",
    "RegularizerOutput",
    "RegularizerSpec",
    "SliceLimits",
    "autograd_loss",
    "check_gradient",
    "check_gradient_async",
    "check_trainable",
    "combine_metrics",
    "combine_outputs",
    "compose",
    "concatenated",
    "count_batch",
    "estimate_bytes",
    "jax_loss",
    "mean_nll",
    "numpy_loss",
    "only",
    "per_datum",
    "slice_data",
    "topk_datum",
    "torch_loss",
]
