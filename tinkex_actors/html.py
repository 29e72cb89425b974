"""What a notebook shows of our objects: a little HTML, everything in it escaped and free of secrets."""

from collections.abc import Mapping
from html import escape

from tinkex_actors.redaction import redact_text


def show_facts(title: str, facts: Mapping[str, object], *, drawing: str = "") -> str:
    """Write a title, a table of facts, and a drawing in fixed width."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{_text(name)}</th><td style='text-align:left'>{_text(value)}</td></tr>"
        for name, value in facts.items()
    )
    below = f"<pre style='line-height:1.25'>{_text(drawing)}</pre>" if drawing else ""
    return f"<div><strong>{_text(title)}</strong><table>{rows}</table>{below}</div>"


def _text(value: object) -> str:
    return escape(redact_text(str(value)))
