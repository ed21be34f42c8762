"""A real installation (``adpulse up``, its worker and its pages) against a sandbox, and Debian's Chromium to look at it."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from receiver import receiving
from running import Running, processes_of

from adpulse_sandbox import Sandbox

QUIET = [
    "--no-sandbox",  # as root it has none
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="package")
def running(tmp_path_factory, prefect_home):
    home = prefect_home(tmp_path_factory.mktemp("installation"))
    with Sandbox.start() as sandbox:
        with Running(home, sandbox, ADPULSE_WEBHOOK_PRIVATE_TARGETS="true") as up:
            yield up
        assert up.child.returncode == 0, "\n".join(up.printed[-30:])
        assert processes_of(home) == []


@pytest.fixture(scope="package")
def address(running):
    """Where the pages are."""
    return (running.app.settings.home / "web.address").read_text()


@pytest.fixture(scope="package")
def chromium():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield started
        started.close()


@pytest.fixture
def visitor(chromium):
    """Opens windows, each with cookies of its own; what a page complains about in the console fails the test."""
    opened, complaints = [], []

    def window(**options):
        context = chromium.new_context(viewport={"width": 1280, "height": 860}, **options)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    window.complaints = complaints
    yield window
    for context in opened:
        context.close()
    assert complaints == []


@pytest.fixture
def page(visitor, running, address):
    """A window in which an operator is logged in."""
    opened = visitor()
    opened.goto(f"{address}/app/login/{running.app.sessions.link().get_secret_value()}")
    opened.goto(f"{address}/app/connections")
    return opened


@pytest.fixture
def receiver():
    """Where webhooks go."""
    with receiving() as started:
        yield started


@pytest.fixture
def shot():
    """Keeps a picture of a page, in the folder SHOTS; ``make test-browser`` names one."""

    def keep(page, name):
        if folder := os.environ.get("SHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    return keep
