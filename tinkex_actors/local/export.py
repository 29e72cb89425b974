"""Adapters as PEFT writes them: ``adapter_config.json`` and ``adapter_model.safetensors``.

PEFT loads the two files and computes what the engine computes: ``y = W x + (alpha / r) B A x`` for every module named.
"""

from collections.abc import Mapping

import orjson
from safetensors.numpy import save

from tinkex_actors.local.checkpoints import Recipe, Tensors
from tinkex_actors.local.translation import recipe_to_spec

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"

_OURS = "adapter."
_THEIRS = "base_model.model."


def export_adapter(recipe: Recipe, tensors: Tensors) -> Mapping[str, bytes]:
    """Write the adapter of a checkpoint; what belongs to the optimizer is left out.

    Returns:
        The content of the two files, by name.
    """
    weights = {_THEIRS + name.removeprefix(_OURS): tensor for name, tensor in tensors.items() if name.startswith(_OURS)}
    modules = sorted({name.removesuffix(".weight").split(".")[-2] for name in weights})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": recipe.base_model,
        "r": recipe.rank,
        "lora_alpha": recipe_to_spec(recipe).alpha,
        "lora_dropout": 0.0,
        "target_modules": modules,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
    }
    return {
        CONFIG_FILE: orjson.dumps(config, option=orjson.OPT_INDENT_2),
        WEIGHTS_FILE: save(weights, metadata={"format": "pt"}),
    }
