"""The call ledger: an exact sliding hour per account, and an exact window per limit that many share. Steps: plan, fetch.

A slot of both is taken before each platform call.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ScalarSelect, delete, false, func, insert, literal, or_, select, text, update
from sqlalchemy.orm import InstrumentedAttribute

from adpulse.clock import Clock
from adpulse.errors import RateLimited, Scope
from adpulse.frequency import Frequency, format_duration
from adpulse.model import ConnectionStatus, Heat
from adpulse.planner.account import Spent
from adpulse.planner.budget import WINDOW, leaves_after
from adpulse.planner.scopes import ScopeLimit, ScopeLimits
from storage.control.database import Engine, Session, reading
from storage.control.tables import CallRow, ConnectionRow

_PAST = timedelta(hours=1)
"""How much longer than its window a call is kept: for whoever looks, and for clocks that are not quite one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """One limit that a call must fit into: whose calls count, for how long, how many, and what is told when they are used up."""

    column: InstrumentedAttribute[str]
    value: str
    length: timedelta
    limit: int
    pauses: Scope
    told: str

    def within(self, now: datetime) -> ColumnElement[bool]:
        """The calls that count at ``now``."""
        return (self.column == self.value) & (CallRow.at >= now - self.length)

    def used(self, now: datetime) -> ScalarSelect[int]:
        """How many do."""
        return select(func.count()).where(self.within(now)).scalar_subquery()


class Ledger:
    """Counts calls per key (``provider:account``) and per scope; the windows are business time, so they follow a stepped clock.

    A call at t counts until the end of its window, t + 1 h for an account, inclusive: no closed interval of that length ever
    holds more than the limit.
    """

    def __init__(self, engine: Engine, clock: Clock, limit: int = 180, scopes: ScopeLimits | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._limit = limit
        self._scopes = scopes or ScopeLimits()

    def sharing(self, key: str | None = None) -> dict[str, int]:
        """Key → how many connections that are synced by a schedule have that account's hour together, where they are several."""
        theirs = [ConnectionRow.provider, ConnectionRow.external_id]
        scheduled = (ConnectionRow.status == ConnectionStatus.ACTIVE.value) & (ConnectionRow.sync_frequency != Frequency.MANUAL.value)
        found = select(*theirs, func.count()).where(scheduled).group_by(*theirs).having(func.count() > 1)
        if key is not None:
            provider, _, external_id = key.partition(":")
            found = found.where(ConnectionRow.provider == provider, ConnectionRow.external_id == external_id)
        with reading(self._engine).connect() as session:
            return {f"{provider}:{external_id}": count for provider, external_id, count in session.execute(found)}

    def take(self, key: str, scope: str, heat: Heat) -> None:
        """Take a slot, or refuse: check and insert are one statement. ``scope`` is what the platform counts the call together with.

        Raises:
            RateLimited: the account's hour or the scope's window is full; ``scope`` tells which, ``retry_after`` is when there is
                room again. ``code`` is None: it is our own limit.
        """
        told = self._clock.now()  # before the lock: a sandbox's clock is a call away
        windows = list(self._windows(key, scope))
        with self._engine.begin() as session:
            now = _settled(session, windows, told)
            room = [window.used(now) < window.limit for window in windows]
            values = select(literal(key), literal(scope), literal(now, CallRow.at.type), literal(heat.value)).where(*room)
            take = insert(CallRow).from_select(["key", "scope", "at", "heat"], values).returning(CallRow.id)
            # Not rowcount: on PostgreSQL it is -1 here, whatever was inserted.
            refusal = None if session.scalar(take) is not None else _refusal(session, windows, now)
        if refusal:
            raise refusal

    def _windows(self, key: str, scope: str) -> Iterator[_Window]:
        """The scope's first: locks are taken in this order, so nobody waits in a circle."""
        limit = self._scopes.of(scope)
        if limit is not None:
            told = _told(limit, scope)
            yield _Window(column=CallRow.scope, value=scope, length=limit.window, limit=limit.calls, pauses="app", told=told)
        told = f"The {self._limit} calls an hour for {key} are used up"
        yield _Window(column=CallRow.key, value=key, length=WINDOW, limit=self._limit, pauses="account", told=told)

    def calls(self, key: str) -> tuple[tuple[datetime, Heat], ...]:
        """The account's calls that count now, oldest first."""
        query = select(CallRow.at, CallRow.heat).where(CallRow.key == key, CallRow.at >= self._clock.now() - WINDOW).order_by(CallRow.at)
        with reading(self._engine).connect() as session:
            return tuple((row.at, Heat(row.heat)) for row in session.execute(query))

    def spent(self, key: str, scope: str) -> Spent:
        """What the account's calls have taken of its scope's limit; nothing where there is no limit."""
        limit = self._scopes.of(scope)
        if limit is None:
            return Spent()
        mine = (CallRow.key == key) & (CallRow.scope == scope) & (CallRow.at >= self._clock.now() - limit.window)
        older = select(CallRow.at, CallRow.heat).where(mine, CallRow.heat != Heat.HOT.value).order_by(CallRow.at)
        with reading(self._engine).connect() as session:
            calls = session.scalars(select(func.count()).where(mine)).one()
            return Spent(calls=calls, older=tuple((row.at, Heat(row.heat)) for row in session.execute(older)))

    def prune(self) -> int:
        """Drop calls that no window can reach any more; returns how many."""
        past = self._clock.now() - _PAST
        counted = [_of(each) & (CallRow.at >= past - limit.window) for each, limit in self._scopes.by_provider.items()]
        with self._engine.begin() as session:
            return session.execute(delete(CallRow).where(CallRow.at < past - WINDOW, ~or_(false(), *counted))).rowcount


def _of(provider: str) -> ColumnElement[bool]:
    """The calls of a platform's scopes."""
    return or_(CallRow.scope == provider, CallRow.scope.startswith(f"{provider}:"))


def _told(limit: ScopeLimit, scope: str) -> str:
    _, _, name = scope.partition(":")
    return f"The {limit.call_count} in {format_duration(limit.window)} of the {limit.owner}{' ' if name else ''}{name} are used up"


def _settled(session: Session, windows: list[_Window], now: datetime) -> datetime:
    """Business time, settled while no one else can take a slot of these windows; never before their newest call."""
    if session.dialect.name == "postgresql":
        for window in windows:
            name = {"name": f"{window.pauses} {window.value}"}
            session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), name)
    mine = [window.column == window.value for window in windows]
    newest = _newest(session, mine)
    if newest is not None and newest > now + WINDOW:
        # Calls that the clock, set back since, puts into the future: they were made, so they count for the window to come.
        for each in mine:
            session.execute(update(CallRow).where(each, CallRow.at > now + WINDOW).values(at=now))
        newest = _newest(session, mine)
    return max(now, newest) if newest else now


def _newest(session: Session, mine: list[ColumnElement[bool]]) -> datetime | None:
    """When the last call of any of the windows was made."""
    found = session.execute(select(*(select(func.max(CallRow.at)).where(each).scalar_subquery() for each in mine))).one()
    return max((at for at in found if at is not None), default=None)


def _refusal(session: Session, windows: list[_Window], now: datetime) -> RateLimited:
    """Of the windows that are full, the one that has room last."""
    full = []
    for window in windows:
        used = session.scalars(select(window.used(now))).one()
        if used >= window.limit:
            leaves_first = select(CallRow.at).where(window.within(now)).order_by(CallRow.at).offset(used - window.limit).limit(1)
            full.append((session.scalars(leaves_first).one() + leaves_after(window.length) - now, window))
    wait, window = max(full, key=lambda each: each[0])
    message = f"{window.told}; the next slot frees in {format_duration(wait)}."
    return RateLimited(message, retry_after=wait.total_seconds(), scope=window.pauses)
