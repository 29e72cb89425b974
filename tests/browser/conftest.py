"""A real browser, and programs with a page for it to look at. Without playwright or a Chromium the tests here are skipped."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> "Generator[Browser]":
    """Debian's Chromium, or the one that CHROMIUM names."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium; apt-get install chromium, or set CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright; make .venv/.browser")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def running(module: str, *arguments: object) -> Generator[subprocess.Popen[str]]:
    """Run a module of this folder as a program of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", f"tests.browser.{module}", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read(process: subprocess.Popen[str]) -> str:
    """Wait for a line of its output."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, "the program has ended"
    return line


def say(process: subprocess.Popen[str], words: str) -> None:
    """Give it a line."""
    assert process.stdin is not None
    process.stdin.write(f"{words}\n")
    process.stdin.flush()
