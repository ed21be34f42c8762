"""Ready is an installation that starts at once what is asked for; a part that is not is named."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from disk import files_no_longer_than
from waiting import until

from adpulse import orchestrator
from adpulse.api import pools
from storage.control.leader import SWEEP, TERM

CLOUD = "/api/accounts/a-1/workspaces/w-2"


class _Health(BaseHTTPRequestHandler):
    """Answers as the health check of a Prefect server does, and that of a workspace in Prefect Cloud to who shows its key."""

    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        in_cloud = self.path == f"{CLOUD}/health" and self.headers["Authorization"] == "Bearer pnu_sentinel"
        self.send_response(200 if in_cloud or self.path == "/api/health" else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def prefect():
    """A server that only answers whether it lives; the paths it was asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Health", (_Health,), {"asked": []}))
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{server.server_port}/api"
    yield server.RequestHandlerClass.asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def worker(installation):
    installation.app.leadership.take(SWEEP, "worker")


@pytest.mark.usefixtures("worker")
def test_it_is_ready_while_database_prefect_and_a_worker_are_there(ask, prefect):
    answers = [ask("GET", "/readyz") for _ in range(5)]

    assert [(each.status_code, each.json()) for each in answers] == [(200, {"status": "ok"})] * 5
    assert prefect == ["/api/health"]  # the answer counts for some seconds


@pytest.mark.usefixtures("worker", "prefect")
def test_a_workspace_in_prefects_cloud_is_asked_with_its_key(ask, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", os.environ["PREFECT_API_URL"].replace("/api", CLOUD))
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_sentinel")

    assert ask("GET", "/readyz").status_code == 200


@pytest.mark.usefixtures("installation")
def test_every_part_that_is_missing_is_named(ask):
    answer = ask("GET", "/readyz")

    assert (answer.status_code, answer.json()["type"]) == (503, "urn:adpulse:unavailable")
    assert "No worker was seen" in answer.json()["detail"]
    assert "Prefect does not answer" in answer.json()["detail"]
    assert ask("GET", "/healthz").status_code == 200


@pytest.mark.usefixtures("worker")
def test_a_prefect_server_that_is_gone_is_named_alone(ask, prefect):
    del prefect
    os.environ["PREFECT_API_URL"] = os.environ["PREFECT_API_URL"].removesuffix("/api") + "/elsewhere"

    detail = ask("GET", "/readyz").json()["detail"]

    assert "Prefect" in detail
    assert "worker was" not in detail


@pytest.mark.usefixtures("worker", "prefect")
@pytest.mark.parametrize("end", ["it stopped", "it died"])
def test_a_worker_that_is_gone_is_named_at_once_when_it_stopped_and_after_a_term_when_it_died(ask, installation, end):
    if end == "it stopped":
        installation.app.leadership.resign(SWEEP, "worker")
    else:
        installation.wall.advance(TERM + timedelta(seconds=1))

    answer = ask("GET", "/readyz")

    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("Not ready. No worker was seen")


@pytest.mark.usefixtures("worker", "prefect")
def test_a_database_that_is_gone_is_named(ask, installation):
    database = installation.app.settings.home / "control.db"
    installation.app.workspaces._engine.dispose()
    for each in database.parent.glob("control.db*"):
        each.unlink()
    database.mkdir()

    answer = ask("GET", "/readyz")

    assert answer.status_code == 503
    assert answer.json()["detail"] == "Not ready. The control plane's database does not answer (OperationalError)."


@pytest.fixture(autouse=True)
def _nothing_known():
    orchestrator._health.clear()
    yield
    orchestrator._health.clear()


@pytest.mark.usefixtures("worker", "prefect")
def test_a_pool_whose_requests_all_hang_is_named(ask, installation, operator, monkeypatch):
    monkeypatch.setattr(pools, "STUCK_SECONDS", 0.0)
    ask("GET", "/workspaces", operator)  # so that the key is remembered, and looking it up does not wait for the database
    database = installation.app.settings.home / "control.db"
    with ThreadPoolExecutor(4) as clients, closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        hanging = [clients.submit(ask, "POST", "/workspaces", operator, json={"name": f"W{number}"}) for number in range(4)]
        detail = until(lambda: ask("GET", "/readyz").json().get("detail"), seconds=20)
        other.execute("ROLLBACK")
        created = [answer.result().status_code for answer in hanging]

    assert detail.startswith("Not ready. Requests for writing get no thread")
    assert created == [201] * 4
    assert ask("GET", "/readyz").status_code == 200


@pytest.mark.usefixtures("worker", "prefect")
def test_a_full_disk_is_named(ask, installation):
    with files_no_longer_than(10_000):
        answer = ask("GET", "/readyz")

    assert answer.status_code == 503
    assert answer.json()["detail"] == f"Not ready. Nothing can be written to {installation.app.settings.home}: File too large."
    assert list(installation.app.settings.home.glob(".ready*")) == []
