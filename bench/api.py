"""Latency of the HTTP API: ``adpulse web`` with 1,000 connections and 50 concurrent clients, under two loads.

``closed``: each client sends its next request as soon as it is answered, so the server is always busy: the worst case of 50 clients.
``open``: each sends one request a second, as 50 people with an open page do; latency counts from when the request was due.
The clients share the machine with the server. Latencies are in ms, of every request from the first byte sent to the last received;
``server_cpu_ms`` is what the server's process spent on a request.
"""

import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from itertools import cycle
from pathlib import Path

from adpulse.role import Role
from bench import environment, processes
from bench.claim import fill
from storage.control import database

CLIENTS = 50
CONNECTIONS = 1_000
HISTORY = 20_000
REQUESTS = 3_000
SECONDS = 10
_WARM_UP = 200
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def measure() -> list[dict[str, object]]:
    """Two rows per endpoint: median, 99th percentile and slowest answer, answers per second, and the server's CPU time for one."""
    with tempfile.TemporaryDirectory(prefix="adpulse-api-") as folder, environment.only(ADPULSE_HOME=folder):
        app = environment.installed()
        fill(database.connect(app.settings.control_url), CONNECTIONS, HISTORY)
        _, key = app.keys.create("bench", Role.OPERATOR, None)
        ids = [view.connection.id for view in app.connections.all()]
        log = Path(folder) / "web.log"
        with processes.adpulse("web", "--port", "0", log=log, ready="HTTP API") as server:
            port = int(log.read_text().split("HTTP API: ")[1].split()[0].rpartition(":")[2])
            secret = key.get_secret_value()
            return [
                row for name, endpoint in ENDPOINTS.items() for row in _measured(name, server.pid, port, requests(secret, *endpoint, ids))
            ]


ENDPOINTS: dict[str, tuple[str, str, str]] = {
    "list": ("GET", "/connections/?limit=50", ""),
    "read": ("GET", "/connections/{}", ""),
    "sync-status": ("GET", "/connections/{}/sync-status", ""),
    "runs": ("GET", "/connections/{}/runs", ""),
    "sync-frequency": ("PATCH", "/connections/{}/sync-frequency", '{"sync_frequency": "hourly"}'),
    "sync-now": ("POST", "/connections/{}/sync-now", ""),
    "search": ("GET", "/connections/?limit=50&q=account&sort=last_completed", ""),
    "workspaces": ("GET", "/workspaces", ""),
    "healthz": ("GET", "/healthz", ""),
}


def requests(key: str, method: str, path: str, body: str, ids: Sequence[str]) -> Callable[[], bytes]:
    """A function that returns the bytes of a request, for these ids in turn."""
    next_ids = cycle(ids)

    def request() -> bytes:
        lines = [
            f"{method} {path.format(next(next_ids))} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {key}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    return request


def _measured(name: str, server: int, port: int, request: Callable[[], bytes]) -> list[dict[str, object]]:
    """The endpoint under both loads."""
    rows = []
    asyncio.run(_send_all(port, request, _WARM_UP // CLIENTS, pause=0))
    for load, count, pause in (("closed", REQUESTS // CLIENTS, 0.0), ("open", SECONDS, 1.0)):
        began, cpu = time.perf_counter(), processes.cpu_seconds(server)
        took = asyncio.run(_send_all(port, request, count, pause))
        rows.append(
            {
                "endpoint": name,
                "load": load,
                "p50_ms": round(statistics.median(took), 1),
                "p99_ms": round(statistics.quantiles(took, n=100)[98], 1),
                "max_ms": round(max(took), 1),
                "per_second": round(len(took) / (time.perf_counter() - began)),
                "server_cpu_ms": round((processes.cpu_seconds(server) - cpu) * 1000 / len(took), 2),
            }
        )
    return rows


async def _send_all(port: int, request: Callable[[], bytes], count: int, pause: float) -> list[float]:
    clients = [_client(port, request, count, pause, pause * number / CLIENTS) for number in range(CLIENTS)]
    return [latency for took in await asyncio.gather(*clients) for latency in took]


async def _client(port: int, request: Callable[[], bytes], count: int, pause: float, first: float) -> list[float]:
    """Send ``count`` requests: with a ``pause`` one per that time, however long answers take; without one as soon as it is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    start = time.perf_counter() + first
    for number in range(count):
        if pause:
            await asyncio.sleep(max(0.0, start + number * pause - time.perf_counter()))
        began = time.perf_counter() if not pause else start + number * pause
        status = await exchange(reader, writer, request())
        if status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            raise RuntimeError(f"the API answered {status}")
        took.append((time.perf_counter() - began) * 1000)
    writer.close()
    return took


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send a request, read its whole answer; the answer's status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split(b" ", 2)[1])
