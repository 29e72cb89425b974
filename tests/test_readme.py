"""The README's program runs as printed."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _programs(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_program_of_the_readme_runs_as_printed(tmp_path: Path) -> None:
    """Twenty lines, no key, no network: the first thing a new user copies must work."""
    (program,) = _programs(ROOT / "README.md")
    script = tmp_path / "readme.py"
    script.write_text(program)

    done = subprocess.run(
        [sys.executable, "-W", "error", script], capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "loss" in done.stdout
    assert sum(bool(line.strip()) for line in program.splitlines()) <= 22
