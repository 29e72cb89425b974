"""Plans are checked completely before anything starts, and every fault says where it is."""

from pathlib import Path

import pytest

from tinkex_actors.daemon.errors import DataError, PlanError
from tinkex_actors.daemon.plan import Plan, digest_of
from tinkex_actors.daemon.plan_checks import check_data
from tinkex_actors.daemon.plan_file import read_plan
from tinkex_actors.daemon.references import Reference

GOOD = """\
folder = "out"

[server]
local = true

[runs.sft]
base_model = "tinkex/tiny"
data = "data.jsonl"
steps = 10
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with data beside the plan."""
    (tmp_path / "data.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    return tmp_path


def read(folder: Path, text: str) -> Plan:
    (folder / "plan.toml").write_text(text)
    return read_plan(folder / "plan.toml", {})


def faults(folder: Path, text: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(PlanError) as caught:
        read(folder, text)
    return [(fault.line, fault.key, fault.message) for fault in caught.value.faults]


def test_what_a_plan_leaves_out_has_a_default_and_paths_lie_beside_it(folder: Path) -> None:
    """Nine lines are a whole plan, from wherever it is started."""
    plan = read(folder, GOOD)

    assert plan.folder == folder / "out"
    run = plan.runs["sft"]
    assert run.data == folder / "data.jsonl"
    assert (run.loss, run.lora.rank, run.checkpoints.keep_last, run.recovery.max_attempts) == (
        "cross_entropy",
        32,
        2,
        3,
    )


def test_every_fault_is_named_at_once_in_the_order_of_the_file(folder: Path) -> None:
    """A person mends a plan in one go, not fault by fault."""
    found = faults(
        folder,
        GOOD.replace("steps = 10", "steps = 0\nbatch_sise = 3").replace('"tinkex/tiny"', "7")
        + "[runs.sft.lora]\nrank = 'big'\n\n# a remark\n[runs.sft.checkpoints]\nkeep_last = 0\n",
    )

    assert found == [
        (7, "runs.sft.base_model", "expected text, got 7"),
        (9, "runs.sft.steps", "must be >= 1, got 0"),
        (10, "runs.sft.batch_sise", "unknown key; did you mean 'batch_size'?"),
        (12, "runs.sft.lora.rank", "expected an integer, got 'big'"),
        (16, "runs.sft.checkpoints.keep_last", "must be >= 1, got 0"),
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("steps = 10", ""), (6, "runs.sft", "steps is missing")),
        (('data = "data.jsonl"', 'data = "gone.jsonl"'), (8, "runs.sft.data", "is not there")),
        (('data = "data.jsonl"', ""), (6, "runs.sft", "data is missing")),
        (("steps = 10", "steps = 10\nloss = 'crossentropy'"), (10, "runs.sft.loss", "must be one of")),
        (("steps = 10", "steps = 10\nloop = 'nowhere:train'"), (10, "runs.sft.loop", "no module named 'nowhere'")),
        (("steps = 10", "steps = 10\nloop = 'os:train'"), (10, "runs.sft.loop", "os has no function 'train'")),
        (("steps = 10", "steps = 10\nloop = 'os:sep'"), (10, "runs.sft.loop", "os:sep is str, expected a function")),
        (("steps = 10", "steps = 10\nafter = 'dpo'"), (10, "runs.sft.after", "no run is called 'dpo'")),
        (("steps = 10", "steps = 10\nafter = 'sft'"), (10, "runs.sft.after", "runs wait for one another: sft → sft")),
        (("steps = 10", "steps = 10\nwarmup_steps = 10"), (10, "runs.sft.warmup_steps", "must be < steps (10), got 10")),
        (("steps = 10", "steps = 10\ndecay = 'cosine'"), (10, "runs.sft.decay", "expected one of 'linear', 'constant'")),
        (("runs.sft", "runs.'a/b'"), (6, "runs.a/b", "a run's name may have letters")),
        (("local = true", "url = 'ftp://x'"), (None, "", "")),
        (("steps = 10", "steps = "), (9, "", "not TOML: Invalid value")),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line_and_key(
    folder: Path, change: tuple[str, str], expected: tuple[int | None, str, str]
) -> None:
    """Each kind of fault, one at a time; a server's address is judged with the key that goes there."""
    text = GOOD.replace(*change)
    if expected[0] is None:
        (folder / "plan.toml").write_text(text)
        with pytest.raises(PlanError, match=r"line 4: server\.url: base_url must be"):
            read_plan(folder / "plan.toml", {"TINKER_API_KEY": "tml-x"})
        return

    ((line, key, message),) = faults(folder, text)

    assert (line, key) == expected[:2]
    assert expected[2] in message


def test_the_line_of_a_value_of_several_lines_is_where_it_begins(folder: Path) -> None:
    """The parser itself finds the lines, so lists, comments and strings of many lines cannot mislead it."""
    probes = '[runs.sft.probes]\nevery_steps = 2\n# who\nprompts = [\n  "a = 1",\n  3,\n]\n'

    ((line, key, message),) = faults(folder, GOOD + probes)

    assert (line, key, message) == (13, "runs.sft.probes.prompts[1]", "expected text, got 3")


def test_functions_are_found_beside_the_plan(folder: Path) -> None:
    """A plan and its code can lie side by side, wherever the command is started."""
    (folder / "tinkex_test_mine.py").write_text("async def train(loop):\n    pass\n")

    plan = read(folder, GOOD.replace("steps = 10", "steps = 10\nloop = 'tinkex_test_mine:train'"))

    assert plan.runs["sft"].loop == Reference("tinkex_test_mine:train")


@pytest.mark.parametrize("content", [b"\xff", None])
def test_a_file_that_cannot_be_read_is_told_as_such(tmp_path: Path, content: bytes | None) -> None:
    """A binary file, and none at all."""
    path = tmp_path / "plan.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(PlanError, match="not UTF-8" if content else "cannot be read"):
        read_plan(path, {})


def test_faulty_data_is_found_before_anything_starts(folder: Path) -> None:
    """The last line of the data is as much a condition as the first line of the plan."""
    plan = read(folder, GOOD)
    (folder / "data.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{}\n')

    with pytest.raises(DataError, match="line 2"):
        check_data(plan)


def test_the_identity_is_what_decides_the_result(folder: Path) -> None:
    """Care may change from start to start, and files may be moved; the training may not."""
    run = read(folder, GOOD).runs["sft"]
    careful = read(folder, GOOD + "pipeline = 3\n[runs.sft.checkpoints]\nkeep_last = 9\n").runs["sft"]
    other = read(folder, GOOD.replace("steps = 10", "steps = 11")).runs["sft"]

    assert digest_of(run.identity()) == digest_of(careful.identity())
    assert digest_of(run.identity()) != digest_of(other.identity())


def test_an_empty_table_is_a_page_and_none_is_none(folder: Path) -> None:
    """On this machine, for looking only."""
    assert read(folder, GOOD).observer is None
    found = read(folder, GOOD + "[observer]\n").observer
    assert found is not None
    assert (found.host, found.port, found.allow_control, found.token) == ("127.0.0.1", 0, False, None)


@pytest.mark.parametrize(
    ("lines", "line", "key", "message"),
    [
        ("prot = 1", 11, "observer.prot", "unknown key; did you mean 'port'?"),
        ("port = 70000", 11, "observer.port", "must be 0 to 65535, got 70000"),
        ("token = 'short'", 11, "observer.token", "must be at least 16 ASCII characters; leave it out to have one made"),
        ("token = 12345678901234567890", 11, "observer.token", "expected text, got int"),
        ("token_file = 'gone'", 11, "observer.token_file", "cannot be read: No such file or directory"),
        ("token_file = 'data.jsonl'\ntoken = 'sixteen letters, one'", 11, "observer.token_file", "goes without token; leave one of them out"),
        ("token_file = 'empty'", 11, "observer.token_file", "token must be at least 16 ASCII characters"),
        ("allow_control = 1", 11, "observer.allow_control", "expected true or false, got 1"),
    ],
)  # fmt: skip
def test_a_fault_of_the_page_is_found_with_the_plan(
    folder: Path, lines: str, line: int, key: str, message: str
) -> None:
    """Before anything starts, with file, line and key; and no secret in the words."""
    (folder / "empty").touch()

    ((found_line, found_key, found_message),) = faults(folder, f"{GOOD}[observer]\n{lines}\n")

    assert (found_line, found_key) == (line, key)
    assert message in found_message
    assert "1234567890" not in found_message


def test_a_page_without_its_libraries_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setattr("tinkex_actors.daemon.plan_checks.missing_extra", lambda: "h11")

    assert faults(folder, GOOD + "[observer]\n") == [(10, "observer", "needs h11; install tinkex-actors[observer]")]


def test_a_servers_address_is_checked_without_a_key_and_its_model_where_it_is_known(folder: Path) -> None:
    """Neither needs the server: what cannot work is told before anything starts."""
    remote = faults(folder, GOOD.replace("local = true", 'url = "ftp://x"'))
    local = faults(folder, GOOD.replace('"tinkex/tiny"', '"no/such"'))

    assert [(line, key) for line, key, _ in remote] == [(4, "server.url")]
    assert local == [
        (
            7,
            "runs.sft.base_model",
            "the server in this process has 'tinkex/tiny' alone (server.model names another), got 'no/such'",
        )
    ]
