"""Settings are read once at the door, refuse what cannot work, and never show a secret."""

from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from tinkex_actors.settings import DEFAULT_BASE_URL, Figures, Settings

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
    assert Settings.from_environ(ENVIRON, api_key="tml-argument").api_key == "tml-argument"


def test_the_plain_constructor_reads_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``open_tinker(Settings())`` is all a configured machine needs."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    assert Settings() == Settings.from_environ(ENVIRON)
    monkeypatch.setenv("TINKER_BASE_URL", "")
    assert Settings().base_url == DEFAULT_BASE_URL


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


@pytest.mark.parametrize("url", ["tinker.example", "ftp://tinker.example", "http://", "http://x:99999", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """A wrong address fails at the door, not as a puzzling connection error later."""
    with pytest.raises(ValueError, match="base_url must be an http:// or https:// address"):
        Settings.from_environ({"TINKER_API_KEY": "tml-k", "TINKER_BASE_URL": url})


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
