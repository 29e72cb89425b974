"""The tiny base model and the demo data that ship in the package are complete, consistent and small."""

import json
import struct
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from benchmarks.pretrain.tokenizer import SPECIAL_TOKENS, VOCABULARY_SIZE, write_tokenizer

LOCAL = Path(str(files("tinkex_actors.local")))
MODEL = LOCAL / "models" / "tiny"
QUESTIONS = LOCAL / "data" / "questions.jsonl"
FILES = (
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))
TOKENIZER = Tokenizer.from_file(str(MODEL / "tokenizer.json"))


def read_json(name: str) -> dict[str, Any]:  # Any: parsed JSON
    """Parse one of the model's files."""
    value: dict[str, Any] = json.loads((MODEL / name).read_text(encoding="utf-8"))
    return value


def read_header() -> dict[str, Any]:  # Any: parsed JSON
    """Parse the header of the weights: name -> dtype, shape, place."""
    with (MODEL / "model.safetensors").open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Any] = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return header


def expected_shapes(config: dict[str, Any]) -> dict[str, list[int]]:
    """Say which arrays a tied Qwen3 decoder of this config has."""
    hidden, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    layer = {
        "input_layernorm": [hidden],
        "self_attn.q_proj": [queries, hidden],
        "self_attn.k_proj": [keys, hidden],
        "self_attn.v_proj": [keys, hidden],
        "self_attn.o_proj": [hidden, queries],
        "self_attn.q_norm": [head],
        "self_attn.k_norm": [head],
        "post_attention_layernorm": [hidden],
        "mlp.gate_proj": [inner, hidden],
        "mlp.up_proj": [inner, hidden],
        "mlp.down_proj": [hidden, inner],
    }
    layers = range(config["num_hidden_layers"])
    shapes = {f"model.layers.{i}.{name}.weight": shape for i in layers for name, shape in layer.items()}
    return shapes | {"model.embed_tokens.weight": [config["vocab_size"], hidden], "model.norm.weight": [hidden]}


def test_the_model_folder_is_complete_and_at_most_five_megabytes() -> None:
    """It ships in the wheel and is read as any Hugging Face folder."""
    sizes = {path.name: path.stat().st_size for path in MODEL.iterdir()}
    assert sorted(sizes) == sorted(FILES)
    assert sum(sizes.values()) <= 5_000_000


def test_the_weights_are_those_the_config_describes() -> None:
    """A reader that trusts config.json finds every array, in its shape, and no other."""
    config, header = read_json("config.json"), read_header()
    assert (config["model_type"], config["tie_word_embeddings"]) == ("qwen3", True)
    assert {name: entry["shape"] for name, entry in header.items()} == expected_shapes(config)
    assert {entry["dtype"] for entry in header.values()} == {"BF16"}


def test_the_config_and_the_tokenizer_agree_on_the_vocabulary() -> None:
    """Every token the model can produce can be decoded, and answers end at the end of a turn."""
    assert read_json("config.json")["vocab_size"] == TOKENIZER.get_vocab_size() == VOCABULARY_SIZE
    assert read_json("config.json")["eos_token_id"] == TOKENIZER.token_to_id("<|im_end|>")
    ends = [TOKENIZER.id_to_token(token) for token in read_json("generation_config.json")["eos_token_id"]]
    assert ends == ["<|im_end|>", "<|endoftext|>"]


def test_the_shipped_tokenizer_is_the_one_the_script_writes(tmp_path: Path) -> None:
    """Else the documented way to the model would lead elsewhere."""
    write_tokenizer(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (MODEL / name).read_text(encoding="utf-8") == (tmp_path / name).read_text(encoding="utf-8")


@given(UNICODE)
@example("naïve 👩‍👩‍👧 \r\n\t\x00 中文 \u2028")
@example("  two  spaces  ")
def test_every_text_is_its_bytes_and_comes_back(text: str) -> None:
    """Byte-level: one token a byte, whatever the script, and nothing normalised away."""
    tokens = TOKENIZER.encode(text).ids
    assert tokens == list(text.encode())
    assert TOKENIZER.decode(tokens) == text


@given(before=UNICODE, after=UNICODE, special=st.sampled_from(SPECIAL_TOKENS))
def test_a_special_token_is_one_token_between_any_texts(before: str, after: str, special: str) -> None:
    """The chat format depends on it."""
    token = 256 + SPECIAL_TOKENS.index(special)
    assert TOKENIZER.encode(before + special + after).ids == [*before.encode(), token, *after.encode()]


def test_the_chat_template_knows_the_turns_of_a_dialogue() -> None:
    """Other tools that load the folder render chats as the model was pretrained on them."""
    template = read_json("tokenizer_config.json")["chat_template"]
    for part in ("<|im_start|>", "<|im_end|>\n", "assistant\n", "add_generation_prompt"):
        assert part in template


@pytest.mark.parametrize(("role", "longest"), [("user", 50), ("assistant", 40)])
def test_each_question_has_one_short_answer(role: str, longest: int) -> None:
    """What keeps the demo's training under a minute."""
    records = [json.loads(line)["messages"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    assert len(records) == 100
    for messages in records:
        assert [message["role"] for message in messages] == ["user", "assistant"]
        content = {message["role"]: message["content"] for message in messages}[role]
        assert 1 <= len(content.encode()) <= longest


def test_no_question_comes_twice() -> None:
    """Two answers to one question could not both be learnt."""
    questions = [
        json.loads(line)["messages"][0]["content"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()
    ]
    assert len(set(questions)) == len(questions)
