"""Write guides/settings.md from the settings themselves: python docs/make_settings.py."""

import ast
import inspect
from pathlib import Path

import attrs

from tinkex_actors.settings import Figures, Settings

PAGE = Path(__file__).parent / "guides" / "settings.md"

HEAD = """# Settings

One frozen {class}`~tinkex_actors.Settings` tells a client everything, and the process's environment is read once, when it is made.
An argument wins over an application's own configuration, that over the environment, and the environment over the default.
Two clients with different settings in one program do not meet.

```python
Settings()  # the process's environment
Settings(api_key="tml-secret", tags=["nightly"])  # arguments win
Settings.from_environ(os.environ, app=tomllib.load(file)["tinker"])  # and an application's own file in between
Settings.local("http://127.0.0.1:8000")  # no variable is read
```

An empty variable counts as absent. No secret shows in a `repr`, a log or an error.

This page is generated from the code; a test compares.
"""


OTHERS = {
    "TINKEX_POOL_SIZE": "Connections are counted by what they carry: `submit_connections`, `sample_connections` and the others below.",
    "TINKEX_POOL_COUNT": "The same: each client has one pool.",
    "TINKEX_HTTP_POOL": "The same: pools have no names and are not shared.",
    "TINKEX_POLL_BACKOFF": "The delays between polls are `poll_delay_base`, `poll_delay_max` and `poll_backoff_max` below.",
    "TINKEX_HTTP_CLIENT": "What carries HTTP is an object: `open_tinker(below=…)`.",
    "TINKEX_OTEL_PROPAGATE": "Nothing is propagated unless the program traces.",
    "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY": "Honoured where `proxy` is not set.",
    "HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_OFFLINE, XDG_CACHE_HOME": "Read by `huggingface_hub`, which fetches tokenizers.",
    "HOME": "Where `tinkex auth login` keeps its key, below `.tinker`.",
    "NO_COLOR": "Honoured by the command line.",
    "TINKER_PARITY_VERSION": "No program reads it: the version of the protocol is the client's own.",
}
"""Variables of the official SDK, of tinkex and of what lies below, that are no setting of a client, and why."""


def docs_of(cls: type) -> dict[str, str]:
    """Find the strings below the fields of a class."""
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = dict[str, str]()
    for field, after in zip(body.body, body.body[1:], strict=False):
        match field, after:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                found[name] = " ".join(text.split()).replace("``", "`").replace("|", "\\|")
            case _:
                continue
    return found


def default_of(field: "attrs.Attribute[object]") -> str:
    """Show a plain default, and nothing of one that is read."""
    match field.default:
        case bool() | int() | float() as number:
            return "∞" if number == float("inf") else f"{number:,}" if isinstance(number, int) else f"{number:g}"
        case _:
            return ""


def page() -> str:
    """Write the whole page."""
    settings, figures = docs_of(Settings), docs_of(Figures)
    rows = [f"| `{one.name}` | {variables(one)} | {settings[one.name]} |" for one in attrs.fields(Settings)]
    numbers = [f"| `{one.name}` | {default_of(one)} | {figures[one.name]} |" for one in attrs.fields(Figures)]
    parts = [
        HEAD,
        "## What a client is told\n\n| field | variable | what it is |\n|---|---|---|\n" + "\n".join(rows) + "\n",
        "## Variables that are no settings\n\n| variable | why |\n|---|---|\n"
        + "\n".join(f"| {_quoted(names)} | {why} |" for names, why in OTHERS.items())
        + "\n",
        "## Every number it waits, counts or limits by\n\n"
        "Fields of {class}`~tinkex_actors.Figures`, passed as `Settings(figures=Figures(max_retries=3))`. Times are in seconds, sizes in bytes.\n\n"
        "| figure | default | what it is |\n|---|---|---|\n" + "\n".join(numbers) + "\n",
    ]
    return "\n".join(parts)


def variables(field: "attrs.Attribute[object]") -> str:
    """Name the variables of a setting."""
    return _quoted(str(field.metadata.get("variable", "")))


def _quoted(names: str) -> str:
    return ", ".join(f"`{name.strip()}`" for name in names.split(",") if name)


if __name__ == "__main__":
    PAGE.write_text(page())
