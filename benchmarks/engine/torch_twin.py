"""The same adapted model in torch: transformers' Qwen3 with the adapter's products beside each linear module."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from tinkex_actors.local.engine import Adapter, BaseModel, Example


def torch_forward_backward(base: BaseModel, adapter: Adapter, batch: Sequence[Example]) -> Callable[[], object]:
    """Return a function that computes the loss of *batch*, sequences of one length, and torch's gradients."""
    torch: Any = import_module("torch")  # Any: only there when asked for
    transformers: Any = import_module("transformers")
    torch.set_num_threads(1)
    config = base.config
    model = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.num_kv_heads,
            head_dim=config.head_dim,
            max_position_embeddings=config.max_positions,
            tie_word_embeddings=config.tied,
        )
    )
    model.requires_grad_(False)
    for name, array in adapter.weights.items():
        if name.endswith(".lora_A.weight"):
            module = name.removesuffix(".lora_A.weight")
            factors = (torch.nn.Parameter(torch.tensor(a)) for a in (array, adapter.weights[f"{module}.lora_B.weight"]))
            _adapt(model.get_submodule(module), *factors, scaling=adapter.spec.scaling)
    tokens = torch.tensor([example.tokens.tolist() for example in batch])
    targets = torch.tensor([example.inputs["target_tokens"].tolist() for example in batch])

    def run() -> None:
        logits = model(tokens).logits
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").backward()

    return run


def _adapt(module: Any, a: Any, b: Any, *, scaling: float) -> None:
    def add(_module: Any, inputs: Any, output: Any) -> Any:
        return output + scaling * (inputs[0] @ a.T @ b.T)

    module.register_forward_hook(add)
