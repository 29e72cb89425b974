"""A folder of adapter files on the Hugging Face Hub: what its repository is called, its card, and the upload.

All of it blocks: huggingface_hub has no other way. It finds its own token (``hf auth login``, ``HF_TOKEN``), which is none of
our business.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from tinkex_actors.cli._errors import CommandFailed
from tinkex_actors.types import ParsedCheckpointTinkerPath, WeightsInfoResponse

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_CONFIG, _CARD = "adapter_config.json", "README.md"
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_NOT_ALLOWED = frozenset({401, 403})
_PATH = re.compile(r"tinker://[^\s`]+")


@frozen(kw_only=True)
class Upload:
    """What goes where."""

    path: ParsedCheckpointTinkerPath
    repo: str | None
    """By default one named after base model and run, with a branch for each checkpoint."""
    revision: str | None
    is_public: bool
    message: str | None
    is_pull_request: bool
    allowed: Sequence[str]
    ignored: Sequence[str]
    has_card: bool

    def run(self, folder: Path, told: WeightsInfoResponse) -> tuple[str, str | None]:
        """Upload *folder*; return the repository and the revision.

        Raises:
            CommandFailed: It is no adapter, the repository holds another checkpoint, or the hub refuses.
        """
        check_adapter(folder, told.base_model)
        repo, revision = self.repo, self.revision
        if repo is None:
            repo = repository_name(f"tinker-{told.base_model.rpartition('/')[2]}-{self.path.training_run_id}")
            # A pull request is against the main branch.
            branch = None if self.is_pull_request else repository_name(self.path.checkpoint_id.replace("/", "-"))
            revision = revision or branch
        return self._push(folder, repo, revision, told), revision

    def _push(self, folder: Path, repo: str, revision: str | None, told: WeightsInfoResponse) -> str:
        import huggingface_hub as hub  # noqa: PLC0415 - an extra
        from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415 - an extra

        api = hub.HfApi()
        try:
            repo = api.create_repo(repo, private=not self.is_public, exist_ok=True).repo_id
            if revision is not None and not self.is_pull_request:
                api.create_branch(repo, branch=revision, exist_ok=True)
            self._check_owner(find_checkpoint(api, repo, revision, folder), repo)
            self._write_card(folder, repo, told)
            api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                revision=revision,
                commit_message=self.message,
                create_pr=self.is_pull_request,
                allow_patterns=list(self.allowed) or None,
                ignore_patterns=[*self.ignored, ".cache/**"],
            )
        except (HfHubHTTPError, OSError, ValueError) as refusal:
            raise CommandFailed(_explain(refusal)) from refusal
        return repo

    def _write_card(self, folder: Path, repo: str, told: WeightsInfoResponse) -> None:
        if self.has_card and not (folder / _CARD).exists():
            (folder / _CARD).write_text(write_card(self.path.tinker_path, repo, told))

    def _check_owner(self, found: str | None, repo: str) -> None:
        if found is not None and found != self.path.tinker_path:
            raise CommandFailed(f"{repo} holds another checkpoint, {found}; name another with --repo or --revision")


def find_checkpoint(api: "HfApi", repo: str, revision: str | None, folder: Path) -> str | None:
    """Say which checkpoint the repository's card names, if any."""
    from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError  # noqa: PLC0415 - an extra

    try:
        # Its type has a part without one.
        card: str = api.hf_hub_download(repo, _CARD, revision=revision, local_dir=folder / ".cache" / "card")  # pyright: ignore[reportUnknownMemberType]
    except (EntryNotFoundError, RevisionNotFoundError):
        return None
    found = _PATH.search(Path(card).read_text(errors="ignore"))
    return None if found is None else found.group()


def _explain(refusal: Exception) -> str:
    status = getattr(getattr(refusal, "response", None), "status_code", None)
    if status in _NOT_ALLOWED:
        return "the Hugging Face Hub does not take the key, or there is none; run hf auth login, or set HF_TOKEN"
    return f"the Hugging Face Hub does not take it: {str(refusal).strip().partition(chr(10))[0]}"


def check_adapter(folder: Path, base_model: str) -> None:
    """Require a PEFT adapter, and have its configuration name the base model.

    Raises:
        CommandFailed: It is none.
    """
    config = folder / _CONFIG
    if not config.exists() or not any((folder / name).exists() for name in _WEIGHTS):
        raise CommandFailed(
            f"the checkpoint is no adapter that others can load: expected {_CONFIG} and {_WEIGHTS[0]}; "
            "encrypted weights cannot be uploaded"
        )
    try:
        told = json.loads(config.read_text())
    except ValueError as fault:
        raise CommandFailed(f"{_CONFIG} of the checkpoint is not JSON: {fault}") from fault
    if not isinstance(told.get("base_model_name_or_path"), str):
        config.write_text(json.dumps({**told, "base_model_name_or_path": base_model}, indent=2, sort_keys=True) + "\n")


def repository_name(words: str) -> str:
    """Make a name that the hub takes: letters, digits, ``-``, ``_``, ``.``."""
    return re.sub("-{2,}", "-", re.sub(r"[^\w.-]", "-", words, flags=re.ASCII)).strip("-_. ")


def write_card(tinker_path: str, repo: str, told: WeightsInfoResponse) -> str:
    """Write the repository's README: what it is, of which base model, from which checkpoint."""
    tags = "".join(f"\n- {tag}" for tag in ("tinker", "peft", "lora", f"base_model:adapter:{told.base_model}"))
    modules = f"attention={told.train_attn}, mlp={told.train_mlp}, unembedding={told.train_unembed}"
    return f"""---
base_model: {told.base_model}
library_name: peft
tags:{tags}
tinker_path: {tinker_path}
---

# LoRA adapter of {told.base_model}

Trained over the Tinker protocol; exported from `{tinker_path}`.

```python
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("{repo}", device_map="auto")
```

* Base model: {told.base_model}
* LoRA rank: {told.lora_rank}
* Trained: {modules}
"""
