"""Changes of many connections at once, by ids or by a label, in one transaction, with an outcome for each connection."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from adpulse import frequency as frequencies
from adpulse.clock import Clock
from adpulse.errors import UnknownConnection
from adpulse.model import RESUMABLE, ConnectionStatus, Parts, Provider
from storage.control import labels, sync_requests
from storage.control.connection_rows import CONNECTION_COLUMNS
from storage.control.connections import PAUSED, of_frequency
from storage.control.database import Engine, Session, lock
from storage.control.listing import labelled, ordered
from storage.control.new_connections import first_due, granted
from storage.control.tables import ConnectionLabelRow, ConnectionRow

_LISTED = 5
"""Unknown ids that an error message lists at most."""


class Outcome(StrEnum):
    """The outcome for one connection; ``refused`` comes with a reason."""

    DONE = "done"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A choice of a workspace's connections: those with these ids, or those with a label."""

    workspace_id: str
    ids: Sequence[str] = ()
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The outcome for one connection, and the run that was requested, if any."""

    connection_id: str
    name: str
    provider: Provider
    outcome: Outcome
    reason: str | None = None
    run_id: str | None = None


class Bulk:
    """Operations on many connections at once.

    Every method checks the whole request before it writes anything, and raises UnknownConnection when an id is not the
    workspace's. A connection whose status does not allow the change is refused; the others are changed all the same.
    """

    def __init__(self, engine: Engine, clock: Clock, *, wall: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall

    def set_frequency(self, choice: Choice, value: str) -> list[Done]:
        """Change the sync frequency; the first sync of the new frequency is due at once.

        Raises:
            FrequencyRefused: nothing was changed.
        """
        with self._engine.begin() as session:
            chosen = frequencies.parse(value, realtime_granted=granted(session, choice.workspace_id))
            rows = _locked(session, choice)
            changed = [row for row in rows if row.sync_frequency != chosen]
            _update(session, changed, **of_frequency(chosen, self._clock.now()))
            return [_done(row, Outcome.UNCHANGED if row.sync_frequency == chosen else Outcome.DONE) for row in rows]

    def pause(self, choice: Choice) -> list[Done]:
        """Pause the active connections; syncs under way run to their end, queued ones wait."""
        with self._engine.begin() as session:
            rows = _locked(session, choice)
            paused = [row for row in rows if row.status == ConnectionStatus.ACTIVE]
            # Queued runs stay as they are: a paused connection is not free, so no claim takes them.
            _update(session, paused, status=ConnectionStatus.PAUSED.value, status_reason=PAUSED)
            return [
                _done(row, Outcome.DONE) if row.status == ConnectionStatus.ACTIVE else _skipped(row, ConnectionStatus.PAUSED)
                for row in rows
            ]

    def resume(self, choice: Choice) -> list[Done]:
        """Activate paused connections, and those whose problem at the platform was resolved, and request a sync of each."""
        now = self._clock.now()
        with self._engine.begin() as session:
            rows = _locked(session, choice)
            resumed = [row for row in rows if ConnectionStatus(row.status) in RESUMABLE]
            # What failed before belongs to the time before: the pauses begin anew.
            fresh = {"expected_since": now, "status_reason": None, "consecutive_failures": 0, "consecutive_throttles": 0}
            for frequency in {row.sync_frequency for row in resumed}:
                due = first_due(frequencies.Frequency(frequency), now)
                group = [row for row in resumed if row.sync_frequency == frequency]
                _update(session, group, status=ConnectionStatus.ACTIVE.value, next_due_at=due, **fresh)
            tickets = sync_requests.request(session, resumed, Parts.BOTH, force=False, now=now, real=self._wall.now())
            return [
                _done(row, Outcome.DONE, run_id=tickets[row.id].run_id) if row.id in tickets else _skipped(row, ConnectionStatus.ACTIVE)
                for row in rows
            ]

    def sync_now(self, choice: Choice) -> list[Done]:
        """Request a sync of each active connection; an open run serves the request."""
        with self._engine.begin() as session:
            rows = _locked(session, choice)
            active = [row for row in rows if row.status == ConnectionStatus.ACTIVE]
            now, real = self._clock.now(), self._wall.now()
            tickets = sync_requests.request(session, active, Parts.BOTH, force=False, now=now, real=real)
            return [
                _done(row, Outcome.DONE if tickets[row.id].created else Outcome.UNCHANGED, run_id=tickets[row.id].run_id)
                if row.id in tickets
                else _skipped(row, ConnectionStatus.ACTIVE)
                for row in rows
            ]

    def add_label(self, choice: Choice, label: str) -> list[Done]:
        """Give the label to the connections that lack it; one that has as many labels as it may is refused.

        Raises:
            Usage: it is no label; nothing was changed.
        """
        (wanted,) = labels.check([label])
        with self._engine.begin() as session:
            rows = _locked(session, choice)
            present = _labels(session, rows)
            results = [_labelled(row, wanted, present[row.id]) for row in rows]
            added = [{"connection_id": done.connection_id, "label": wanted} for done in results if done.outcome is Outcome.DONE]
            if added:
                session.execute(insert(ConnectionLabelRow), added)
            return results

    def remove_label(self, choice: Choice, label: str) -> list[Done]:
        """Take the label from the connections that have it.

        Raises:
            Usage: it is no label; nothing was changed.
        """
        (unwanted,) = labels.check([label])
        with self._engine.begin() as session:
            rows = _locked(session, choice)
            present = _labels(session, rows)
            having = [row.id for row in rows if unwanted in present[row.id]]
            of_these = ConnectionLabelRow.connection_id.in_(having) & (ConnectionLabelRow.label == unwanted)
            session.execute(delete(ConnectionLabelRow).where(of_these))
            return [_done(row, Outcome.DONE if unwanted in present[row.id] else Outcome.UNCHANGED) for row in rows]


def _locked(session: Session, choice: Choice) -> Sequence[Row[*tuple[Any, ...]]]:
    """The chosen connections, ordered by name and locked until the transaction ends.

    Raises:
        UnknownConnection: an id is not the workspace's.
    """
    chosen: ColumnElement[bool] = ConnectionRow.workspace_id == choice.workspace_id
    chosen &= labelled(choice.label) if choice.label is not None else ConnectionRow.id.in_(set(choice.ids))
    locked = ConnectionRow.id.in_(lock(session, chosen))  # not the condition again: a connection that got the label since is not locked
    rows = session.execute(ordered(select(*CONNECTION_COLUMNS).where(locked))).all()
    unknown = sorted(set(choice.ids) - {row.id for row in rows}) if choice.label is None else []
    if unknown:
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        raise UnknownConnection(f"The workspace has no connection {', '.join(unknown[:_LISTED])}{more}. Nothing was changed.")
    return rows


def _labels(session: Session, rows: Sequence[Row[*tuple[Any, ...]]]) -> defaultdict[str, set[str]]:
    """The present labels of these connections, by their ids."""
    present = defaultdict[str, set[str]](set)
    query = select(ConnectionLabelRow.connection_id, ConnectionLabelRow.label)
    for connection_id, label in session.execute(query.where(ConnectionLabelRow.connection_id.in_([row.id for row in rows]))):
        present[connection_id].add(label)
    return present


def _labelled(row: Row[*tuple[Any, ...]], label: str, present: set[str]) -> Done:
    """The outcome of adding the label to a connection that has these."""
    if label in present:
        return _done(row, Outcome.UNCHANGED)
    if len(present) >= labels.MAX_LABELS:
        return _done(row, Outcome.REFUSED, reason=f"It has {labels.MAX_LABELS} labels, the most that there may be.")
    return _done(row, Outcome.DONE)


def _update(session: Session, rows: Sequence[Row[*tuple[Any, ...]]], **values: Any) -> None:
    if rows:
        session.execute(update(ConnectionRow).where(ConnectionRow.id.in_([row.id for row in rows])).values(**values))


def _done(row: Row[*tuple[Any, ...]], outcome: Outcome, *, reason: str | None = None, run_id: str | None = None) -> Done:
    return Done(connection_id=row.id, name=row.name, provider=Provider(row.provider), outcome=outcome, reason=reason, run_id=run_id)


def _skipped(row: Row[*tuple[Any, ...]], wanted: ConnectionStatus) -> Done:
    """The outcome for a connection that has the wanted status already, or cannot get it."""
    if row.status == wanted:
        return _done(row, Outcome.UNCHANGED)
    return _done(row, Outcome.REFUSED, reason=f"It is not synced at present ({row.status}). {row.status_reason or ''}".strip())
