"""The page of all settings says what the code says."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from tinkex_actors.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"


THEIRS = [
    "TINKER_API_KEY",
    "TINKER_BASE_URL",
    "TINKER_CREDENTIAL_CMD",
    "TINKER_PROJECT_ID",
    "TINKER_TAGS",
    "TINKER_TELEMETRY",
    "TINKER_LOG",
    "TINKER_FEATURE_GATES",
    "CLOUDFLARE_ACCESS_CLIENT_ID",
    "CLOUDFLARE_ACCESS_CLIENT_SECRET",
    "TINKER_PARITY_VERSION",
    "TINKEX_PARITY",
    "TINKEX_DUMP_HEADERS",
    "TINKEX_POOL_SIZE",
    "TINKEX_POOL_COUNT",
    "TINKEX_POLL_BACKOFF",
    "TINKEX_DEFAULT_HEADERS",
    "TINKEX_DEFAULT_QUERY",
    "TINKEX_HTTP_CLIENT",
    "TINKEX_HTTP_POOL",
    "TINKEX_PROXY",
    "TINKEX_PROXY_HEADERS",
    "TINKEX_OTEL_PROPAGATE",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "XDG_CACHE_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NO_COLOR",
    "HOME",
]
"""Every variable that the official SDK, tinkex, or a library below them reads."""


@pytest.mark.tinkex("F123", "F137")
@pytest.mark.parametrize("variable", THEIRS)
def test_every_variable_of_both_clients_is_a_setting_or_has_a_reason(variable: str) -> None:
    """Whoever comes from there finds what they had, or why not."""
    settings = {name: one for one in attrs.fields(Settings) for name in _names(str(one.metadata.get("variable", "")))}
    reasons = {name for names in load().OTHERS for name in _names(names)}

    assert (variable in settings) != (variable in reasons)


@pytest.mark.parametrize("field", [one for one in attrs.fields(Settings) if one.metadata.get("variable")])
def test_a_setting_s_variables_are_read(field: "attrs.Attribute[object]") -> None:
    """Each by itself: one that is named and not read lies."""
    for name in _names(str(field.metadata["variable"])):
        assert any(_changes(field.metadata["read"], name, value) for value in VALUES), name


VALUES = ["conservative", "off", "on", '{"a": "b"}', "debug", "one,two"]


def _changes(read: Callable[[dict[str, str]], object], name: str, value: str) -> bool:
    try:
        return read({name: value}) != read({})
    except ValueError:  # another kind of value
        return False


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name]


def test_the_settings_page_is_what_the_settings_are() -> None:
    """A table that is written by hand lies after the next change; `python docs/make_settings.py` writes this one."""
    assert load().page() == (DOCS / "guides/settings.md").read_text(), "run: python docs/make_settings.py"


def load() -> ModuleType:
    """Import the script that writes the page."""
    spec = importlib.util.spec_from_file_location("make_settings", DOCS / "make_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
