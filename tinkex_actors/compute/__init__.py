"""Arithmetic without a clock or a network: splitting a call's data, putting its results together, figures of a run.

============== ============================================================================================
batching       `slice_data`: by count and estimated bytes; `estimate_bytes`
combining      `combine_outputs`: outputs in order, metrics by the suffix of their names
metrics        `mean_nll`, `count_batch`
loss           what a custom loss is and returns: `LossEvaluation`, `evaluate_loss`
regularizers   terms of one array, each with its exact gradient
batch_terms    `per_datum`, `concatenated`: a loss over a batch of a term
composition    `compose`: a base and weighted `RegularizerSpec`; `loss_outputs` is what it reports
gradient_check `check_gradient`: is the gradient the slope?
============== ============================================================================================
"""

from tinkex_actors.compute.batching import DataSlice, SliceLimits, check_trainable, estimate_bytes, slice_data
from tinkex_actors.compute.combining import combine_metrics, combine_outputs
from tinkex_actors.compute.metrics import BatchCounts, count_batch, mean_nll

__all__ = [
    "BatchCounts",
    "DataSlice",
    "SliceLimits",
    "check_trainable",
    "combine_metrics",
    "combine_outputs",
    "count_batch",
    "estimate_bytes",
    "mean_nll",
    "slice_data",
]
