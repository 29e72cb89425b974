"""A small language-model engine in numpy: load, adapt, train, sample.

It reads Hugging Face model directories (Qwen3 and Llama architectures), trains low-rank adapters with hand-written
gradients, and samples. It knows nothing of HTTP, of actors or of the Tinker protocol's messages; whoever serves it
converts to :class:`Example` and from :class:`LossResult` and keeps calls to one model in order.
"""

from tinkex_actors.local.engine.adam import Adam
from tinkex_actors.local.engine.base_model import BaseModel, load_base_model
from tinkex_actors.local.engine.choice import TopLogprobs
from tinkex_actors.local.engine.config import ModelConfig
from tinkex_actors.local.engine.decoding import Decoding, SampledSequence, SampledToken, take_step
from tinkex_actors.local.engine.errors import EngineError, EngineInputError, ModelLoadError
from tinkex_actors.local.engine.examples import Example
from tinkex_actors.local.engine.lora import Adapter, LoraSpec
from tinkex_actors.local.engine.losses import LOSSES
from tinkex_actors.local.engine.muon import Muon
from tinkex_actors.local.engine.optimizer import Optimizer, Rule
from tinkex_actors.local.engine.prompt_scores import PromptScores, WantedScores
from tinkex_actors.local.engine.sampling import Sampler, SampleRequest, SampleResult
from tinkex_actors.local.engine.training import ExampleResult, LossResult, TrainableModel

__all__ = [
    "LOSSES",
    "Adam",
    "Adapter",
    "BaseModel",
    "Decoding",
    "EngineError",
    "EngineInputError",
    "Example",
    "ExampleResult",
    "LoraSpec",
    "LossResult",
    "ModelConfig",
    "ModelLoadError",
    "Muon",
    "Optimizer",
    "PromptScores",
    "Rule",
    "SampleRequest",
    "SampleResult",
    "SampledSequence",
    "SampledToken",
    "Sampler",
    "TopLogprobs",
    "TrainableModel",
    "WantedScores",
    "load_base_model",
    "take_step",
]
