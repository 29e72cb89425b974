"""The observer's page in a real browser, over a daemon with two real runs.

With PICTURES set to a folder the pictures of the documentation are put there: ``make observer-browser``.
"""

import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import read, running, say
from tests.tinkex_actors.cli import inside

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TRAINER = "[data-path='tinker-rank-16/session/clients/trainer-0']"
PATIENCE = 300_000 if "PICTURES" in os.environ else 120_000
"""Milliseconds until a page that shows nothing fails its test."""
STEPS = 90 if "PICTURES" in os.environ else 40
"""What a curve is to show."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs lie."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def program(browser: "Browser", runs: Path) -> Generator[subprocess.Popen[str]]:
    """The daemon; with the browser, so that none is started where there is no browser."""
    del browser
    with running("watched", runs) as process:
        yield process


@pytest.fixture(scope="module")
def url(program: subprocess.Popen[str]) -> str:
    """Where its page is, token included."""
    return read(program)


@pytest.fixture
def page(browser: "Browser", url: str) -> "Generator[Page]":
    """The page, opened; whatever it complains of fails the test."""
    complaints = list[str]()
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    opened.goto(url)
    opened.locator(TRAINER).wait_for()
    yield opened
    context.close()
    # A process that ends cuts its lines; Chromium calls that an error of the network.
    assert [one for one in complaints if "net::ERR_" not in one] == []


def picture(page: "Page", name: str) -> None:
    """Take a picture for the documentation, where one is wanted, in as many colours as it needs."""
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib; pictures alone need it

    if "PICTURES" not in os.environ:
        return
    taken = Image.open(io.BytesIO(page.screenshot()))
    taken.convert("RGB").quantize(96).save(Path(os.environ["PICTURES"]) / name, optimize=True)


def keep_for_the_terminal(runs: Path) -> None:
    """Keep what the process says, and the runs' curves, for the pictures of ``top`` and ``plot``: their tests draw them."""
    if (place := os.environ.get("PICTURES")) is None:
        return
    told = inside.tinkex("observe", runs, "--json")
    state = json.loads(told.out.replace(str(runs), "runs"))
    state["events"] = [{**one, "traceback": ""} for one in state["events"][-8:]]
    (Path(place) / "state.json").write_text(json.dumps(state) + "\n")
    for run in ("rank-16", "rank-2"):
        folder = Path(place) / "runs" / run
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("metrics.jsonl", "timing_spans.jsonl"):
            shutil.copy(runs / run / file, folder / file)


def wait_until(page: "Page", claim: str) -> None:
    """Wait until *claim* holds in the page: asked from outside, since its policy lets nobody evaluate a text inside."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(claim):
        assert time.monotonic() < deadline, claim
        page.wait_for_timeout(50)


def shows(page: "Page", selector: str, words: str) -> None:
    """Wait until the element says *words*."""
    page.locator(selector, has_text=words).first.wait_for(timeout=PATIENCE)


def test_a_crash_shows_as_a_restart_within_a_second(page: "Page", program: subprocess.Popen[str]) -> None:
    """From the crash in the process to the words on the screen, by the browser's own clock."""
    wait_until(page, "document.querySelectorAll('.run polyline').length == 2")
    page.evaluate("""selector => {
        window.seen = new Promise(resolve => new MutationObserver(() => {
            if (document.querySelector(selector).textContent.includes("1 restart")) resolve(performance.now());
        }).observe(document.getElementById("tree"), { subtree: true, childList: true, characterData: true }));
        window.began = performance.now();
    }""", TRAINER)  # fmt: skip
    say(program, "crash")
    took = page.evaluate("async () => await window.seen - window.began")

    assert took < 1000, f"{took:.0f} ms"
    shows(page, "#events .ChildCrashed", "trainer-0 crashed")
    page.locator("#events summary").first.click()
    shows(page, "#events pre", "Traceback")
    assert 'File "supervisors/_' in (page.locator("#events pre").first.text_content() or "")


def test_the_runs_are_shown_as_they_train_and_are_pictured(page: "Page", runs: Path) -> None:
    """Each with its state, its curve, and how far it is; light, as the documentation shows it."""
    for name in ("rank-16", "rank-2"):
        shows(page, ".run h3", f"{name}training")
    points = (
        "[...document.querySelectorAll('.run polyline')].map(curve => curve.getAttribute('points').split(' ').length)"
    )
    wait_until(page, f"{points}.every(count => count >= {STEPS})")
    shows(page, "#requests", "forward_backward")
    shows(page, ".run details", "checkpoint")

    picture(page, "observer.png")
    keep_for_the_terminal(runs)


def test_an_actor_is_opened_paused_and_resumed_by_keyboard_alone(page: "Page") -> None:
    """Arrows to it, Enter, and its buttons; Escape closes, and the focus is where it was, for all to see."""
    page.locator("#tree .row").first.focus()
    for _ in range(40):
        if page.evaluate("document.activeElement.matches(`[data-path='tinker-rank-16/session/clients/trainer-0']`)"):
            break
        page.keyboard.press("ArrowDown")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    shows(page, "#actor-title", "tinker-rank-16/session/clients/trainer-0")
    shows(page, "#actor-body", "Trace")
    shows(page, "#actor-facts", "running")
    page.locator("[data-action=pause]:enabled").focus()
    page.keyboard.press("Enter")
    shows(page, "#actor-said", "is paused")
    shows(page, f"{TRAINER} .state", "suspended")
    page.locator("[data-action=resume]:enabled").focus()
    page.keyboard.press("Enter")
    shows(page, f"{TRAINER} .state", "running")
    page.keyboard.press("Escape")

    page.locator("#actor").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.dataset.path") == "tinker-rank-16/session/clients/trainer-0"


def test_a_restart_is_asked_about(page: "Page") -> None:
    """One click is an accident; so is one that was meant for another actor."""
    page.locator(TRAINER).click()
    page.locator("[data-action=restart]:enabled").click()
    shows(page, "[data-action=restart]", "restart, really?")
    page.locator("[data-path='tinker-rank-16/session/poller']").click()
    assert page.locator("[data-action=restart]").text_content() == "restart"
    page.locator("[data-action=restart]:enabled").click()
    page.locator("[data-action=restart]").click()
    shows(page, "#actor-said", "poller is restarted")


def test_on_a_phone_at_night_nothing_is_cut_off(browser: "Browser", url: str) -> None:
    """Dark, narrow, and no scrolling sideways."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", is_mobile=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(url)
    page.locator(TRAINER).wait_for(timeout=PATIENCE)
    page.locator(".run polyline").nth(1).wait_for(timeout=PATIENCE)

    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 21, 24)"
    picture(page, "observer-phone.png")
    page.locator(TRAINER).click()
    shows(page, "#actor-body", "Trace")
    shows(page, "#actor-body", "InjectedCrash")
    picture(page, "observer-actor.png")
    context.close()


def test_ten_thousand_actors_stay_usable(page: "Page", program: subprocess.Popen[str]) -> None:
    """They are one line until they are opened, and then a hundred at a time."""
    say(program, "10000")
    many = page.locator("[data-path='daemon/many']")
    shows(page, "[data-path='daemon/many']", "10,000 running")
    many.click()
    shows(page, ".more", "1 to 100 of 10,000")
    page.locator(".more button").last.click()
    shows(page, ".more", "101 to 200 of 10,000")

    assert page.locator("#tree .row").count() < 200
    many.click()
    page.locator(".more").wait_for(state="detached")


def test_a_process_that_ends_is_told(page: "Page", program: subprocess.Popen[str]) -> None:
    """The page says so, and goes on asking."""
    program.kill()
    program.wait(timeout=20)

    shows(page, "#line.lost", "asking again")
