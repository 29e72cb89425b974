"""The engine against torch and transformers: the same weights, the same numbers.

Random small models are written by transformers in bfloat16 and read by both. Low-rank adapters are inserted into the
torch model by hand, and torch's autograd is the judge of every gradient. Run by ``make parity``.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from attrs import evolve, frozen

from tinkex_actors.local.checkpoints import Recipe
from tinkex_actors.local.engine import (
    Adam,
    Adapter,
    Example,
    LoraSpec,
    Sampler,
    SampleRequest,
    TrainableModel,
    load_base_model,
)
from tinkex_actors.local.export import export_adapter

torch: Any = pytest.importorskip("torch")  # Any: absent from the ordinary environment
transformers: Any = pytest.importorskip("transformers")

pytestmark = pytest.mark.parity

SHAPE = {
    "vocab_size": 301,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 24,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "eos_token_id": None,
    "bos_token_id": None,
    "pad_token_id": None,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "qwen3-tied": ("Qwen3", {"tie_word_embeddings": True}),
    "qwen3-untied": ("Qwen3", {"tie_word_embeddings": False}),
    "llama-tied": ("Llama", {"tie_word_embeddings": True}),
    "llama-untied-llama3-rope": ("Llama", {"tie_word_embeddings": False, "rope_parameters": LLAMA3}),
}
TOLERANCE = 1e-4
"""Nats for log-probabilities; for gradients a share of the largest."""


@frozen(eq=False)
class Pair:
    """The same adapted model twice."""

    name: str
    ours: TrainableModel
    theirs: Any
    weights: Mapping[str, Any]
    """Torch parameters by our names."""


def _insert_adapters(theirs: Any, ours: Adapter) -> dict[str, Any]:
    """Make every adapted linear module return ``W x + s B A x``; return the factors."""
    parameters = {name: torch.nn.Parameter(torch.tensor(array)) for name, array in ours.weights.items()}

    def adapt(name: str) -> None:
        a, b = (parameters[f"{name}.lora_{factor}.weight"] for factor in "AB")

        def add(_module: Any, inputs: Any, output: Any) -> Any:
            return output + ours.spec.scaling * (inputs[0] @ a.T @ b.T)

        theirs.get_submodule(name).register_forward_hook(add)

    for name in ours.weights:
        if name.endswith(".lora_A.weight"):
            adapt(name.removesuffix(".lora_A.weight"))
    return parameters


@pytest.fixture(name="pair", params=list(MODELS))
def pair_fixture(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    torch.set_num_threads(1)  # several wait for each other on a busy machine
    transformers.utils.logging.disable_progress_bar()
    kind, changes = MODELS[request.param]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**SHAPE, **changes)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:  # they begin as ones, which would hide a norm that is not applied
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    theirs.requires_grad_(False)
    base = load_base_model(tmp_path)
    adapter = Adapter.create(base, LoraSpec(8, 3))
    rng = np.random.default_rng(4)
    for name, array in adapter.weights.items():
        if "lora_B" in name:
            array[...] = 0.05 * rng.standard_normal(array.shape)
    return Pair(request.param, TrainableModel(base, adapter), theirs, _insert_adapters(theirs, adapter))


def _batch() -> list[Example]:
    rng = np.random.default_rng(5)
    return [
        Example(
            rng.integers(0, 301, n),
            {
                "target_tokens": rng.integers(0, 301, n),
                "weights": rng.standard_normal(n).astype(np.float32),
                "logprobs": (-6.0 + rng.standard_normal(n)).astype(np.float32),
                "advantages": rng.standard_normal(n).astype(np.float32),
                "sequence_ratio_mask": (rng.random(n) < 0.7).astype(np.float32),
            },
        )
        for n in (40, 7, 300, 40)
    ]


def _their_logprobs(pair: Pair, example: Example) -> Any:
    logits = pair.theirs(torch.tensor(example.tokens)[None]).logits[0]
    targets = torch.tensor(example.inputs["target_tokens"])
    return torch.log_softmax(logits.double(), dim=-1).gather(1, targets[:, None])[:, 0]


def _their_loss(pair: Pair, name: str, examples: Sequence[Example]) -> Any:
    return torch.stack([_their_token_losses(name, _their_logprobs(pair, one), one).sum() for one in examples]).sum()


def _their_token_losses(name: str, logprobs: Any, example: Example) -> Any:
    """The losses of the protocol in torch, differentiated by torch."""
    inputs = {key: torch.tensor(value, dtype=torch.float64) for key, value in example.inputs.items()}
    advantages, distance = inputs["advantages"], logprobs - inputs["logprobs"]
    ratio, bounds = torch.exp(distance), (0.8, 1.2)
    match name:
        case "cross_entropy":
            return -inputs["weights"] * logprobs
        case "importance_sampling":
            return -ratio * advantages
        case "cispo":
            return -ratio.detach().clamp(0.0, 4.0) * logprobs * advantages
        case "dro":
            return -(logprobs * advantages - 0.025 * distance**2)
        case "gspo":
            mean = (distance.detach() * inputs["sequence_ratio_mask"]).sum() / inputs["sequence_ratio_mask"].sum()
            ratio, bounds = torch.exp(mean) * torch.exp(logprobs - logprobs.detach()), (1 - 3e-4, 1 + 4e-4)
        case _:
            assert name == "ppo"
    return -torch.minimum(ratio * advantages, ratio.clamp(*bounds) * advantages)


def _check(pair: Pair, what: str, error: float) -> None:
    print(f"parity of {pair.name}, {what}: {error:.1e}")  # `make parity` shows it
    assert error < TOLERANCE


def test_log_probabilities_agree(pair: Pair) -> None:
    """Short and long sequences, in one packed batch of ours and one by one of theirs."""
    examples = _batch()
    outputs = pair.ours.forward_backward(examples, "cross_entropy", {}, backward=False).outputs
    with torch.no_grad():
        expected = [_their_logprobs(pair, example).numpy() for example in examples]
    error = max(np.abs(ours.logprobs - theirs).max() for ours, theirs in zip(outputs, expected, strict=True))
    _check(pair, "logprobs", error)


@pytest.mark.parametrize("loss", ["cross_entropy", "importance_sampling", "ppo", "cispo", "dro", "gspo"])
def test_adapter_gradients_agree(pair: Pair, loss: str) -> None:
    examples = _batch()
    pair.ours.forward_backward(examples, loss, {}, backward=True)
    _their_loss(pair, loss, examples).backward()
    largest = max(float(parameter.grad.abs().max()) for parameter in pair.weights.values())
    error = max(
        float(np.abs(pair.ours.gradients[name] - parameter.grad.numpy()).max()) / largest
        for name, parameter in pair.weights.items()
    )
    _check(pair, f"gradients of {loss}", error)


def test_ten_steps_of_adamw_end_at_the_same_weights(pair: Pair) -> None:
    """With decay, a limit that binds, and moments that have history."""
    settings = Adam(learning_rate=1e-3, weight_decay=0.01, grad_clip_norm=1.0, eps=1e-8)
    optimizer = torch.optim.AdamW(pair.weights.values(), lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.01)
    examples = _batch()[:2]
    for _ in range(10):
        pair.ours.forward_backward(examples, "cross_entropy", {}, backward=True)
        pair.ours.optim_step(settings)
        optimizer.zero_grad()
        _their_loss(pair, "cross_entropy", examples).backward()
        torch.nn.utils.clip_grad_norm_(pair.weights.values(), 1.0)
        optimizer.step()
    moved = {name: array.detach().numpy() for name, array in pair.weights.items()}
    error = max(float(np.abs(pair.ours.adapter.weights[name] - array).max()) for name, array in moved.items())
    _check(pair, "weights after ten steps", error)


def test_peft_computes_the_same_from_an_export(pair: Pair, tmp_path: Path) -> None:
    """What is taken away is what was trained: PEFT loads the two files as they are, onto the model they belong to."""
    peft: Any = pytest.importorskip("peft")
    recipe = Recipe("random", 8, train_unembed=True, train_mlp=True, train_attn=True)
    state = {f"adapter.{name}": array for name, array in pair.ours.adapter.weights.items()}
    folder = tmp_path / "export"
    folder.mkdir()
    for name, content in export_adapter(recipe, state).items():
        (folder / name).write_bytes(content)
    plain = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT warns of an adapter on a tied head, which merging would change
        adapted = peft.PeftModel.from_pretrained(plain, str(folder)).eval()
    loaded = evolve(pair, theirs=adapted)
    examples = _batch()
    outputs = pair.ours.forward_backward(examples, "cross_entropy", {}, backward=False).outputs
    with torch.no_grad():
        expected = [_their_logprobs(loaded, example).numpy() for example in examples]
    error = max(float(np.abs(one.logprobs - other).max()) for one, other in zip(outputs, expected, strict=True))
    _check(pair, "logprobs of the export in PEFT", error)


def test_greedy_samples_agree(pair: Pair) -> None:
    """The caches of both, for sixty tokens."""
    prompt: npt.NDArray[np.int64] = np.arange(1, 20)
    request = SampleRequest(prompt=prompt, seed=0, max_tokens=60, temperature=0.0, stop_tokens=())
    ours = Sampler(pair.ours.base, pair.ours.snapshot()).sample(request).sequences[0]
    inputs = torch.tensor(prompt)[None]
    theirs = pair.theirs.generate(inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=60, do_sample=False)
    assert ours.tokens.tolist() == theirs[0, len(prompt) :].tolist()
