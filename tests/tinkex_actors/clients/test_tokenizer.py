"""Which tokenizer a model has, and where it is found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import tokenizers
from trio.testing import MockClock

from tests.tinkex_actors.fake_tinker import SETTINGS, FakeTinker, make_trainer
from tinkex_actors.clients import open_tinker, tokenizer
from tinkex_actors.clients.tokenizer import Tokenizer, find_tokenizer, tokenizer_name
from tinkex_actors.local.options import tiny_model_path


@pytest.mark.tinkex("T25", "F250", "F251")
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


class Letters:
    """A tokenizer of a user's own: its tokens are code points."""

    def encode(self, text: str, /, *, add_special_tokens: bool) -> list[int]:
        return [0] * add_special_tokens + [ord(letter) for letter in text]

    def decode(self, tokens: Sequence[int], /, *, skip_special_tokens: bool) -> str:
        return "".join(chr(token) for token in tokens if token or not skip_special_tokens)

    def token_to_id(self, token: str, /) -> int | None:
        return ord(token) if len(token) == 1 else None


@pytest.mark.tinkex("F033", "F249")
async def test_a_client_encodes_and_decodes_with_what_its_own_loader_finds(autojump_clock: MockClock) -> None:
    """Asked once for each name; what it does not know is looked for as ever."""
    asked = list[str]()

    def load(name: str) -> Tokenizer | None:
        asked.append(name)
        return Tokenizer(Letters()) if name == "fake/model" else None

    below = httpx.MockTransport(FakeTinker().handle)
    async with open_tinker(SETTINGS, below=below, load_tokenizer=load) as tinker:
        trainer = await make_trainer(tinker)
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        tiny = await tinker.create_sampling_client(base_model="tinkex/tiny")
        assert trainer.decode(trainer.encode("sea")) == sampler.decode(sampler.encode("sea")) == "sea"
        assert trainer.get_tokenizer() is sampler.get_tokenizer()
        assert trainer.get_tokenizer().token_to_id("a") == 97
        assert tiny.decode(tiny.encode("sea")) == "sea"
    assert asked == ["fake/model", "tinkex/tiny"]
    assert autojump_clock.current_time() < 5


async def test_what_a_client_keeps_is_bounded(autojump_clock: MockClock) -> None:
    """Thirty-two, the latest; a program that meets a thousand models does not keep them all."""
    async with open_tinker(
        SETTINGS, below=httpx.MockTransport(FakeTinker().handle), load_tokenizer=lambda _: Tokenizer(Letters())
    ) as tinker:
        for index in range(40):
            find_tokenizer(tinker._tree, f"model-{index}")
        assert list(tinker._tree.tokenizers) == [f"model-{index}" for index in range(8, 40)]
        with pytest.raises(ValueError, match=r"Tokenizer\.load\(name\)"):
            find_tokenizer(tinker._tree, "")
    assert autojump_clock.current_time() < 5


class Library:
    """Stands for a package that may be installed."""

    def __init__(self) -> None:
        self.asked = list[tuple[str, str | None]]()
        self.AutoTokenizer = self

    def from_pretrained(self, name: str, *, revision: str, trust_remote_code: bool) -> "Library":
        assert trust_remote_code
        self.asked.append((name, revision))
        return self

    def get_tokenizer(self, name: str) -> "Library | None":
        self.asked.append((name, None))
        return self if name == "TML/known" else None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [add_special_tokens, *text.encode()]

    def decode(self, tokens: list[int], *, skip_special_tokens: bool) -> str:
        return bytes(tokens[skip_special_tokens:]).decode()

    def get_vocab(self) -> dict[str, int]:
        return {"a": 97}


@pytest.mark.tinkex("F252")
def test_a_tokenizer_that_is_code_runs_at_the_revision_that_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the hub serves tomorrow is not run."""
    library = Library()

    def find(package: str) -> Library:
        assert package in {"transformers", "tml_tokenizers"}
        return library

    monkeypatch.setattr(tokenizer, "import_module", find)
    loaded = Tokenizer.load("moonshotai/Kimi-K2.5-Text-Only")
    assert library.asked == [("moonshotai/Kimi-K2.5", "4d01dfe0332d63057c186e0b262165819efb6611")]
    assert loaded.decode(loaded.encode("a", add_special_tokens=True), skip_special_tokens=True) == "a"
    assert (loaded.token_to_id("a"), loaded.token_to_id("b")) == (97, None)
    assert Tokenizer.load("TML/known").encode("a") == [0, 97]


@pytest.mark.parametrize(("name", "package"), [("moonshotai/Kimi-K3", "transformers"), ("TML/x", "tml_tokenizers")])
def test_a_package_that_a_tokenizer_needs_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optional: nobody else needs it."""

    def find_nothing(missing: str) -> None:
        raise ModuleNotFoundError(f"no module {missing}", name=missing)

    monkeypatch.setattr(tokenizer, "import_module", find_nothing)
    with pytest.raises(ModuleNotFoundError, match=f"needs the package {package}"):
        Tokenizer.load(name)


@pytest.mark.parametrize(
    "bare", [Letters(), tokenizers.Tokenizer.from_file(str(tiny_model_path() / "tokenizer.json")), Library()]
)
async def test_a_loader_may_return_a_tokenizer_as_its_library_makes_it(autojump_clock: MockClock, bare: Any) -> None:
    """What encodes to something else than numbers would be found in the first request, as a puzzle."""
    below = httpx.MockTransport(FakeTinker().handle)
    async with open_tinker(SETTINGS, below=below, load_tokenizer=lambda _: bare) as tinker:
        sampler = await tinker.create_sampling_client(base_model="fake/model")
        assert all(isinstance(token, int) for token in sampler.encode("a"))
        assert sampler.get_tokenizer().token_to_id("?") in {None, ord("?")}
    assert autojump_clock.current_time() < 5


@pytest.mark.parametrize("wrong", ["path", Path(), object()])
def test_what_is_no_tokenizer_is_refused_by_name(wrong: Any) -> None:
    """A path in place of what lies there, or a coroutine of a loader that is async."""
    with pytest.raises(TypeError, match=f"must have encode and decode, got .*{type(wrong).__name__}"):
        Tokenizer(wrong)
