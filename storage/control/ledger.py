"""The call ledger: exact sliding windows, an hour and maybe a shorter one per account, and one per shared limit. Steps: plan, fetch.

Every platform call takes a slot of each of them first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, case, delete, false, func, insert, literal, or_, select, text, update
from sqlalchemy.orm import InstrumentedAttribute

from adpulse.clock import Clock
from adpulse.errors import RateLimited, Scope
from adpulse.frequency import Frequency, format_duration
from adpulse.model import ConnectionStatus, Heat, Provider
from adpulse.planner.account import Spent
from adpulse.planner.budget import WINDOW, AccountLimit, leaves_after
from adpulse.planner.scopes import ScopeLimit, ScopeLimits
from adpulse.platforms.base import CallLimit
from storage.control.database import Engine, Session, reading
from storage.control.tables import CallRow, ConnectionRow

_ENDED = (ConnectionStatus.DISCONNECTED.value, ConnectionStatus.DELETING.value)

_RETENTION = timedelta(hours=1)
"""How much longer than its window a call is stored: for people who look at it, and for machines whose clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """One limit that a call must fit into: which calls count, for how long, how many there may be, and the message when it is full."""

    column: InstrumentedAttribute[str]
    value: str
    length: timedelta
    limit: int
    pauses: Scope
    message: str

    def within(self, now: datetime) -> ColumnElement[bool]:
        """The calls that count at ``now``."""
        return (self.column == self.value) & (CallRow.at >= now - self.length)

    def used(self, now: datetime) -> ScalarSelect[int]:
        """The number of calls that count at ``now``."""
        return select(func.count()).where(self.within(now)).scalar_subquery()


class Ledger:
    """Counts calls per key (``provider:account``) and per scope. The windows are business time, so they follow a sandbox's clock.

    A call at t counts until the end of its window inclusive, for an account until t + 1 h. So no closed interval of that length
    ever contains more calls than the limit.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        limit: int = 180,
        scopes: ScopeLimits | None = None,
        bursts: Mapping[Provider, CallLimit] | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._limit = limit
        self._scopes = scopes or ScopeLimits()
        self._bursts = bursts or {}

    def sharing(self, key: str | None = None) -> dict[str, int]:
        """How many scheduled connections share an account's hour, by key; accounts with a single one are missing."""
        account = [ConnectionRow.provider, ConnectionRow.external_id]
        scheduled = (ConnectionRow.status == ConnectionStatus.ACTIVE.value) & (ConnectionRow.sync_frequency != Frequency.MANUAL.value)
        query = select(*account, func.count().label("connections")).where(scheduled).group_by(*account).having(func.count() > 1)
        if key is not None:
            provider, _, external_id = key.partition(":")
            query = query.where(ConnectionRow.provider == provider, ConnectionRow.external_id == external_id)
        with reading(self._engine).connect() as session:
            return {f"{row.provider}:{row.external_id}": row.connections for row in session.execute(query)}

    def limit(self, key: str) -> AccountLimit:
        """How many calls the account may make now: the lowest limit of its connections, in any workspace."""
        with reading(self._engine).connect() as session:
            return self._limit_of(session, key)

    def limits(self) -> dict[str, AccountLimit]:
        """The limit of every account that is connected, by key."""
        account = [ConnectionRow.provider, ConnectionRow.external_id]
        with reading(self._engine).connect() as session:
            rows = session.execute(self._lowest(*account).group_by(*account)).all()
        return {f"{row.provider}:{row.external_id}": self._as_limit(row.provider, row.per_hour, row.full_access) for row in rows}

    def _limit_of(self, session: Session, key: str) -> AccountLimit:
        provider, _, external_id = key.partition(":")
        of_account = (ConnectionRow.provider == provider) & (ConnectionRow.external_id == external_id)
        lowest = session.execute(self._lowest().where(of_account)).one()
        return self._as_limit(provider, lowest.per_hour, lowest.full_access)

    def _lowest(self, *columns: InstrumentedAttribute[str]) -> Select[*tuple[Any, ...]]:
        """The lowest limit of connections, and whether the apps of all of them have full access; both null where there is none."""
        per_hour = func.min(func.coalesce(ConnectionRow.calls_per_hour, self._limit)).label("per_hour")
        full_access = func.min(case((ConnectionRow.full_access, 1), else_=0)).label("full_access")
        return select(*columns, per_hour, full_access).where(ConnectionRow.status.not_in(_ENDED))

    def _as_limit(self, provider: str, per_hour: int | None, full_access: int | None) -> AccountLimit:
        burst = None if full_access else self._bursts.get(Provider(provider))
        return AccountLimit(per_hour=self._limit if per_hour is None else per_hour, burst=burst)

    def take(self, key: str, scope: str, heat: Heat) -> None:
        """Take a slot, or refuse, in one statement. ``scope`` is what the platform counts the call together with.

        Raises:
            RateLimited: a window of the account's or the scope's is full. The error's ``scope`` says which, its ``retry_after`` when
                a slot is free again, and its ``code`` is None because the limit is adpulse's own.
        """
        read_at = self._clock.now()  # before the lock, because reading a sandbox's clock is a request
        with self._engine.begin() as session:
            windows = list(self._windows(session, key, scope))
            now = _lock_windows(session, windows, read_at)
            room = [window.used(now) < window.limit for window in windows]
            values = select(literal(key), literal(scope), literal(now, CallRow.at.type), literal(heat.value)).where(*room)
            take = insert(CallRow).from_select(["key", "scope", "at", "heat"], values).returning(CallRow.id)
            # Not rowcount: on PostgreSQL it is -1 here, whatever was inserted.
            refusal = None if session.scalar(take) is not None else _refusal(session, windows, now)
        if refusal:
            raise refusal

    def _windows(self, session: Session, key: str, scope: str) -> Iterator[_Window]:
        """The scope's window first: locks are taken in this order, so no deadlock is possible."""
        account = self._limit_of(session, key)
        limit = self._scopes.of(scope)
        if limit is not None:
            message = _used_up(limit, scope)
            yield _Window(column=CallRow.scope, value=scope, length=limit.window, limit=limit.calls, pauses="app", message=message)
        message = f"The {account.per_hour} calls an hour for {key} are used up"
        yield _Window(column=CallRow.key, value=key, length=WINDOW, limit=account.per_hour, pauses="account", message=message)
        if account.burst is not None:
            calls, length = account.burst.calls, account.burst.window
            message = f"The {calls} calls in {format_duration(length)} for {key}, whose app has limited access, are used up"
            yield _Window(column=CallRow.key, value=key, length=length, limit=calls, pauses="account", message=message)

    def calls(self, key: str) -> tuple[tuple[datetime, Heat], ...]:
        """The account's calls that count now, oldest first."""
        query = select(CallRow.at, CallRow.heat).where(CallRow.key == key, CallRow.at >= self._clock.now() - WINDOW).order_by(CallRow.at)
        with reading(self._engine).connect() as session:
            return tuple((row.at, Heat(row.heat)) for row in session.execute(query))

    def spent(self, key: str, scope: str) -> Spent:
        """The account's calls within its scope's window; none for a scope without a limit."""
        limit = self._scopes.of(scope)
        if limit is None:
            return Spent()
        counted = (CallRow.key == key) & (CallRow.scope == scope) & (CallRow.at >= self._clock.now() - limit.window)
        older = select(CallRow.at, CallRow.heat).where(counted, CallRow.heat != Heat.HOT.value).order_by(CallRow.at)
        with reading(self._engine).connect() as session:
            calls = session.scalars(select(func.count()).where(counted)).one()
            return Spent(calls=calls, older=tuple((row.at, Heat(row.heat)) for row in session.execute(older)))

    def prune(self) -> int:
        """Delete calls that no window can contain any more; returns how many."""
        before = self._clock.now() - _RETENTION
        counted = [_of(provider) & (CallRow.at >= before - limit.window) for provider, limit in self._scopes.by_provider.items()]
        with self._engine.begin() as session:
            return session.execute(delete(CallRow).where(CallRow.at < before - WINDOW, ~or_(false(), *counted))).rowcount


def _of(provider: str) -> ColumnElement[bool]:
    """The calls of a platform's scopes."""
    return or_(CallRow.scope == provider, CallRow.scope.startswith(f"{provider}:"))


def _used_up(limit: ScopeLimit, scope: str) -> str:
    _, _, name = scope.partition(":")
    return f"The {limit.call_count} in {format_duration(limit.window)} of the {limit.owner}{' ' if name else ''}{name} are used up"


def _lock_windows(session: Session, windows: list[_Window], now: datetime) -> datetime:
    """Lock these windows until the transaction ends; returns the time of the call, which is never before the windows' newest call."""
    # SQLite has one writer at a time anyway.
    if session.dialect.name == "postgresql":
        for window in windows:
            name = {"name": f"{window.pauses} {window.value}"}
            session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), name)
    windowed = [window.column == window.value for window in windows]
    newest = _newest(session, windowed)
    if newest is not None and newest > now + WINDOW:
        # The clock was set back, so these calls lie in the future. They were made all the same: they count for the window to come.
        for condition in windowed:
            session.execute(update(CallRow).where(condition, CallRow.at > now + WINDOW).values(at=now))
        newest = _newest(session, windowed)
    # The clocks of machines differ a little, and a call must not be dated before one that was made earlier.
    return max(now, newest) if newest else now


def _newest(session: Session, conditions: list[ColumnElement[bool]]) -> datetime | None:
    """The time of the latest call of any of the windows."""
    newest = session.execute(select(*(select(func.max(CallRow.at)).where(condition).scalar_subquery() for condition in conditions))).one()
    return max((at for at in newest if at is not None), default=None)


def _refusal(session: Session, windows: list[_Window], now: datetime) -> RateLimited:
    """The error for the full window in which a slot frees last."""
    full = []
    for window in windows:
        used = session.scalars(select(window.used(now))).one()
        if used >= window.limit:
            leaves_first = select(CallRow.at).where(window.within(now)).order_by(CallRow.at).offset(used - window.limit).limit(1)
            full.append((session.scalars(leaves_first).one() + leaves_after(window.length) - now, window))
    wait, window = max(full, key=lambda entry: entry[0])
    message = f"{window.message}; the next slot frees in {format_duration(wait)}."
    return RateLimited(message, retry_after=wait.total_seconds(), scope=window.pauses)
