"""Data alerts: named queries over a workspace's published copy that notify the webhooks when they begin to return rows, or end to.

The state of an alert is stored, so it notifies once, whichever worker runs it. It notifies again only after it has returned no rows.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, ForeignKey, Row, Text, UniqueConstraint, delete, func, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.clock import Clock
from adpulse.errors import Conflict, NotFound, Usage
from adpulse.events import Event, EventType
from adpulse.redact import redact
from storage.control.database import Engine, reading
from storage.control.outbox import publish
from storage.control.tables import Base
from storage.warehouse.alert_query import Answer

MAX_ALERTS = 20
"""Alerts that a workspace may have at most."""

RECHECK_AFTER_PUBLISH = timedelta(minutes=1)
"""Time between two runs of an alert when something was published since."""

RECHECK = timedelta(minutes=5)
"""The same when nothing was published, because a query may use the current time; also for one that failed."""

_EVENT_ROWS = 20
"""Rows of an alert's result that its event contains at most."""


class AlertRow(Base):
    """A named query, and whether it returns rows at present. Instants are real time."""

    __tablename__ = "alert"
    __table_args__ = (UniqueConstraint("workspace_id", "name", name="uq_alert_name"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    name: Mapped[str]
    query: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool]
    created_at: Mapped[datetime]
    checked_at: Mapped[datetime | None]
    firing_since: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert as people see it. ``firing_since``: since when it returns rows."""

    id: str
    workspace_id: str
    name: str
    query: str
    enabled: bool
    created_at: datetime
    checked_at: datetime | None
    firing_since: datetime | None
    last_error: str | None


class Alerts:
    """The alerts of this installation."""

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall

    def create(self, workspace_id: str, name: str, query: str) -> Alert:
        """Create an alert; it is due at once.

        Raises:
            Conflict: the workspace has an alert with this name.
            Usage: the workspace has MAX_ALERTS alerts already.
        """
        alert = Alert(
            id=str(uuid4()),
            workspace_id=workspace_id,
            name=name,
            query=query,
            enabled=True,
            created_at=self._wall.now(),
            checked_at=None,
            firing_since=None,
            last_error=None,
        )
        count = select(func.count()).select_from(AlertRow).where(AlertRow.workspace_id == workspace_id)
        try:
            with self._engine.begin() as session:
                if (session.scalar(count) or 0) >= MAX_ALERTS:
                    raise Usage(f"A workspace has {MAX_ALERTS} alerts at most. Remove one first.")
                session.execute(insert(AlertRow).values({name: getattr(alert, name) for name in Alert.__dataclass_fields__}))
        except IntegrityError:
            raise Conflict(f"There is an alert named '{name}' already.") from None
        return alert

    def change(self, alert_id: str, *, name: str | None = None, query: str | None = None, enabled: bool | None = None) -> Alert:
        """Change the fields that are not None. With another query, or enabled again, the alert starts over as a new one.

        Raises:
            NotFound, Conflict: there is no such alert, or the name is taken.
        """
        fields = {"name": name, "query": query, "enabled": enabled}
        values: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}
        if query is not None or enabled is not None:
            values |= {"checked_at": None, "firing_since": None, "last_error": None}
        try:
            with self._engine.begin() as session:
                if values:
                    session.execute(update(AlertRow).where(AlertRow.id == alert_id).values(**values))
        except IntegrityError:
            raise Conflict(f"There is an alert named '{name}' already.") from None
        return self.get(alert_id)

    def remove(self, alert_id: str) -> None:
        """Delete an alert."""
        with self._engine.begin() as session:
            session.execute(delete(AlertRow).where(AlertRow.id == alert_id))

    def get(self, reference: str) -> Alert:
        """The alert with this id, or the only one with this name.

        Raises:
            NotFound, Conflict: there is no such alert, or alerts of several workspaces have the name.
        """
        matches = self._select(AlertRow.id == reference) or self._select(AlertRow.name == reference)
        if not matches:
            raise NotFound(f"There is no alert '{reference}'.")
        if len(matches) > 1:
            raise Conflict(f"Several alerts are named '{reference}'. Use one of the ids: {', '.join(alert.id for alert in matches)}.")
        return matches[0]

    def find(self, alert_id: str, workspace_id: str) -> Alert | None:
        """The workspace's alert with this id, if there is one."""
        return next(iter(self._select((AlertRow.id == alert_id) & (AlertRow.workspace_id == workspace_id))), None)

    def all(self, workspace_id: str | None = None) -> list[Alert]:
        """All alerts, or those of one workspace, ordered by name."""
        return self._select(AlertRow.workspace_id == workspace_id if workspace_id else true())

    def _select(self, condition: ColumnElement[bool]) -> list[Alert]:
        with reading(self._engine).connect() as session:
            rows = session.execute(select(AlertRow.__table__).where(condition).order_by(AlertRow.name, AlertRow.id))
            return [_view(row) for row in rows]

    def watched(self) -> set[str]:
        """The workspaces that have enabled alerts."""
        with reading(self._engine).connect() as session:
            return set(session.scalars(select(AlertRow.workspace_id).where(AlertRow.enabled.is_(True)).distinct()))

    def take(self, workspace_id: str, asked: Collection[str]) -> list[Alert]:
        """Claim the workspace's alerts that are due; two workers never get the same one.

        ``asked``: the ids of those that were asked of the present copy. Others are due a minute after they were asked of an earlier one.
        """
        now = self._wall.now()
        due = or_(AlertRow.checked_at.is_(None), AlertRow.checked_at < now - RECHECK)
        due |= (AlertRow.checked_at < now - RECHECK_AFTER_PUBLISH) & AlertRow.last_error.is_(None) & AlertRow.id.not_in(asked)
        claimable = (AlertRow.workspace_id == workspace_id) & AlertRow.enabled.is_(True) & due
        with self._engine.begin() as session:
            # Reading and marking are one statement. If the worker dies, the alert is due again after the usual time.
            claim = update(AlertRow).where(claimable).values(checked_at=now).returning(*AlertRow.__table__.columns)
            return [_view(row) for row in session.execute(claim.execution_options(synchronize_session=False))]

    def answered(self, alert: Alert, answer: Answer) -> bool:
        """Record an alert's result; returns whether it began to fire.

        When it begins or ends, the webhooks' messages are stored in the same transaction.
        """
        # An alert that was changed while its query ran keeps the state it got then: this result is of the old query.
        same = (AlertRow.id == alert.id) & (AlertRow.query == alert.query) & AlertRow.enabled.is_(True)
        now = self._wall.now()
        with self._engine.begin() as session:
            session.execute(update(AlertRow).where(same).values(last_error=None))
            # Only the statement that begins or ends the firing publishes, so two workers with the same result send one event.
            if not answer.rows:
                firing = update(AlertRow).where(same, AlertRow.firing_since.is_not(None))
                if session.execute(firing.values(firing_since=None)).rowcount:
                    publish(session, _event(EventType.DATA_ALERT_ENDED, alert, {}), now=now)
                return False
            quiet = update(AlertRow).where(same, AlertRow.firing_since.is_(None))
            if not session.execute(quiet.values(firing_since=now)).rowcount:
                return False
            publish(session, _event(EventType.DATA_ALERT, alert, _result(answer)), now=now)
            return True

    def failed(self, alert: Alert, error: str) -> None:
        """Record that an alert could not run; whether it fires stays as it was."""
        same = (AlertRow.id == alert.id) & (AlertRow.query == alert.query)
        with self._engine.begin() as session:
            # The database's message may quote the query, in which somebody may have put a secret.
            session.execute(update(AlertRow).where(same).values(last_error=redact(error)))


def _result(answer: Answer) -> dict[str, Any]:
    return {"row_count": len(answer.rows), "truncated": answer.truncated, "rows": answer.records(_EVENT_ROWS)}


def _event(kind: EventType, alert: Alert, result: dict[str, Any]) -> Event:
    return Event(type=kind, workspace_id=alert.workspace_id, data={"alert_id": alert.id, "alert": alert.name, **result})


def _view(row: Row[*tuple[Any, ...]]) -> Alert:
    return Alert(**{name: getattr(row, name) for name in Alert.__dataclass_fields__})
