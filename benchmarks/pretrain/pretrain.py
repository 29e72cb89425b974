"""Pretrain the tiny base model and export it in the Hugging Face format.

    python -m benchmarks.pretrain.pretrain Rdata.rdb [MORE.txt ...] --out DIR --minutes 40

Needs torch and transformers (the extra ``parity``). Half an hour on one CPU core is enough; the schedule follows the wall clock,
so that a busy machine makes fewer steps but still ends its cosine. The model is written to DIR every few minutes.
"""

import argparse
import json
import math
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.pretrain.muon import Muon
from benchmarks.pretrain.novels import read_novels
from benchmarks.pretrain.sentences import Chat, generate_chats, generate_stories
from benchmarks.pretrain.tokenizer import END_OF_TEXT, TURN_END, TURN_START, VOCABULARY_SIZE, write_tokenizer

torch: Any = import_module("torch")  # untyped on purpose: the static checks run where torch is not installed
transformers: Any = import_module("transformers")

Tokens = npt.NDArray[np.int64]

CONFIG: dict[str, object] = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": None,
    "dtype": "bfloat16",
    "eos_token_id": TURN_END,
    "head_dim": 32,
    "hidden_act": "silu",
    "hidden_size": 128,
    "initializer_range": 0.02,
    "intermediate_size": 384,
    "max_position_embeddings": 1024,
    "model_type": "qwen3",
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "pad_token_id": END_OF_TEXT,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "use_cache": True,
    "vocab_size": VOCABULARY_SIZE,
}

GENERATION_CONFIG: dict[str, object] = {
    "do_sample": True,
    "eos_token_id": [TURN_END, END_OF_TEXT],
    "pad_token_id": END_OF_TEXT,
    "temperature": 0.7,
}

CHATS, STORIES = 40_000, 6_000
HELD_OUT = 0.02
TOKENS_PER_STEP = 4096
SHORT, LONG = 256, 1024
LONG_FROM = 0.8
"""The last fifth of the run uses windows of 1024 tokens; attention over short ones is cheaper and learns the words."""
CHAT_SHARE = 0.35
WARMUP_STEPS = 100
MUON_RATE, ADAM_RATE = 0.015, 4e-3
DECAY = 0.02


class Corpus(NamedTuple):
    """Documents behind one another, each followed by the end-of-text token."""

    tokens: Tokens
    """Shape ``(n,)``."""
    starts: Tokens
    """Where a paragraph or a chat begins; windows begin there too."""

    def windows(self, rng: np.random.Generator, *, count: int, length: int) -> Tokens:
        """Draw *count* windows, shape ``(count, length + 1)``."""
        last = np.searchsorted(self.starts, len(self.tokens) - length - 1)
        firsts = rng.choice(self.starts[:last], count)
        return self.tokens[firsts[:, None] + np.arange(length + 1)]

    def split(self, share: float) -> tuple["Corpus", "Corpus"]:
        """Cut off the last *share*, to judge by what was never trained on."""
        border = int(len(self.starts) * (1 - share))
        cut = int(self.starts[border])
        return (
            Corpus(self.tokens[:cut], self.starts[:border]),
            Corpus(self.tokens[cut:], self.starts[border:] - cut),
        )


def build_corpus(documents: Iterable[list[list[int]]]) -> Corpus:
    """Join documents, each a list of pieces (paragraphs) of tokens."""
    tokens: list[int] = []
    starts: list[int] = []
    for pieces in documents:
        for piece in pieces:
            starts.append(len(tokens))
            tokens.extend(piece)
        tokens.append(END_OF_TEXT)
    return Corpus(np.array(tokens, dtype=np.int64), np.array(starts, dtype=np.int64))


def encode_text(text: str) -> list[list[int]]:
    """Cut a text into paragraphs of tokens."""
    return [list(f"{paragraph}\n\n".encode()) for paragraph in text.split("\n\n")]


def encode_chat(chat: Chat) -> list[list[int]]:
    """Encode a chat as the chat template prints it."""
    turns = (("user", chat.question), ("assistant", chat.answer))
    return [[token for role, text in turns for token in (TURN_START, *f"{role}\n{text}".encode(), TURN_END, ord("\n"))]]


def read_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the novels of an R data base, and text files as they are."""
    for path in paths:
        if path.suffix == ".rdb":
            yield from read_novels(path)
        else:
            yield path.read_text(encoding="utf-8")


class Trainer:
    """The model, its two optimizers and what they have seen."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**{**CONFIG, "dtype": "float32"}))
        named = list(self.model.named_parameters())
        is_matrix = {name: p.ndim == 2 and "embed" not in name for name, p in named}
        self._muon = Muon((p for name, p in named if is_matrix[name]), decay=DECAY)
        rest = [p for name, p in named if not is_matrix[name]]
        self._adam = torch.optim.AdamW(rest, betas=(0.9, 0.95), weight_decay=0.0)
        self.steps = 0

    def step(self, windows: Tokens, *, progress: float) -> float:
        """Train on windows of shape ``(count, length + 1)``; return the mean loss, nats a token."""
        scale = min(1.0, (self.steps + 1) / WARMUP_STEPS) * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))
        loss = self._loss(windows)
        loss.backward()
        self._muon.step(MUON_RATE * scale)
        for group in self._adam.param_groups:
            group["lr"] = ADAM_RATE * scale
        self._adam.step()
        self._adam.zero_grad()
        self.steps += 1
        return float(loss.detach())

    def measure(self, windows: Tokens) -> float:
        """Return the mean loss without training, bits a token."""
        with torch.no_grad():
            return float(self._loss(windows)) / math.log(2)

    def _loss(self, windows: Tokens) -> Any:
        tokens = torch.from_numpy(windows)
        logits = self.model(input_ids=tokens[:, :-1]).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    def sample(self, prompt: list[int], *, count: int, seed: int) -> bytes:
        """Continue *prompt* by up to *count* tokens at temperature 0.7; special tokens end it."""
        generator = torch.Generator().manual_seed(seed)
        tokens = list(prompt)
        with torch.no_grad():
            for _ in range(count):
                logits = self.model(input_ids=torch.tensor([tokens])).logits[0, -1] / 0.7
                tokens.append(int(torch.multinomial(logits.softmax(0), 1, generator=generator)))
                if tokens[-1] >= END_OF_TEXT:
                    break
        return bytes(token for token in tokens[len(prompt) :] if token < END_OF_TEXT)

    def export(self, folder: Path) -> None:
        """Write the whole model folder but the card; each file is complete whenever someone reads it."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            name: t.to(torch.bfloat16) for name, t in self.model.state_dict().items() if name != "lm_head.weight"
        }
        partial = folder / "model.safetensors.part"
        import_module("safetensors.torch").save_file(weights, partial, metadata={"format": "pt"})
        partial.chmod(0o644)
        partial.replace(folder / "model.safetensors")
        for name, value in (("config.json", CONFIG), ("generation_config.json", GENERATION_CONFIG)):
            (folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        write_tokenizer(folder)


def draw_batch(prose: Corpus, chats: Corpus, rng: np.random.Generator, *, length: int) -> Tokens:
    """Mix windows of prose and of chats, shape ``(TOKENS_PER_STEP / length, length + 1)``."""
    count = TOKENS_PER_STEP // length
    of_chats = rng.binomial(count, CHAT_SHARE)
    return np.concatenate(
        [prose.windows(rng, count=count - of_chats, length=length), chats.windows(rng, count=of_chats, length=length)]
    )


def report(trainer: Trainer, prose: Corpus, chats: Corpus) -> None:
    """Print the loss on held-out text and three samples."""
    rng = np.random.default_rng(1)
    bits = {
        name: trainer.measure(corpus.windows(rng, count=32, length=SHORT))
        for name, corpus in (("prose", prose), ("chats", chats))
    }
    print(f"held out after {trainer.steps} steps: prose {bits['prose']:.3f}, chats {bits['chats']:.3f} bits a byte")
    question = encode_chat(Chat("What is the name of the little dog?", ""))[0][:-2]
    for prompt in (list(b"It was a fine "), list(b"\n\n"), question):
        print("   ", trainer.sample(prompt, count=160, seed=trainer.steps), flush=True)


def pretrain(paths: list[Path], folder: Path, *, minutes: float, export_minutes: float) -> None:
    """Train for *minutes* on the files and the self-made text, and leave the model in *folder*."""
    prose, prose_held = build_corpus(map(encode_text, read_texts(paths))).split(HELD_OUT)
    stories = build_corpus(map(encode_text, islice(generate_stories(1), STORIES)))
    prose = Corpus(
        np.concatenate([stories.tokens, prose.tokens]),
        np.concatenate([stories.starts, prose.starts + len(stories.tokens)]),
    )
    chats, chats_held = build_corpus(map(encode_chat, islice(generate_chats(2), CHATS))).split(HELD_OUT)
    print(f"prose {len(prose.tokens):,} tokens, chats {len(chats.tokens):,} tokens")
    trainer, rng = Trainer(seed=3), np.random.default_rng(4)
    begin = exported = time.monotonic()
    while (now := time.monotonic()) < begin + 60 * minutes:
        progress = (now - begin) / (60 * minutes)
        loss = trainer.step(
            draw_batch(prose, chats, rng, length=LONG if progress > LONG_FROM else SHORT), progress=progress
        )
        if trainer.steps % 50 == 0:
            print(f"step {trainer.steps} at {now - begin:.0f} s: {loss / math.log(2):.3f} bits a byte", flush=True)
        if now - exported > 60 * export_minutes:
            exported = now
            trainer.export(folder)
            report(trainer, prose_held, chats_held)
    trainer.export(folder)
    report(trainer, prose_held, chats_held)


def main() -> None:
    """Read the command line and pretrain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", type=Path, help="UTF-8 text files, or janeaustenr's Rdata.rdb")
    parser.add_argument("--out", required=True, type=Path, help="folder of the model")
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--export-minutes", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pretrain(arguments.texts, arguments.out, minutes=arguments.minutes, export_minutes=arguments.export_minutes)


if __name__ == "__main__":
    main()
