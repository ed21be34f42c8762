"""The state of an installation for its metrics, counted by a few statements however many connections there are."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, select

from adpulse.clock import Clock
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Provider, RunState
from adpulse.planner.budget import WINDOW
from adpulse.planner.scopes import ScopeLimits
from adpulse.platforms.registry import PLATFORMS
from storage.control.connection_warnings import ConnectionWarningRow
from storage.control.database import Engine, Session, reading
from storage.control.staleness import overdue
from storage.control.tables import CallRow, ConnectionRow, RunRow, is_letter, is_open

AGES = (60, 120, 300, 600, 1800, 3600, 10_800, 86_400, 259_200)
"""Upper bounds in seconds of the time since a connection's last completed sync."""

_RECENT = timedelta(hours=1)
_MAX_SCOPES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionGroup:
    """Connections of one platform, status and frequency, and how many of them are delayed."""

    provider: Provider
    status: ConnectionStatus
    frequency: Frequency
    count: int
    postponed: int
    cooling_down: int
    failing: int
    stale: int
    never_synced: int
    synced_within: tuple[int, ...]
    """How many completed a sync within each of ``AGES``."""
    oldest: datetime | None
    """The least recent of their last completed syncs (business time)."""

    @property
    def active(self) -> bool:
        """Whether they are synced at all."""
        return self.status is ConnectionStatus.ACTIVE

    @property
    def polled(self) -> bool:
        """Whether their data should be fresh: active, and synced by a schedule."""
        return self.active and self.frequency is not Frequency.MANUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Syncs of one platform that ended in one state in the last hour, and the rows they read and wrote."""

    provider: Provider
    state: RunState
    count: int
    changed: int
    rows_fetched: int
    rows_written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeCalls:
    """Calls that a platform counts together, within its window."""

    scope: str
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All counts at one moment, ``now`` in business time."""

    now: datetime
    connections: list[ConnectionGroup]
    open_runs: Mapping[tuple[Provider, RunState], int]
    dead_letters: Mapping[Provider, int]
    ended: list[Ended]
    calls: Mapping[Provider, int]
    busiest_account: Mapping[Provider, int]
    scopes: list[ScopeCalls]
    """The scopes with the most calls."""
    warnings: Mapping[tuple[Provider, str], int]
    """Warnings of connections by platform and topic, the first word of their kind."""


class Gauges:
    """Counts in the control plane; changes nothing."""

    def __init__(self, engine: Engine, clock: Clock, scopes: ScopeLimits, *, wall: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall
        self._scopes = scopes

    def read(self) -> Snapshot:
        """All counts, read in one transaction."""
        now = self._clock.now()
        with reading(self._engine).connect() as session:
            accounts = {provider: _accounts(session, provider, now) for provider in PLATFORMS}
            return Snapshot(
                now=now,
                connections=list(_connections(session, now)),
                open_runs=_open_runs(session),
                dead_letters=_letters(session),
                ended=list(_ended(session, since=self._wall.now() - _RECENT)),
                calls={provider: calls for provider, (calls, _) in accounts.items()},
                busiest_account={provider: most for provider, (_, most) in accounts.items()},
                warnings=_warnings(session),
                scopes=[used for provider in PLATFORMS for used in self._scope_calls(session, provider, now)],
            )

    def shared_calls(self) -> Mapping[str, int]:
        """Calls per scope within the platform's window, of the scopes with the most calls."""
        now = self._clock.now()
        with reading(self._engine).connect() as session:
            return {used.scope: used.calls for provider in PLATFORMS for used in self._scope_calls(session, provider, now)}

    def clock_drift(self) -> timedelta:
        """How far the database's clock is ahead of this machine's; zero for SQLite, which has no clock of its own."""
        if self._engine.dialect.name == "sqlite":
            return timedelta(0)
        with reading(self._engine).connect() as session:
            before, remote, after = self._wall.now(), session.scalar(select(func.clock_timestamp())), self._wall.now()
        # The answer took a while: only what lies outside that while is drift.
        return timedelta(0) if remote is None or before <= remote <= after else remote - (before if remote < before else after)

    def _scope_calls(self, session: Session, provider: Provider, now: datetime) -> list[ScopeCalls]:
        limit = self._scopes.by_provider.get(provider)
        since = now - (limit.window if limit else WINDOW)
        of_provider = (CallRow.scope == provider) | CallRow.scope.between(f"{provider}:", f"{provider};")
        used = select(CallRow.scope, func.count().label("calls")).where(of_provider, CallRow.at >= since).group_by(CallRow.scope)
        rows = session.execute(used.order_by(func.count().desc()).limit(_MAX_SCOPES))
        return [ScopeCalls(scope=scope, calls=calls) for scope, calls in rows]


def _warnings(session: Session) -> Mapping[tuple[Provider, str], int]:
    warned = select(ConnectionRow.provider, ConnectionWarningRow.kind, func.count()).join(
        ConnectionWarningRow, ConnectionWarningRow.connection_id == ConnectionRow.id
    )
    counts = Counter[tuple[Provider, str]]()
    for provider, kind, count in session.execute(warned.group_by(ConnectionRow.provider, ConnectionWarningRow.kind)):
        counts[Provider(provider), kind.partition(" ")[0]] += count
    return counts


def _connections(session: Session, now: datetime) -> Iterator[ConnectionGroup]:
    completed = ConnectionRow.last_sync_completed_at
    stale = (ConnectionRow.status == ConnectionStatus.ACTIVE.value) & overdue(session, now)
    group = (ConnectionRow.provider, ConnectionRow.status, ConnectionRow.sync_frequency)
    query = select(
        *group,
        func.count(),
        _count_where(ConnectionRow.postponed_until > now),
        _count_where(ConnectionRow.cooldown_until > now),
        _count_where(ConnectionRow.consecutive_failures > 0),
        _count_where(stale),
        _count_where(completed.is_(None)),
        func.min(completed),
        *(_count_where(completed >= now - timedelta(seconds=age)) for age in AGES),
    )
    # One pass over the table counts everything; a statement for each gauge would read it as often.
    for row in session.execute(query.group_by(*group)):
        provider, status, frequency, count, postponed, cooling_down, failing, stale_count, never_synced, oldest, *within = row
        yield ConnectionGroup(
            provider=Provider(provider),
            status=ConnectionStatus(status),
            frequency=Frequency(frequency),
            count=count,
            postponed=postponed,
            cooling_down=cooling_down,
            failing=failing,
            stale=stale_count,
            never_synced=never_synced,
            synced_within=tuple(within),
            oldest=oldest,
        )


def _open_runs(session: Session) -> dict[tuple[Provider, RunState], int]:
    query = select(RunRow.provider, RunRow.state, func.count()).where(is_open()).group_by(RunRow.provider, RunRow.state)
    return {(Provider(provider), RunState(state)): count for provider, state, count in session.execute(query)}


def _letters(session: Session) -> dict[Provider, int]:
    query = select(RunRow.provider, func.count()).where(is_letter()).group_by(RunRow.provider)
    return {Provider(provider): count for provider, count in session.execute(query)}


def _ended(session: Session, since: datetime) -> Iterator[Ended]:
    written = RunRow.inserted + RunRow.updated
    query = (
        select(RunRow.provider, RunRow.state, func.count(), _count_where(written > 0), func.sum(RunRow.fetched), func.sum(written))
        .where(RunRow.finished_at >= since)
        .group_by(RunRow.provider, RunRow.state)
    )
    for provider, state, count, changed, rows_fetched, rows_written in session.execute(query):
        yield Ended(
            provider=Provider(provider),
            state=RunState(state),
            count=count,
            changed=changed,
            rows_fetched=int(rows_fetched),
            rows_written=int(rows_written),
        )


def _accounts(session: Session, provider: Provider, now: datetime) -> tuple[int, int]:
    """Calls of the last hour: the sum over all accounts, and the most of one account."""
    # A range of keys and no LIKE, because only for a range do both databases use the index.
    of_provider = CallRow.key.between(f"{provider}:", f"{provider};") & (CallRow.at >= now - WINDOW)
    used = select(func.count().label("calls")).where(of_provider).group_by(CallRow.key).subquery()
    total, most = session.execute(select(func.sum(used.c.calls), func.max(used.c.calls))).one()
    return int(total or 0), int(most or 0)


def _count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
