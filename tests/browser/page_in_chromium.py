"""The observer's page in a real browser: ``make observer-browser``. Not part of the suite, which needs no browser.

It leaves the pictures of the documentation in ``docs/pictures``.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
TRAINER = "[data-path='tinker/session/clients/trainer-0']"


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """Debian's Chromium, or the one that CHROMIUM names."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "no Chromium; apt-get install chromium, or set CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Generator[subprocess.Popen[str]]:
    """A supervised client at work, and two runs on disk."""
    runs = tmp_path_factory.mktemp("runs")
    for number, name in enumerate(("qwen3-8b-rank32", "qwen3-8b-rank8")):
        _write_run(runs / name, wobble=number)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.browser.watched", str(runs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        yield process
        process.terminate()


@pytest.fixture(scope="module")
def url(program: subprocess.Popen[str]) -> str:
    """Where its page is, token included."""
    assert program.stdout is not None
    return program.stdout.readline().strip()


@pytest.fixture
def page(browser: Browser, url: str) -> Generator[Page]:
    """The page, opened; whatever it complains of fails the test."""
    complaints = list[str]()
    context = browser.new_context(viewport={"width": 1280, "height": 1060}, reduced_motion="reduce")
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    opened.goto(url)
    expect(opened.locator(TRAINER)).to_be_visible(timeout=20_000)
    yield opened
    context.close()
    # A process that ends cuts its lines; Chromium calls that an error of the network.
    assert [one for one in complaints if "net::ERR_" not in one] == []


def _say(program: subprocess.Popen[str], word: str) -> None:
    assert program.stdin is not None
    program.stdin.write(f"{word}\n")
    program.stdin.flush()


def _write_run(folder: Path, *, wobble: int) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_name": "Qwen/Qwen3-8B"}))
    rows = [
        {
            "step": step,
            "progress": (step + 1) / 400,
            "train_mean_nll": 2.4 * math.exp(-step / 90) + 0.5 + 0.1 * wobble + 0.04 * math.sin(step * 1.7 + wobble),
            "learning_rate": 1e-4,
            "num_tokens": 5000,
            "time/step": 0.8,
        }
        for step in range(400)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    saved = {"name": "000200", "batch": 200, "state_path": "tinker://run:train:0/weights/000200"}
    (folder / "checkpoints.jsonl").write_text(json.dumps(saved) + "\n")


def test_a_crash_shows_as_a_restart_within_a_second(page: Page, program: subprocess.Popen[str]) -> None:
    """From the crash in the process to the words on the screen."""
    expect(page.locator(f"{TRAINER} .restarts")).to_have_text("")
    page.evaluate("""selector => {
        window.seen = new Promise(resolve => new MutationObserver(() => {
            if (document.querySelector(selector).textContent.includes("1 restart")) resolve(performance.now());
        }).observe(document.getElementById("tree"), { subtree: true, childList: true, characterData: true }));
        window.began = performance.now();
    }""", TRAINER)  # fmt: skip
    began = time.perf_counter()
    _say(program, "crash")
    took = page.evaluate("async () => await window.seen - window.began")

    assert took < 1000, f"{took:.0f} ms"
    assert time.perf_counter() - began < 5
    expect(page.locator("#events .ChildCrashed").first).to_contain_text("trainer-0 crashed")
    page.locator("#events summary").first.click()
    expect(page.locator("#events pre").first).to_contain_text("Traceback")


def test_the_page_shows_everything_and_is_pictured(page: Page) -> None:
    """Light, as the documentation shows it."""
    expect(page.locator(".run")).to_have_count(2)
    expect(page.locator("#requests table")).to_contain_text("optim_step")
    page.wait_for_timeout(500)
    page.screenshot(path=PICTURES / "observer.png")


def test_an_actor_is_opened_paused_and_resumed_by_keyboard_alone(page: Page) -> None:
    """Arrows to it, Enter, and its buttons; Escape closes, and the focus is where it was."""
    page.locator("#tree .row").first.focus()
    for _ in range(30):
        if page.evaluate("document.activeElement.dataset.path") == "tinker/session/clients/trainer-0":
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#actor-title")).to_have_text("tinker/session/clients/trainer-0")
    expect(page.locator("#actor-body")).to_contain_text("Trace")
    page.locator("[data-action=pause]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#actor-said")).to_contain_text("is paused")
    expect(page.locator(f"{TRAINER} .suspended")).to_be_visible()
    page.locator("[data-action=resume]").focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"{TRAINER} .running")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.locator("#actor")).not_to_be_visible()
    assert page.evaluate("document.activeElement.dataset.path") == "tinker/session/clients/trainer-0"


def test_stopping_is_asked_about(page: Page) -> None:
    """One click is an accident."""
    page.locator(TRAINER).click()
    page.locator("[data-action=restart]").click()
    expect(page.locator("[data-action=restart]")).to_have_text("restart, really?")
    page.locator("[data-action=restart]").click()
    expect(page.locator("#actor-said")).to_contain_text("trainer-0")


def test_on_a_phone_at_night_nothing_is_cut_off(browser: Browser, url: str) -> None:
    """Dark, narrow, and no scrolling sideways."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", is_mobile=True)
    page = context.new_page()
    page.goto(url)
    expect(page.locator(TRAINER)).to_be_visible(timeout=20_000)
    expect(page.locator(".run")).to_have_count(2)

    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
    page.screenshot(path=PICTURES / "observer-phone.png")
    page.locator(TRAINER).click()
    expect(page.locator("#actor-body")).to_contain_text("Trace")
    page.screenshot(path=PICTURES / "observer-actor.png")
    context.close()


def test_ten_thousand_actors_stay_usable(page: Page, program: subprocess.Popen[str]) -> None:
    """They are one line until they are opened, and then a hundred at a time."""
    _say(program, "10000")
    many = page.locator("[data-path='tinker/many']")
    expect(many).to_contain_text("10,000 running", timeout=60_000)
    many.click()
    expect(page.locator(".more")).to_contain_text("1 to 100 of 10,000", timeout=10_000)
    page.locator(".more button").last.click()
    expect(page.locator(".more")).to_contain_text("101 to 200 of 10,000", timeout=10_000)

    assert page.locator("#tree .row").count() < 150
    many.click()
    expect(page.locator(".more")).to_have_count(0)


def test_a_process_that_ends_is_told(page: Page, program: subprocess.Popen[str]) -> None:
    """The page says so, and goes on asking."""
    program.terminate()
    program.wait(timeout=20)

    expect(page.locator("#line.lost")).to_contain_text("asking again", timeout=10_000)
