"""Every limit and flag can be set from a command line and from a file, and a wrong one is refused by name."""

from pathlib import Path

import pytest
from attrs import fields

from tinkex_actors.local import ServerOptions, WrittenOptions
from tinkex_actors.local.limits import Limits
from tinkex_actors.types.service import ClientConfigResponse, ClientDynamicConfigResponse

FLAGS = [one.name for kind in (ClientConfigResponse, ClientDynamicConfigResponse) for one in fields(kind)]


def read(path: Path | None = None, *, limits: tuple[str, ...] = (), flags: tuple[str, ...] = ()) -> ServerOptions:
    """The options of a server that was told these."""
    return WrittenOptions.read(path, limits=limits, flags=flags).apply(ServerOptions())


@pytest.mark.parametrize("name", [one.name for one in fields(Limits)])
def test_every_limit_can_be_set(name: str) -> None:
    """None is out of reach."""
    assert getattr(read(limits=(f"{name}=7",)).limits, name) == 7


@pytest.mark.parametrize("name", FLAGS)
def test_every_flag_can_be_set(name: str) -> None:
    """Sections 1.7 and 1.8 of the protocol; a test of a client sets them one by one."""
    before = {**_flags(ServerOptions())}
    value = {"bool": not before[name], "int": 7, "float": 7.5, "str": "credential_cmd"}[type(before[name]).__name__]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    assert _flags(read(flags=(f"{name}={text}",))) == {**before, name: value}


def _flags(options: ServerOptions) -> dict[str, object]:
    both = options.flags, options.dynamic_flags
    return {one.name: getattr(part, one.name) for part in both for one in fields(type(part))}


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    """A file for the team, an option for today."""
    (tmp_path / "c.toml").write_text("[limits]\nmax_rank = 8\nlong_poll = 2\n[flags]\nsample_no_retries = true\n")
    options = read(tmp_path / "c.toml", limits=("max_rank=16",))
    assert (options.limits.max_rank, options.limits.long_poll) == (16, 2.0)
    assert options.flags.sample_no_retries


@pytest.mark.parametrize(
    ("limits", "flags", "sentence"),
    [
        (("max_rank=many",), (), "max_rank: expected an integer, got 'many'"),
        (("max_rank=0",), (), "'max_rank' must be > 0"),
        (("long_poll=nan",), (), "long_poll: expected a number"),
        (("max_rnk=1",), (), r"a limit must be one of .*max_rank.*, got 'max_rnk'"),
        (("max_rank",), (), "expected NAME=VALUE, got 'max_rank'"),
        ((), ("sample_no_retries=1",), "sample_no_retries: expected true or false, got 1"),
        ((), ("max_rank=1",), "a flag must be one of"),
    ],
)
def test_a_wrong_one_is_refused_by_name(limits: tuple[str, ...], flags: tuple[str, ...], sentence: str) -> None:
    """Expected, got: a person sees what to change."""
    with pytest.raises(ValueError, match=sentence):
        read(limits=limits, flags=flags)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("[limit]\n", "expected the tables limits and flags, got limit"), ("x", "expected TOML"), ("a = 1", "outside")],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """With its name."""
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ValueError, match=rf"c\.toml: .*{sentence}"):
        read(tmp_path / "c.toml")
