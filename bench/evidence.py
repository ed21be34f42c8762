"""Data about a load run, from the installation and the sandbox: syncs, changes, calls, and errors."""

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
from sqlalchemy import func, select

from adpulse.bootstrap import App
from adpulse.metrics import METRICS
from adpulse.model import Connection, Provider, RunState
from adpulse_sandbox.remote import Remote
from bench import verdict
from bench.verdict import Change, Stored, Sync, Values
from storage.control import database
from storage.control.tables import RunRow

REFRESH_SECONDS = 47
"""How often the sandbox's numbers change."""

JUDGED = {"meta": METRICS, "google": ("impressions", "clicks", "spend", "conversions", "revenue")}
"""The metrics whose freshness counts: kinds of Google's conversions take a query of their own, which has a slower rhythm."""

_RECORD = re.compile(r"^(?:\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d|[A-Z]+: )", re.MULTILINE)
_BAD = ("| ERROR", "ERROR:", "| CRITICAL")
_LOCKED = "database is locked"
_PREFECTS_OWN = "| prefect.server"
_GOOGLES_METHOD = "RPC"
"""The method of Google's calls in the sandbox's log; Meta's calls have an HTTP method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The running installation, and how far its business time is ahead of real time."""

    app: App
    engine: database.Engine
    remote: Remote
    home: Path
    ahead: timedelta

    def connections(self) -> list[Connection]:
        """All connections."""
        return [view.connection for view in self.app.connections.all()]


def syncs_since(engine: database.Engine, since: datetime) -> list[Sync]:
    """Every sync that started since (real time)."""
    query = select(RunRow.connection_id, RunRow.started_at, RunRow.finished_at, RunRow.calls).where(RunRow.started_at >= since)
    with database.reading(engine).connect() as session:
        return [
            Sync(connection=row.connection_id, started_at=row.started_at, finished_at=row.finished_at, calls=row.calls)
            for row in session.execute(query)
        ]


class Evidence:
    """Data about the measured time, from ``start`` to ``end`` (real time), from the installation and the sandbox."""

    def __init__(self, installation: Installation, start: datetime, end: datetime) -> None:
        self._installation, self._start, self._end = installation, start, end
        self.syncs = syncs_since(installation.engine, start)
        self._ended = self._run_ends()
        self._calls: dict[tuple[Provider, str], list[datetime]] = defaultdict(list)
        for call in installation.remote.calls():
            if call["account"]:
                provider = "google" if call["method"] == _GOOGLES_METHOD else "meta"
                self._calls[provider, call["account"]].append(datetime.fromisoformat(call["at"]) - installation.ahead)

    def most_calls(self) -> dict[str, int]:
        """By platform, the most calls of any account in any hour, or what the measured pace comes to in a whole one."""
        hours = (self._end - self._start) / verdict.HOUR
        most: dict[str, int] = defaultdict(int)
        for (provider, _), calls in self._calls.items():
            paced = round(sum(self._start <= at < self._end for at in calls) / hours)
            most[provider] = max(most[provider], verdict.most_calls(calls), paced)
        return dict(most)

    def failed(self) -> int:
        """Syncs that failed, from the beginning."""
        query = select(func.count()).where(RunRow.state.in_((RunState.FAILED.value, RunState.DEAD.value)))
        with database.reading(self._installation.engine).connect() as session:
            return session.scalar(query) or 0

    def _run_ends(self) -> dict[str, datetime]:
        query = select(RunRow.id, RunRow.finished_at).where(RunRow.finished_at.is_not(None))
        with database.reading(self._installation.engine).connect() as session:
            return {str(row.id): row.finished_at for row in session.execute(query)}

    def changes(self) -> dict[str, list[Change]]:
        """By platform, every change of today's numbers there, and when it was stored: at the latest when its run was closed."""
        changes: dict[str, list[Change]] = defaultdict(list)
        for connection in self._installation.connections():
            changes[connection.provider] += verdict.changes(self._truth(connection), self._stored(connection))
        return dict(changes)

    def _truth(self, connection: Connection) -> list[tuple[datetime, dict[str, Values]]]:
        """What the platform reported for today, from each of its refreshes on; in real time."""
        first = (self._start + self._installation.ahead).timestamp() // REFRESH_SECONDS * REFRESH_SECONDS
        refreshes = []
        while first < (self._end + self._installation.ahead).timestamp():
            at = datetime.fromtimestamp(first, UTC)
            day = connection.today(at)
            table = self._installation.remote.truth_metrics(
                connection.external_id, since=day, until=day, as_of=at, margin=connection.gross_margin
            )
            columns = [table.column(name).to_pylist() for name in JUDGED[connection.provider]]
            refreshes.append(
                (
                    at - self._installation.ahead,
                    dict(zip(table.column("external_id").to_pylist(), zip(*columns, strict=True), strict=False)),
                )
            )
            first += REFRESH_SECONDS
        return refreshes

    def _stored(self, connection: Connection) -> dict[str, list[Stored]]:
        path = self._installation.home / "published" / f"{connection.workspace_id}.duckdb"
        day = connection.today(self._start + self._installation.ahead)
        columns = ", ".join(JUDGED[connection.provider])
        query = f"SELECT external_id, run_id, changed_at, {columns} FROM raw.metric_changes WHERE connection_id = ? AND date = ?"
        with duckdb.connect(path, read_only=True) as warehouse:
            rows = warehouse.execute(f"{query} ORDER BY changed_at, generation", [connection.id, day]).fetchall()
        stored: dict[str, list[Stored]] = defaultdict(list)
        for ad, run_id, changed_at, *values in rows:
            read_at = changed_at.astimezone(UTC) - self._installation.ahead
            ended = self._ended.get(run_id, read_at)
            stored[ad].append(Stored(values=tuple(values), read_at=read_at, stored_at=max(ended, read_at)))
        return stored


def failed_in_prefect() -> int:
    """Flow runs that failed, crashed or were cancelled."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import StateType
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()  # Prefect read its environment when it was imported
    bad = [StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
    with get_client(sync_client=True) as client:
        return len(client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": bad}}})))


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """Errors in the logs.

    ``trouble`` has the first line of every record with an error or a locked database. ``lock_retries`` counts how often
    Prefect's server found its SQLite file locked by another of its own transactions, and tried again.
    """

    trouble: list[str]
    lock_retries: int


def read_logs(home: Path) -> Logs:
    """Read every log of the installation once."""
    records = _records(home)
    bad = [record for record in records if not _tried_again(record) and (_bad(record) or _LOCKED in record)]
    return Logs(trouble=[record.splitlines()[0] for record in bad], lock_retries=sum(map(_tried_again, records)))


def _bad(record: str) -> bool:
    return any(sign in record.splitlines()[0] for sign in _BAD)


def _tried_again(record: str) -> bool:
    return _PREFECTS_OWN in record.splitlines()[0] and _LOCKED in record


def _records(home: Path) -> list[str]:
    """The records of the logs, each with its traceback."""
    texts = [path.read_text(errors="replace") for path in sorted((home / "logs").glob("*.log"))]
    records = []
    for text in texts:
        begins = [match.start() for match in _RECORD.finditer(text)]
        records += [text[begin:end] for begin, end in pairwise([*begins, len(text)])]
    return [record for record in records if record.strip()]
