"""Regularizers: penalties on log-probabilities, each with its exact gradient from the same evaluation.

===================== ======================== =======================================================================
module                term                     pulls
===================== ======================== =======================================================================
l1_sparsity           `L1Sparsity`             numbers to zero, at a constant rate
l2_weight_decay       `L2WeightDecay`          numbers to zero, a number or their mean, by distance
elastic_net           `ElasticNet`             both
entropy               `Entropy` (v)            distributions sharper or flatter
kl_divergence         `KlDivergence` (v)       distributions to a reference's
jensen_shannon        `JensenShannon` (v)      the same, symmetric and bounded
consistency           `Consistency`            two views of a datum together (its ``kl``: v)
orthogonality         `Orthogonality` (v)      rows apart
gradient_penalty      `GradientPenalty`        the slope of a function to a length
output_magnitude      `OutputMagnitude`        the size of the array to a target
===================== ======================== =======================================================================

(v): needs a vocabulary axis and refuses one log-probability a token, which is no distribution.

Around them: `PenaltyPipeline` and `MultiInputPipeline` make one of several, `check_finite` tells NaN from infinity, and
`Field` makes an array of the datum a target. A term of your own is any `Term`; `Context` is what it may read.
"""

from tinkex_actors.compute.regularizers.consistency import Consistency
from tinkex_actors.compute.regularizers.elastic_net import ElasticNet
from tinkex_actors.compute.regularizers.entropy import Entropy
from tinkex_actors.compute.regularizers.finite import Finiteness, check_finite
from tinkex_actors.compute.regularizers.gradient_penalty import GradientPenalty, curvature_of
from tinkex_actors.compute.regularizers.jensen_shannon import JensenShannon, jensen_shannon_by_position
from tinkex_actors.compute.regularizers.kl_divergence import KlDivergence
from tinkex_actors.compute.regularizers.l1_sparsity import L1Sparsity
from tinkex_actors.compute.regularizers.l2_weight_decay import L2WeightDecay
from tinkex_actors.compute.regularizers.multi_input import MultiInputEvaluation, MultiInputPipeline
from tinkex_actors.compute.regularizers.orthogonality import Orthogonality
from tinkex_actors.compute.regularizers.output_magnitude import OutputMagnitude
from tinkex_actors.compute.regularizers.pipeline import Entry, PenaltyPipeline
from tinkex_actors.compute.regularizers.target import Field
from tinkex_actors.compute.regularizers.term import Context, Evaluation, Term, Values

__all__ = [
    "Consistency",
    "Context",
    "ElasticNet",
    "Entropy",
    "Entry",
    "Evaluation",
    "Field",
    "Finiteness",
    "GradientPenalty",
    "JensenShannon",
    "KlDivergence",
    "L1Sparsity",
    "L2WeightDecay",
    "MultiInputEvaluation",
    "MultiInputPipeline",
    "Orthogonality",
    "OutputMagnitude",
    "PenaltyPipeline",
    "Term",
    "Values",
    "check_finite",
    "curvature_of",
    "jensen_shannon_by_position",
]
