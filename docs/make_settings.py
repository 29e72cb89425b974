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
        "## Every number it waits, counts or limits by\n\n"
        "Fields of {class}`~tinkex_actors.Figures`, passed as `Settings(figures=Figures(max_retries=3))`. Times are in seconds, sizes in bytes.\n\n"
        "| figure | default | what it is |\n|---|---|---|\n" + "\n".join(numbers) + "\n",
    ]
    return "\n".join(parts)


def variables(field: "attrs.Attribute[object]") -> str:
    """Name the variables of a setting."""
    names = str(field.metadata.get("variable", ""))
    return ", ".join(f"`{name.strip()}`" for name in names.split(",") if name)


if __name__ == "__main__":
    PAGE.write_text(page())
