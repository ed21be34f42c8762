"""How soon the pages answer in an agency's installation (:mod:`bench.agency`): ``adpulse web`` and one browser's session, page after page.

``cold`` is the first answer after a publication, ``warm`` those that follow. Latencies are in ms, from the request sent to the last byte;
``cpu_ms`` is what the server's process spent on a request, which is comparable on a machine that does other things, too.
"""

import http.client
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from adpulse.api.access import COOKIE
from adpulse.api.pages.site import ROOT
from adpulse.role import Role
from bench import agency, environment, processes
from bench.agency import Agency

PUBLICATIONS = 5
"""Cold answers of each page."""

REQUESTS = 40
"""Warm answers of each page."""


def measure() -> list[dict[str, object]]:
    """One row per page: bytes, cold and warm latencies, and the server's CPU time for each."""
    with tempfile.TemporaryDirectory(prefix="adpulse-pages-") as folder, environment.only(ADPULSE_HOME=folder):
        app = environment.installed()
        made = agency.build(app)
        session = app.sessions.redeem(app.sessions.link(Role.EDITOR, made.workspace_id))
        if session is None:
            raise RuntimeError("the login link did not work")
        log = Path(folder) / "web.log"
        with processes.adpulse("web", "--port", "0", log=log, ready="HTTP API") as server:
            port = int(log.read_text().split("HTTP API: ")[1].split()[0].rpartition(":")[2])
            browser = Browser(port, session.get_secret_value(), server.pid)
            browser.ask("/access")  # what a process loads with its first page
            return [_measured(browser, name, place, app.published(made.workspace_id)) for name, place in places(made).items()]


def places(made: Agency) -> dict[str, str]:
    """Every page that reads the published file or all connections, with the variants that cost something else."""
    account = f"/accounts/{made.account}"
    return {
        "Today": "/today",
        "Account": account,
        "Account, 45 days": f"{account}?period=45",
        "Campaign": f"{account}?campaign={made.campaign}",
        "Ad set": f"{account}?campaign={made.campaign}&ad_set={made.ad_set}",
        "Restatements": f"{account}/restatements",
        "Connection": f"/connections/{made.account}",
        "Connections": "/connections",
        "Connections by spend": "/connections?sort=-spend",
        "Connections, worst first": "/connections?sort=state",
        "Connections of a label": "/connections?label=Client+1",
        "Connections, last page": "/connections?page=5",
        "Budgets": "/budgets",
        "Health": "/health",
        "Alerts": "/alerts",
    }


class Browser:
    """Asks for pages as a browser that is logged in, over one connection, and notes the server's CPU time."""

    def __init__(self, port: int, session: str, server: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Cookie": f"{COOKIE}={session}"}
        self._server = server

    def ask(self, place: str, times: int = 1) -> tuple[list[float], float, int]:
        """Latencies of so many requests in ms, CPU time for each in ms, and the page's bytes."""
        took, size, cpu = [], 0, processes.cpu_seconds(self._server)
        for _ in range(times):
            began = time.perf_counter()
            self._connection.request("GET", ROOT + place, headers=self._headers)
            answer = self._connection.getresponse()
            size = len(answer.read())
            took.append((time.perf_counter() - began) * 1000)
            if answer.status != http.HTTPStatus.OK:
                raise RuntimeError(f"{place} was answered {answer.status}")
        return took, (processes.cpu_seconds(self._server) - cpu) * 1000 / times, size


def _measured(browser: Browser, name: str, place: str, published: Path) -> dict[str, object]:
    cold, cold_cpu = list[float](), list[float]()
    for _ in range(PUBLICATIONS):
        _publish(published)
        took, cpu, _ = browser.ask(place)
        cold += took
        cold_cpu.append(cpu)
    warm, warm_cpu, size = browser.ask(place, REQUESTS)
    return {
        "page": name,
        "kb": size >> 10,
        "cold_p50_ms": round(statistics.median(cold)),
        "cold_max_ms": round(max(cold)),
        "cold_cpu_ms": round(statistics.mean(cold_cpu)),
        **_ranks(warm),
        "warm_cpu_ms": round(warm_cpu),
    }


def _ranks(warm: Sequence[float]) -> dict[str, object]:
    ranks = {"p50": statistics.median(warm), "p95": statistics.quantiles(warm, n=20)[18], "max": max(warm)}
    return {f"warm_{rank}_ms": round(value) for rank, value in ranks.items()}


def _publish(published: Path) -> None:
    """Put a new copy of the same numbers in the place of the one before, as a publication does."""
    fresh = published.with_suffix(".new")
    shutil.copy(published, fresh)
    fresh.replace(published)
