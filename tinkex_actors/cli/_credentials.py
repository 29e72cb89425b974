"""The file that keeps API keys on this machine: ``~/.tinker/credentials.json``, in the official command's format.

Only its owner can read it: the directory has mode 0700 and the file 0600, before a key is in it. It is replaced whole or
not at all.
"""

import json
import os
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from tinkex_actors.cli._errors import CommandFailed

_VERSION = 1


@frozen
class StoredKey:
    """One kept key."""

    key_id: str
    name: str
    key: str
    is_generated: bool
    """Whether a login made it, and logging out deletes it on the server too."""

    def __repr__(self) -> str:
        return f"StoredKey({self.key_id!r}, {self.name!r})"


def credentials_path() -> Path:
    """Say where the file is."""
    return Path.home() / ".tinker" / "credentials.json"


def read_stored_key() -> str | None:
    """Return the default key, if one is kept.

    Raises:
        CommandFailed: The file cannot be read.
    """
    stored = read_stored()
    return None if stored is None else stored.key


def read_stored() -> StoredKey | None:
    """Return the default key and what is known of it, if one is kept.

    Raises:
        CommandFailed: The file cannot be read.
    """
    document = _read()
    key_id = document.get("default")
    record = document.get("keys", {}).get(key_id)
    if not isinstance(record, dict):
        return None
    fields = cast("dict[str, Any]", record)
    key = fields.get("key")
    if not isinstance(key, str) or not key:
        return None
    return StoredKey(str(key_id), str(fields.get("name", key_id)), key, fields.get("type") == "generated")


def store_key(key_id: str, name: str, key: str) -> Path:
    """Keep *key* and make it the default.

    Raises:
        CommandFailed: The file cannot be read or written.
    """
    document = _read()
    record = {"type": "manual", "key": key, "name": name}
    keys = {**document.get("keys", {}), key_id: record}
    return _write({"version": _VERSION, "default": key_id, "keys": keys})


def forget_key() -> StoredKey | None:
    """Remove the default key; return what it was.

    Raises:
        CommandFailed: The file cannot be read or written.
    """
    stored = read_stored()
    if stored is not None:
        document = _read()
        keys = {key_id: record for key_id, record in document.get("keys", {}).items() if key_id != stored.key_id}
        _write({"version": _VERSION, "default": None, "keys": keys})
    return stored


def _read() -> dict[str, Any]:
    path = credentials_path()
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as fault:
        raise CommandFailed(f"cannot read {path}: {_reason(fault)}; mend or remove it") from fault
    is_known = isinstance(document, dict) and isinstance(cast("dict[str, Any]", document).get("keys", {}), dict)
    if not is_known:
        raise CommandFailed(f"{path} holds no credentials; remove it and log in again")
    return cast("dict[str, Any]", document)


def _write(document: dict[str, Any]) -> Path:
    path = credentials_path()
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as fault:
        part.unlink(missing_ok=True)
        raise CommandFailed(f"cannot write {path}: {_reason(fault)}") from fault
    return path


def _reason(fault: Exception) -> str:
    return (isinstance(fault, OSError) and fault.strerror) or "it is not JSON"
