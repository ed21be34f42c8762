"""What the pages show of many connections at once, read with a few statements for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, literal, select
from sqlalchemy.orm import aliased

from adpulse.clock import Clock
from adpulse.model import Connection, FetchKind, Provider, RunState
from adpulse.planner.budget import WINDOW
from adpulse.planner.windows import FIRST_SYNC_DAYS
from adpulse.platforms.registry import PLATFORMS
from storage.control.database import Engine, Session, reading
from storage.control.runs import RunView, run_view
from storage.control.tables import CallRow, ConnectionRow, PartitionRow, RunRow, is_letter

_MINUTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One connection at a glance: its account's calls in the last hour, its newest run, days read of the first sync, dead letters."""

    calls: int = 0
    run: RunView | None = None
    days_read: int = 0
    letters: int = 0

    @property
    def in_first_sync(self) -> bool:
        """Whether days of the first sync are still missing."""
        return self.days_read < FIRST_SYNC_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Rows of metrics of the last day's syncs: fetched from the platforms, and written because they had changed."""

    syncs: int
    with_changes: int
    fetched: int
    written: int


class Overview:
    """Reads across the tables of the control plane; changes nothing."""

    def __init__(self, engine: Engine, clock: Clock, *, wall: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall

    def glances(self, connections: Sequence[Connection]) -> dict[str, Glance]:
        """A glance at each connection, by its id."""
        ids = [connection.id for connection in connections]
        with reading(self._engine).connect() as session:
            calls = self._calls(session, [connection.ledger_key for connection in connections])
            runs = _newest_runs(session, ids)
            days = _days_read(session, ids)
            letters = _letters(session, ids)
        return {
            connection.id: Glance(
                calls=calls.get(connection.ledger_key, 0),
                run=runs.get(connection.id),
                days_read=days.get(connection.id, 0),
                letters=letters.get(connection.id, 0),
            )
            for connection in connections
        }

    def calls_by_minute(self, workspace_id: str | None = None) -> dict[Provider, list[int]]:
        """Calls per minute in the last hour of business time, oldest first, of the accounts of one workspace or of all."""
        now = self._clock.now()
        key = ConnectionRow.provider + ":" + ConnectionRow.external_id
        keys = select(key).where(ConnectionRow.workspace_id == workspace_id) if workspace_id else select(key)
        counts = {provider: [0] * _MINUTES for provider in PLATFORMS}
        platform = case(*((CallRow.key.startswith(f"{provider}:"), provider) for provider in PLATFORMS))
        # Counted where they are: an agency's tens of thousands of rows took longer to fetch than all else on the page.
        called = select(platform.label("platform"), _minute(now).label("minute"), func.count().label("calls")).where(
            CallRow.at > now - WINDOW, CallRow.key.in_(keys)
        )
        with reading(self._engine).connect() as session:
            for row in session.execute(called.group_by("platform", "minute")):
                counts[Provider(row.platform)][row.minute] = row.calls
        return counts

    def written(self, workspace_id: str | None = None) -> Written:
        """What the syncs of the last 24 hours fetched, and how much of it had changed."""
        ended = (RunRow.finished_at > self._wall.now() - timedelta(days=1)) & (RunRow.state == RunState.DONE.value)
        of_workspace = [RunRow.workspace_id == workspace_id] if workspace_id else []
        rows = RunRow.inserted + RunRow.updated
        counts = select(
            func.count(), func.sum(case((rows > 0, 1), else_=0)), func.sum(RunRow.fetched), func.sum(rows)
        ).where(ended, *of_workspace)  # fmt: skip
        with reading(self._engine).connect() as session:
            syncs, changed, fetched, wrote = session.execute(counts).one()
        return Written(syncs=syncs, with_changes=int(changed or 0), fetched=int(fetched or 0), written=int(wrote or 0))

    def _calls(self, session: Session, keys: list[str]) -> dict[str, int]:
        within = CallRow.at >= self._clock.now() - WINDOW
        query = select(CallRow.key, func.count()).where(CallRow.key.in_(keys), within).group_by(CallRow.key)
        return dict(session.execute(query).all())


def _minute(now: datetime, first: int = 0, last: int = _MINUTES - 1) -> ColumnElement[int]:
    """Which of these minutes of the hour before ``now`` a call was made in; one that another machine dates after now is of the last."""
    if first == last:
        return literal(first, literal_execute=True)
    middle = (first + last) // 2
    is_early = CallRow.at <= now - timedelta(minutes=_MINUTES - 1 - middle)
    return case((is_early, _minute(now, first, middle)), else_=_minute(now, middle + 1, last))  # halves: six comparisons a row, not sixty


def _newest_runs(session: Session, ids: list[str]) -> dict[str, RunView]:
    other = aliased(RunRow)
    # With a limit the subquery reads one index entry per connection; a window function would read all runs.
    newest = select(other.id).where(other.connection_id == ConnectionRow.id).order_by(other.requested_at.desc()).limit(1)
    rows = session.execute(
        select(RunRow.__table__)
        .select_from(ConnectionRow)
        .join(RunRow, RunRow.id == newest.scalar_subquery())
        .where(ConnectionRow.id.in_(ids))
    )
    return {row.connection_id: run_view(row) for row in rows}


def _days_read(session: Session, ids: list[str]) -> dict[str, int]:
    """Days whose leaves were read, up to the number of days of the first sync."""
    query = (
        select(PartitionRow.connection_id, func.sum(PartitionRow.days))
        .where(PartitionRow.connection_id.in_(ids), PartitionRow.kind == FetchKind.ADS.value)
        .group_by(PartitionRow.connection_id)
    )
    return {connection_id: min(count, FIRST_SYNC_DAYS) for connection_id, count in session.execute(query)}


def _letters(session: Session, ids: list[str]) -> dict[str, int]:
    query = (
        select(RunRow.connection_id, func.count()).where(RunRow.connection_id.in_(ids), is_letter()).group_by(RunRow.connection_id)
    )  # fmt: skip
    return dict(session.execute(query).all())
