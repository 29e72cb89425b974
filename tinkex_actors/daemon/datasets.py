"""Files of training text, read completely and checked before anything else happens.

Three forms are understood: JSON lines with ``messages`` (a chat), JSON lines with ``prompt`` and ``completion``
(read as a chat of two turns), and plain text (paragraphs). Every fault is a `DataError` that names the file and,
for JSON lines, the line.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias, Union

import attrs

from tinkex_actors.daemon.errors import DataError

Json: TypeAlias = Union[dict[str, "Json"], list["Json"], str, int, float, bool, None]  # noqa: UP007 - it is recursive
Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@attrs.frozen
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@attrs.frozen
class Conversation:
    """A chat; the assistant's turns are what is learned."""

    messages: tuple[Message, ...]


@attrs.frozen
class Passage:
    """A stretch of plain text; all of it is learned."""

    text: str


Example = Conversation | Passage


def read_examples(path: Path) -> list[Example]:
    """Read every example of a ``.jsonl`` or ``.txt`` file.

    Guarantee: at least one example, none of them without text to learn.

    Raises:
        DataError: The file is missing, unreadable, not UTF-8, empty, or has a faulty record (the line is named).
    """
    text = _read_text(path)
    examples: list[Example] = list(_read_jsonl(path, text) if path.suffix == ".jsonl" else _read_passages(text))
    if not examples:
        raise DataError(f"{path} has no examples; expected JSON lines with 'messages', or plain text")
    return examples


def _read_text(path: Path) -> str:
    if path.suffix not in {".jsonl", ".txt"}:
        raise DataError(f"{path}: expected a .jsonl or .txt file, got {path.suffix or 'no suffix'!r}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _read_passages(text: str) -> Iterator[Passage]:
    for paragraph in text.replace("\r\n", "\n").split("\n\n"):
        if paragraph.strip():
            yield Passage(paragraph.strip())


def _read_jsonl(path: Path, text: str) -> Iterator[Conversation]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield _conversation_from_record(json.loads(line))
            except (_RecordFault, json.JSONDecodeError, RecursionError) as fault:
                raise DataError(f"{path}, line {number}: {_describe(fault)}") from fault


class _RecordFault(Exception):
    """What is wrong with one record, without its place."""


def _describe(fault: Exception) -> str:
    match fault:
        case json.JSONDecodeError():
            return f"not JSON: {fault.msg} at column {fault.colno}"
        case RecursionError():
            return "not a record: nested too deeply"
        case _:
            return str(fault)


def _conversation_from_record(record: Json) -> Conversation:
    if not isinstance(record, dict):
        raise _RecordFault(f"expected an object, got {_kind(record)}")
    if "messages" in record:
        return _conversation_from_messages(record["messages"])
    if "prompt" in record and "completion" in record:
        prompt, completion = (_text(record[key], key) for key in ("prompt", "completion"))
        return Conversation((Message("user", prompt), Message("assistant", completion)))
    keys = ", ".join(repr(key) for key in record) or "none"
    raise _RecordFault(f"expected 'messages', or 'prompt' and 'completion'; got keys: {keys}")


def _conversation_from_messages(messages: Json) -> Conversation:
    if not isinstance(messages, list) or not messages:
        raise _RecordFault(f"'messages' must be a list with at least one message, got {_kind(messages)}")
    turns = tuple(_message_from_record(message, place) for place, message in enumerate(messages))
    if not any(turn.role == "assistant" for turn in turns):
        raise _RecordFault("no message has the role 'assistant', so there is nothing to learn")
    return Conversation(turns)


def _message_from_record(record: Json, place: int) -> Message:
    if not isinstance(record, dict):
        raise _RecordFault(f"messages[{place}] must be an object, got {_kind(record)}")
    for role in ROLES:
        if record.get("role") == role:
            return Message(role, _text(record.get("content"), f"messages[{place}].content"))
    raise _RecordFault(f"messages[{place}].role must be one of {', '.join(ROLES)}; got {record.get('role')!r}")


def _text(value: Json, name: str) -> str:
    if not isinstance(value, str):
        raise _RecordFault(f"{name} must be text, got {_kind(value)}")
    if not value.strip():
        raise _RecordFault(f"{name} is empty")
    return value


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "text"
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "an object" if value else "an empty object"
        case _:
            return "a number"
