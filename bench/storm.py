"""The effect of one team's alert queries on others: latencies of neighbours before and during a storm of queries.

In one workspace 50 clients run alerts that sleep, and alerts that compute endlessly, and send the next request as soon as they are
answered. In other workspaces ten clients request a list, a connection's status and a sync, each five times a second. The storm's clients
run in a separate process, so that the server is measured and not this program. Latencies are in ms and count from when a
request should have been sent. ``alert_ms`` is how long the one alert that a neighbour runs in the middle of it takes.
"""

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import duckdb

from adpulse.bootstrap import App
from adpulse.role import Role
from bench import environment, processes
from bench.api import exchange, requests
from bench.claim import fill
from storage.control import database
from storage.warehouse import schema

STORM, CLIENTS = 50, 10
CONNECTIONS, HISTORY = 1_000, 20_000
SECONDS, PAUSE = 20, 0.2
_QUERIES = {
    "sleeps": "SELECT sleep_ms(60000)",
    "computes": "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range * b.range % 7 = 3",
}
_ENDPOINTS = {
    "list": ("GET", "/connections/?limit=50"),
    "sync-status": ("GET", "/connections/{}/sync-status"),
    "sync-now": ("POST", "/connections/{}/sync-now"),
}


def measure() -> list[dict[str, object]]:
    """A row for each thing that neighbours ask for, without and with the storm, and one of what became of the storm's requests."""
    with tempfile.TemporaryDirectory(prefix="adpulse-storm-") as folder, environment.only(ADPULSE_HOME=folder):
        app = environment.installed()
        fill(database.connect(app.settings.control_url), CONNECTIONS, HISTORY)
        storm, alert = _team(app, "w0", _QUERIES), _team(app, "w1", {"one": "SELECT 1"})
        keys = {name: app.keys.create("bench", Role.EDITOR, name)[1].get_secret_value() for name in (f"w{2 + n}" for n in range(CLIENTS))}
        ids = {name: [view.connection.id for view in app.connections.all(name)] for name in keys}
        log = Path(folder) / "web.log"
        with processes.adpulse("web", "--port", "0", log=log, ready="HTTP API"):
            port = int(log.read_text().split("HTTP API: ")[1].split()[0].rpartition(":")[2])
            by_endpoint = {name: [requests(key, *_ENDPOINTS[name], "", ids[name]) for name, key in keys.items()] for name in _ENDPOINTS}
            before = asyncio.run(_neighbours(port, by_endpoint, None))
            during, answers = _stormy(port, storm, by_endpoint, alert[0])
        return [*_rows("calm", before), *_rows("storm", during), {"case": "storm's own answers", **answers}]


def _team(app: App, workspace_id: str, queries: Mapping[str, str]) -> Sequence[bytes]:
    """A workspace with a published copy and these alerts: the requests that run them."""
    path = app.published(workspace_id)
    path.parent.mkdir(exist_ok=True)
    with duckdb.connect(path) as copy:
        schema.migrate(copy)
    key = app.keys.create("bench", Role.EDITOR, workspace_id)[1].get_secret_value()
    alerts = [app.alerts.create(workspace_id, name, query) for name, query in queries.items()]
    return [requests(key, "POST", f"/workspaces/{workspace_id}/alerts/{alert.id}/run", "", ["-"])() for alert in alerts]


def _stormy(
    port: int, storm: Sequence[bytes], by_endpoint: Mapping[str, Sequence[Callable[[], bytes]]], alert: bytes
) -> tuple[dict[str, list[float]], dict[str, object]]:
    context = multiprocessing.get_context("spawn")
    ended, result = context.Event(), context.Queue()
    process = context.Process(target=_storm, args=(port, storm, ended, result))
    process.start()
    time.sleep(3)
    try:
        during = asyncio.run(_neighbours(port, by_endpoint, alert))
    finally:
        ended.set()
        answers = result.get(timeout=120)
        process.join(30)
    return during, answers


def _storm(port: int, storm: Sequence[bytes], ended: Any, result: Any) -> None:  # noqa: ANN401 - multiprocessing's are untyped
    """The clients of the storm; how often each status was answered, and the slowest refusal."""
    counted: Counter[str] = Counter()
    refusals: list[float] = []

    async def client(request: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not ended.is_set():
            began = time.perf_counter()
            status = await exchange(reader, writer, request)
            counted[str(status)] += 1
            if status == 429:  # noqa: PLR2004 - too many requests
                refusals.append((time.perf_counter() - began) * 1000)
        writer.close()

    async def clients() -> None:
        await asyncio.gather(*(client(request) for _, request in zip(range(STORM), cycle(storm), strict=False)))

    asyncio.run(clients())
    result.put({**counted, "refused_p99_ms": _p99(refusals) if refusals else None})


async def _neighbours(port: int, by_endpoint: Mapping[str, Sequence[Callable[[], bytes]]], alert: bytes | None) -> dict[str, list[float]]:
    """Latencies by what was asked for; of the neighbour's alert as well, if there is one to run."""
    took: dict[str, list[float]] = {name: [] for name in by_endpoint}
    clients = [
        _neighbour(port, {name: senders[number] for name, senders in by_endpoint.items()}, took, number) for number in range(CLIENTS)
    ]
    runs = [_run(port, alert, took)] if alert else []
    await asyncio.gather(*clients, *runs)
    return took


async def _neighbour(port: int, senders: Mapping[str, Callable[[], bytes]], took: dict[str, list[float]], number: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.perf_counter() + PAUSE * number / CLIENTS
    for turn, name in zip(range(int(SECONDS / PAUSE)), cycle(senders), strict=False):
        due_at = start + turn * PAUSE
        await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
        status = await exchange(reader, writer, senders[name]())
        if status not in (200, 202):
            raise RuntimeError(f"a neighbour was answered {status}")
        took[name].append((time.perf_counter() - due_at) * 1000)
    writer.close()


async def _run(port: int, alert: bytes, took: dict[str, list[float]]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.perf_counter()
    status = await exchange(reader, writer, alert)
    took[f"alert ({status})"] = [(time.perf_counter() - began) * 1000]
    writer.close()


def _rows(case: str, took: Mapping[str, Sequence[float]]) -> list[dict[str, object]]:
    return [
        {
            "case": case,
            "asked": name,
            "requests": len(latencies),
            "p50_ms": round(statistics.median(latencies), 1),
            "p99_ms": _p99(latencies),
            "max_ms": round(max(latencies), 1),
        }
        for name, latencies in took.items()
    ]


def _p99(latencies: Sequence[float]) -> float:
    return round(statistics.quantiles(latencies, n=100)[98] if len(latencies) > 1 else latencies[0], 1)
