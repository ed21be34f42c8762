"""An installation whose webhooks may go to loopback, a receiver there, and the loop that delivers. Prefect is not running."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
from installation import Installation
from pydantic import SecretStr
from receiver import receiving
from waiting import until

from adpulse.events import SUBSCRIBABLE
from adpulse_sandbox import Sandbox
from deployments import deliver
from deployments.deliver import Deliverer


@pytest.fixture(scope="package")
def sandbox():
    with Sandbox.start(extra=2) as running:
        yield running


@pytest.fixture
def installation(sandbox, tmp_path):
    made = Installation(tmp_path / "home", sandbox, ADPULSE_WEBHOOK_PRIVATE_TARGETS="true")
    yield made
    made.close()


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


class Hooks:
    """Makes webhooks, lets messages be delivered, waits for what becomes of them."""

    def __init__(self, app, workspace):
        self.app = app
        self.workspace = workspace

    def add(self, url, name="ours", **options):
        """A webhook and its secret."""
        return self.app.webhooks.create(self.workspace.id, name, SecretStr(url), **{"events": SUBSCRIBABLE} | options)

    @contextmanager
    def delivering(self, owner=None):
        """The loop of a worker, while the block lasts."""
        stop = threading.Event()
        running = threading.Thread(target=lambda: asyncio.run(Deliverer(self.app, owner).until(stop)), daemon=True)
        running.start()
        try:
            yield
        finally:
            stop.set()
            running.join(60)
            assert not running.is_alive()

    def only(self, hook):
        """The webhook's one delivery."""
        (found,) = self.app.outbox.history(hook.id)
        return found

    def until(self, holds):
        """Wait for something that must come."""
        until(holds, pause=0.02)


@pytest.fixture
def hooks_of(monkeypatch):
    """The webhooks of an installation, whose loop looks often."""
    monkeypatch.setattr(deliver, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(deliver, "_LEAD_SECONDS", 0.1)
    return lambda installation: Hooks(installation.app, installation.workspace)


@pytest.fixture
def hooks(installation, hooks_of):
    return hooks_of(installation)
