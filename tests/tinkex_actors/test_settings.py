"""Settings are read once at the door, refuse what cannot work, and never show a secret."""

import json
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
from attrs import evolve, fields
from attrs.exceptions import FrozenInstanceError

from tinkex_actors.settings import DEFAULT_BASE_URL, FEATURE_GATES, Figures, Settings

ENVIRON = {
    "TINKER_API_KEY": "tml-from-environ",
    "TINKER_BASE_URL": "https://environ.example/tinker/",
    "TINKER_PROJECT_ID": "project",
    "TINKER_TAGS": "b, a,,b",
    "TINKER_TELEMETRY": "off",
    "CLOUDFLARE_ACCESS_CLIENT_ID": "visitor",
    "CLOUDFLARE_ACCESS_CLIENT_SECRET": "sesame",
}


@pytest.mark.tinkex("T134")
def test_an_argument_wins_over_the_environment_and_the_environment_over_the_default() -> None:
    """One order for every setting, so that nobody has to guess where a value came from."""
    assert Settings.from_environ({"TINKER_API_KEY": "tml-k"}).base_url == DEFAULT_BASE_URL
    assert Settings.from_environ(ENVIRON).base_url == "https://environ.example/tinker"
    assert Settings.from_environ(ENVIRON, base_url="http://argument:8000").base_url == "http://argument:8000"
    app = {"base_url": "http://app", "project_id": "app", "figures": {"max_retries": 4}}
    both = Settings.from_environ(ENVIRON, app=app, base_url="http://argument")
    assert (both.base_url, both.project_id, both.tags, both.figures.max_retries) == (
        "http://argument",
        "app",
        ("b", "a"),
        4,
    )
    assert Settings.from_environ(ENVIRON, api_key="tml-argument").api_key == "tml-argument"


@pytest.mark.parametrize("app", [{"colour": 1}, {"figures": {"colour": 1}}])
def test_a_setting_that_does_not_exist_is_refused_by_name(app: dict[str, Any]) -> None:
    """A misspelt setting that is ignored is found after the night it was for."""
    with pytest.raises(ValueError, match="got colour"):
        Settings.from_environ(ENVIRON, app=app)


@pytest.mark.tinkex("T139")
@pytest.mark.parametrize(
    ("word", "is_on"), [("1", True), ("YES", True), (" on ", True), ("", True), ("0", False), ("No", False)]
)
def test_a_switch_has_two_words_of_each_kind_and_blank_is_absent(word: str, is_on: object) -> None:
    """Anything else is refused: a switch that is on by mistake is as bad as one that is off."""
    assert Settings.from_environ({**ENVIRON, "TINKER_TELEMETRY": word}).telemetry is is_on
    with pytest.raises(ValueError, match="TINKEX_DUMP_HEADERS must be one of 1, true"):
        Settings.from_environ({**ENVIRON, "TINKEX_DUMP_HEADERS": "perhaps"})


@pytest.mark.tinkex("T138")
def test_parity_modes_choose_timeouts_and_retries_and_what_is_explicit_wins() -> None:
    """The official client's figures by default; the older Elixir client's by name."""
    modes = {
        mode: Settings.from_environ({**ENVIRON, "TINKEX_PARITY": mode}).figures for mode in ("", "python", "beam", "?")
    }
    assert [(one.request_timeout, one.max_retries) for one in modes.values()] == [
        (60, 10),
        (60, 10),
        (120, 2),
        (60, 10),
    ]
    environ = {**ENVIRON, "TINKEX_PARITY": "conservative"}
    figures = Settings.from_environ(environ, app={"figures": {"max_retries": 7}}).figures
    assert (figures.request_timeout, figures.max_retries) == (120, 7)
    assert Settings.from_environ(environ, figures=Figures(max_retries=1)).figures.request_timeout == 60


def test_headers_and_queries_are_json_and_a_fault_does_not_repeat_them() -> None:
    """They hold secrets."""
    environ = {
        **ENVIRON,
        "TINKEX_DEFAULT_HEADERS": '{"X-Token": "hidden"}',
        "TINKEX_PROXY_HEADERS": '[["P", "hidden"]]',
    }
    settings = Settings.from_environ(environ)
    assert (settings.default_headers, settings.proxy_headers) == ({"X-Token": "hidden"}, {"P": "hidden"})
    assert "hidden" not in repr(settings)
    for bad in ("{", "[1]", '{"a": 1}', "7", '"ab"'):
        with pytest.raises(ValueError, match="TINKEX_DEFAULT_QUERY must be a JSON object") as refused:
            Settings.from_environ({**ENVIRON, "TINKEX_DEFAULT_QUERY": bad})
        assert bad not in str(refused.value).removeprefix("TINKEX_DEFAULT_QUERY must be a JSON object").split("{")[0]


@pytest.mark.tinkex("T137")
def test_a_proxy_is_an_address_and_its_password_does_not_show() -> None:
    """The transport is checked elsewhere to use it."""
    settings = Settings.from_environ({**ENVIRON, "TINKEX_PROXY": "http://user:sesame2@proxy:3128"})
    assert "http://***@proxy:3128" in repr(settings)
    assert "sesame2" not in repr(settings)
    with pytest.raises(ValueError, match="proxy must be an http:// or https:// address") as refused:
        Settings.from_environ({**ENVIRON, "TINKEX_PROXY": "socks5://user:sesame2@proxy"})
    assert "sesame2" not in str(refused.value)


def test_feature_gates_are_read_and_the_default_is_all_there_are() -> None:
    """`open_tinker` names those that do not exist."""
    assert Settings.from_environ(ENVIRON).feature_gates == FEATURE_GATES
    assert Settings.from_environ({**ENVIRON, "TINKER_FEATURE_GATES": "x, y,x"}).feature_gates == ("x", "y")


def test_without_a_key_a_command_is_enough_and_then_the_stored_one(tmp_path: Path) -> None:
    """Argument, environment, command, file: in this order."""
    (tmp_path / ".tinker").mkdir()
    stored = {"version": 1, "default": "k", "keys": {"k": {"type": "manual", "key": "tml-stored", "name": "n"}}}
    (tmp_path / ".tinker/credentials.json").write_text(json.dumps(stored))
    home = {"HOME": str(tmp_path)}
    assert Settings.from_environ(home).api_key == "tml-stored"
    assert Settings.from_environ({**home, "TINKER_API_KEY": "tml-e"}).api_key == "tml-e"
    assert Settings.from_environ({**home, "TINKER_CREDENTIAL_CMD": "print"}).api_key == ""
    assert Settings.from_environ(home, credential_command="print-secret").api_key == ""
    assert "print-secret" not in repr(Settings.from_environ(home, credential_command="print-secret"))
    (tmp_path / ".tinker/credentials.json").write_text('{"default": "tml-x')
    with pytest.raises(ValueError, match="remove it and log in again") as refused:
        Settings.from_environ(home)
    assert "tml-x" not in str(refused.value)


def test_the_plain_constructor_reads_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``open_tinker(Settings())`` is all a configured machine needs."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    assert Settings() == Settings.from_environ(ENVIRON)
    monkeypatch.setenv("TINKER_BASE_URL", "")
    assert Settings().base_url == DEFAULT_BASE_URL


@pytest.mark.tinkex("F108", "F131", "F422")
def test_the_headers_that_let_us_through_come_from_the_environment() -> None:
    """Both, or the one that is there."""
    both = {"CF-Access-Client-Id": "visitor", "CF-Access-Client-Secret": "sesame"}
    assert Settings.from_environ(ENVIRON).access_headers == both
    one = {"TINKER_API_KEY": "tml-k", "CLOUDFLARE_ACCESS_CLIENT_ID": "visitor"}
    assert Settings.from_environ(one).access_headers == {"CF-Access-Client-Id": "visitor"}


def test_tags_keep_their_order_and_appear_once() -> None:
    """A tag is a label people filter by: an empty one or a shuffled list helps nobody."""
    settings = Settings.from_environ(ENVIRON)
    assert settings.tags == ("b", "a")
    assert Settings.local("http://127.0.0.1:1").tags == ("tinkex-actors",)


@pytest.mark.tinkex("T135")
@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "no API key"),
        ("sk-1234567890", "must begin with 'tml-' or 'eyJ', got 13 characters"),
        ("tml-with\nnewline", "without spaces"),
        ("tml-ключ", "printable ASCII"),
    ],
)
def test_a_key_that_cannot_work_is_refused_with_the_next_step(key: str, message: str) -> None:
    """The commonest first mistake gets one clear sentence, and the sentence does not repeat a secret."""
    with pytest.raises(ValueError, match=message) as refused:
        Settings.from_environ({"TINKER_API_KEY": key})
    assert "TINKER_API_KEY" in str(refused.value)
    assert "1234567890" not in str(refused.value)


NO_ADDRESSES = ("tinker.example", "ftp://tinker.example", "http://", "http://x:99999", "http://x:8o", "http://[::1")


@pytest.mark.parametrize("url", [*NO_ADDRESSES, "http://a b", "http://a/\tb"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """A wrong address fails at the door, not as a puzzling connection error later; the variable is named."""
    for name, variable in (("base_url", "TINKER_BASE_URL"), ("proxy", "TINKEX_PROXY")):
        message = f"{name} must be an http:// or https:// address, got .*; check {variable}"
        with pytest.raises(ValueError, match=message):
            Settings.from_environ({"TINKER_API_KEY": "tml-k", variable: url})


@pytest.mark.parametrize("url", ["http://host/path?query=1", "http://host/#part", "http://host/?"])
def test_an_address_that_paths_cannot_be_appended_to_is_refused(url: str) -> None:
    """What is appended to it would be part of the query."""
    with pytest.raises(ValueError, match="base_url must end with its path"):
        Settings.local(url)


@pytest.mark.parametrize("url", ["ftp://me:sesame@host", "me:sesame@host:3128", "http://me:sesa@sesame@host:8o"])
def test_a_wrong_address_is_refused_without_its_password(url: str) -> None:
    """A scheme that was forgotten is the commonest mistake with a proxy; the error lands in logs and bug reports."""
    for variable in ("TINKER_BASE_URL", "TINKEX_PROXY"):
        with pytest.raises(ValueError, match="must be an http:// or https:// address") as refused:
            Settings.from_environ({"TINKER_API_KEY": "tml-k", variable: url})
        assert "sesa" not in "".join(format_exception(refused.value))


@pytest.mark.parametrize("variable", ["TINKEX_DEFAULT_HEADERS", "TINKEX_PROXY_HEADERS"])
@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        ("X-Token", "sesame\r\nX-More: 1", "got something else in 'X-Token'"),
        ("X-Token", "sesamö", "got something else in 'X-Token'"),
        ("X Token", "sesame", "names of headers.*got 'X Token'"),
        ("", "sesame", "names of headers"),
        ("content-length", "7", "none that frames a request"),
        ("Transfer-Encoding", "chunked", "none that frames a request"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_at_the_door(
    variable: str, header: str, value: str, message: str
) -> None:
    """It would fail in the first request, far from where it was written, or make two requests of one."""
    with pytest.raises(ValueError, match=message) as refused:
        Settings.from_environ({**ENVIRON, variable: json.dumps({header: value})})
    assert f"check {variable}" in str(refused.value)
    assert "sesam" not in "".join(format_exception(refused.value))


EVERY_SETTING: dict[str, tuple[dict[str, str], Any, Any]] = {
    # In the environment, in an application's configuration, as an argument.
    "api_key": ({"TINKER_API_KEY": "tml-e"}, "tml-c", "tml-a"),
    "credential_command": ({"TINKER_CREDENTIAL_CMD": "e"}, "c", "a"),
    "base_url": ({"TINKER_BASE_URL": "http://e"}, "http://c", "http://a"),
    "project_id": ({"TINKER_PROJECT_ID": "e"}, "c", "a"),
    "tags": ({"TINKER_TAGS": "e"}, ("c",), ("a",)),
    "telemetry": ({"TINKER_TELEMETRY": "0"}, True, False),
    "feature_gates": ({"TINKER_FEATURE_GATES": "e"}, ("c",), ("a",)),
    "access_headers": ({"CLOUDFLARE_ACCESS_CLIENT_ID": "e"}, {"X": "c"}, {"X": "a"}),
    "default_headers": ({"TINKEX_DEFAULT_HEADERS": '{"X": "e"}'}, {"X": "c"}, {"X": "a"}),
    "default_query": ({"TINKEX_DEFAULT_QUERY": '{"x": "e"}'}, {"x": "c"}, {"x": "a"}),
    "proxy": ({"TINKEX_PROXY": "http://e"}, "http://c", "http://a"),
    "proxy_headers": ({"TINKEX_PROXY_HEADERS": '{"X": "e"}'}, {"X": "c"}, {"X": "a"}),
    "ca_file": ({"SSL_CERT_FILE": "e"}, "c", "a"),
    "client_certificate": ({"TINKEX_CLIENT_CERT": "e"}, "c", "a"),
    "client_key": ({"TINKEX_CLIENT_KEY": "e"}, "c", "a"),
    "client_key_password": ({"TINKEX_CLIENT_KEY_PASSWORD": "e"}, "c", "a"),
    "log_level": ({"TINKER_LOG": "error"}, "info", "debug"),
    "dump_headers": ({"TINKEX_DUMP_HEADERS": "1"}, False, True),
    "figures": ({"TINKEX_PARITY": "beam"}, Figures(max_retries=3), Figures(max_retries=4)),
}


@pytest.mark.parametrize("name", [one.name for one in fields(Settings) if "variable" in one.metadata])
def test_an_argument_wins_over_the_configuration_over_the_environment_over_the_default(name: str) -> None:
    """The promise of the first page, for every setting that has a variable: each is wired by hand."""
    environ, configured, argued = EVERY_SETTING[name]
    base = {"TINKER_API_KEY": "tml-k"}

    def read(variables: dict[str, str], **how: Any) -> Any:
        return getattr(Settings.from_environ({**base, **variables}, **how), name)

    default, told = read({}), read(environ)
    app = {name: configured}
    assert told != default
    assert (read(environ, app=app), read({}, app=app)) == (configured, configured)
    assert read(environ, app=app, **{name: argued}) == argued
    assert read(environ, **{name: argued}) == argued
    assert told != configured != argued != told or isinstance(told, bool)


def test_an_address_with_a_password_is_refused_without_showing_it() -> None:
    """An address is printed in errors and logs, so it may hold no secret."""
    with pytest.raises(ValueError, match="user name or a password") as refused:
        Settings.local("http://user:sesame@host")
    assert "sesame" not in str(refused.value)


@pytest.mark.tinkex("T135")
@pytest.mark.parametrize(
    ("figure", "value", "message"),
    [
        ("request_timeout", 0, "request_timeout must be > 0, got 0"),
        ("max_retries", -1, "max_retries must be >= 0, got -1"),
        ("retry_jitter", 1.0, r"retry_jitter must be in \[0, 1\), got 1.0"),
        ("connect_timeout", float("nan"), "connect_timeout must be > 0, got nan"),
    ],
)
def test_a_figure_out_of_range_is_refused_by_name(figure: str, value: Any, message: str) -> None:
    """Nonsense is found where it is written down."""
    with pytest.raises(ValueError, match=message):
        evolve(Figures(), **{figure: value})


@pytest.mark.tinkex("T136")
def test_no_secret_shows_in_the_representation() -> None:
    """Settings end up in logs and bug reports."""
    settings = evolve(Settings.from_environ(ENVIRON), default_headers={"X-Token": "hidden"})
    shown = repr(settings) + str(settings)
    assert "tml-***" in shown
    assert "X-Token" in shown
    assert not any(secret in shown for secret in ("from-environ", "sesame", "visitor", "hidden"))


def test_settings_are_frozen_and_copy_what_they_are_given() -> None:
    """Nobody can change a running client's settings by accident."""
    headers = {"X-One": "1"}
    settings = evolve(Settings.local("http://127.0.0.1:1"), default_headers=headers)
    headers["X-Two"] = "2"
    assert settings.default_headers == {"X-One": "1"}
    with pytest.raises(FrozenInstanceError):
        settings.api_key = "tml-other"  # type: ignore[misc]  # the point of the test


def test_local_settings_need_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded server works on a machine that has never heard of the service."""
    monkeypatch.setenv("TINKER_API_KEY", "not-a-key")
    settings = Settings.local("http://127.0.0.1:8000/")
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.at("http://127.0.0.1:9000").base_url == "http://127.0.0.1:9000"
