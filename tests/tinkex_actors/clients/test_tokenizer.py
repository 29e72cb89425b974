"""Which tokenizer a model has, and where it is found."""

from pathlib import Path

import pytest

from tinkex_actors.clients.tokenizer import Tokenizer, tokenizer_name
from tinkex_actors.local.options import tiny_model_path


@pytest.mark.tinkex("T25")
@pytest.mark.parametrize(
    ("model", "declared", "name"),
    [
        ("Qwen/Qwen3-8B", None, "Qwen/Qwen3-8B"),
        ("Qwen/Qwen3-8B", "other/tokenizer:rev", "other/tokenizer"),
        ("Qwen/Qwen3-8B:main", "", "Qwen/Qwen3-8B"),
        ("meta-llama/Llama-3.1-8B", None, "thinkingmachineslabinc/meta-llama-3-instruct-tokenizer"),
        ("org/model/variant", None, "org/model"),
    ],
)
def test_the_servers_word_wins_over_the_models_name(model: str, declared: str | None, name: str) -> None:
    """A wrong tokenizer trains nonsense without an error."""
    assert tokenizer_name(model, declared) == name


def test_a_directory_on_this_machine_is_read() -> None:
    """The embedded server names one; the text survives the way there and back."""
    tokenizer = Tokenizer.load(str(tiny_model_path()))
    tokens = tokenizer.encode("The sea is calm.")
    assert tokenizer.decode(tokens) == "The sea is calm."
    assert tokenizer.encode("<|im_end|>") == [tokenizer.token_to_id("<|im_end|>")]


def test_the_tokenizer_of_the_model_that_comes_with_the_package_lies_in_it() -> None:
    """A sampler of a server on another machine knows only the model's name; the hub has never heard of it."""
    tokenizer = Tokenizer.load(tokenizer_name("tinkex/tiny"))

    assert tokenizer.decode(tokenizer.encode("The sea is calm.")) == "The sea is calm."


def test_a_directory_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    """The next step is in the message."""
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json in"):
        Tokenizer.load(str(tmp_path))


def test_a_name_that_is_nowhere_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the hub's library raises, the caller hears which name was meant."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="no tokenizer 'no such name at all'"):
        Tokenizer.load("no such name at all")
