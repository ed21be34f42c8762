"""How soon the HTTP API answers: ``adpulse web`` as it runs, with 1,000 connections, asked by 50 clients at once.

Each client keeps its connection and asks again as soon as it is answered, so what is measured is the worst that 50 can do. The
clients share the machine with the server. Latencies are in ms, of every request from the first byte sent to the last received.
"""

import asyncio
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path

from adpulse import bootstrap, settings
from adpulse.role import Role
from bench import processes
from bench.claim import fill
from storage import control, migrations

CLIENTS = 50
CONNECTIONS = 1_000
HISTORY = 20_000
REQUESTS = 2_000
_WARM_UP = 200
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def measure() -> list[dict[str, object]]:
    """One row per endpoint: median, 99th percentile and slowest answer, and answers per second."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="adpulse-api-") as folder:
        home = Path(folder)
        os.environ["ADPULSE_HOME"] = folder
        settings.load.cache_clear()
        bootstrap.app.cache_clear()
        engine = control.connect(settings.load().control_url)
        migrations.migrate(engine)
        fill(engine, CONNECTIONS, HISTORY)
        _, key = bootstrap.app().keys.create("bench", Role.OPERATOR, None)
        ids = [view.connection.id for view in bootstrap.app().connections.every()]
        log = home / "web.log"
        try:
            with processes.adpulse("web", "--port", "0", log=log, ready="HTTP API") as _:
                port = int(log.read_text().split("HTTP API: ")[1].split()[0].rpartition(":")[2])
                told = key.get_secret_value()
                return [asyncio.run(_endpoint(name, port, _requests(told, *asked, ids))) for name, asked in _ASKED.items()]
        finally:
            os.environ.clear()
            os.environ.update(before)
            settings.load.cache_clear()
            bootstrap.app.cache_clear()
            engine.dispose()


_ASKED: dict[str, tuple[str, str, str]] = {
    "list": ("GET", "/connections/?limit=50", ""),
    "read": ("GET", "/connections/{}", ""),
    "sync-status": ("GET", "/connections/{}/sync-status", ""),
    "runs": ("GET", "/connections/{}/runs", ""),
    "sync-frequency": ("PATCH", "/connections/{}/sync-frequency", '{"sync_frequency": "hourly"}'),
    "sync-now": ("POST", "/connections/{}/sync-now", ""),
    "readyz": ("GET", "/readyz", ""),
}


def _requests(key: str, method: str, path: str, body: str, ids: Sequence[str]) -> Callable[[], bytes]:
    wanted = cycle(ids)

    def request() -> bytes:
        lines = [
            f"{method} {path.format(next(wanted))} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {key}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    return request


async def _endpoint(name: str, port: int, request: Callable[[], bytes]) -> dict[str, object]:
    await _ask(port, request, _WARM_UP)
    began = time.perf_counter()
    took = await _ask(port, request, REQUESTS)
    rate = len(took) / (time.perf_counter() - began)
    p99 = statistics.quantiles(took, n=100)[98]
    return {
        "endpoint": name,
        "p50_ms": round(statistics.median(took), 1),
        "p99_ms": round(p99, 1),
        "max_ms": round(max(took), 1),
        "per_second": round(rate),
    }


async def _ask(port: int, request: Callable[[], bytes], count: int) -> list[float]:
    clients = [_client(port, request, count // CLIENTS) for _ in range(CLIENTS)]
    return [each for took in await asyncio.gather(*clients) for each in took]


async def _client(port: int, request: Callable[[], bytes], count: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for _ in range(count):
        began = time.perf_counter()
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split(b" ", 2)[1] not in (b"200", b"202"):
            raise RuntimeError(f"the API answered {head.splitlines()[0]!r}")
        length = _LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        took.append((time.perf_counter() - began) * 1000)
    writer.close()
    return took
