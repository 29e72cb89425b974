import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinkex_actors.daemon.datasets import Conversation, Message, Passage, read_examples
from tinkex_actors.daemon.errors import DataError


def _file(folder: Path, text: str, *, name: str = "data.jsonl") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_messages_become_a_conversation(tmp_path: Path) -> None:
    """The form that chat data sets use."""
    record = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}

    examples = read_examples(_file(tmp_path, json.dumps(record)))

    assert examples == [Conversation((Message("user", "hi"), Message("assistant", "hello")))]


def test_prompt_and_completion_become_two_turns(tmp_path: Path) -> None:
    """The older form of the same thing."""
    examples = read_examples(_file(tmp_path, '{"prompt": "2+2?", "completion": "4"}\n\n'))

    assert examples == [Conversation((Message("user", "2+2?"), Message("assistant", "4")))]


def test_plain_text_is_read_by_paragraphs(tmp_path: Path) -> None:
    """Blank lines part a text, whatever system wrote it."""
    examples = read_examples(_file(tmp_path, "one\ntwo\r\n\r\nthree\n", name="data.txt"))

    assert examples == [Passage("one\ntwo"), Passage("three")]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes at column 2"),
        ("[1]", "expected an object, got a list"),
        ('{"text": 1}', "expected 'messages', or 'prompt' and 'completion'; got keys: 'text'"),
        ('{"messages": []}', "'messages' must be a list with at least one message, got an empty list"),
        ('{"messages": [3]}', "messages[0] must be an object, got a number"),
        ('{"messages": [{"role": "bot", "content": "x"}]}', "messages[0].role must be one of system, user, assistant; got 'bot'"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "no message has the role 'assistant', so there is nothing to learn"),
        ('{"messages": [{"role": "assistant", "content": null}]}', "messages[0].content must be text, got null"),
        ('{"prompt": "x", "completion": "  "}', "completion is empty"),
        ("[" * 100_000, "not a record: nested too deeply"),
    ],
)  # fmt: skip
def test_a_faulty_record_is_named_by_file_line_and_fault(tmp_path: Path, line: str, fault: str) -> None:
    """Whoever wrote the file must find the place without reading our code."""
    path = _file(tmp_path, '{"prompt": "a", "completion": "b"}\n' + line)

    with pytest.raises(DataError) as caught:
        read_examples(path)

    assert str(caught.value) == f"{path}, line 2: {fault}"


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("data.jsonl", b"", "has no examples"),
        ("data.txt", b" \n\n ", "has no examples"),
        ("data.txt", b"caf\xe9", "is not UTF-8 text: byte 3 is 0xe9"),
        ("data.csv", b"a,b", "expected a .jsonl or .txt file, got '.csv'"),
    ],
)
def test_a_file_that_cannot_be_data_is_refused(tmp_path: Path, name: str, content: bytes, fault: str) -> None:
    """An empty or foreign file must not become a run over nothing."""
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(DataError, match=fault):
        read_examples(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The commonest mistake of all."""
    with pytest.raises(DataError, match=r"cannot read .*nowhere\.jsonl: No such file or directory"):
        read_examples(tmp_path / "nowhere.jsonl")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["messages", "prompt", "role", "content"]), inner),
)


@given(record=json_values)
def test_any_json_gives_examples_or_a_data_error(record: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No record may escape as some other exception."""
    path = _file(tmp_path_factory.mktemp("data"), json.dumps(record))
    try:
        examples = read_examples(path)
    except DataError:
        return
    assert all(isinstance(example, Conversation) for example in examples)
