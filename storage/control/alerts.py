"""Data alerts: named queries over a workspace's published copy, that tell the webhooks when they begin to find rows.

Whether an alert fires is kept here, so it is told of once, by whichever worker asked, and again only after it found nothing.
"""

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

MOST = 20
"""Alerts that a workspace may have."""

NEXT = timedelta(minutes=1)
"""How soon after it was asked an alert is asked again, when something was published since."""

LATEST = timedelta(minutes=5)
"""The same when nothing was, because a query may look at the clock; and for one that failed."""

_TOLD_ROWS = 20


class AlertRow(Base):
    """A named query, and whether it finds rows at present. Instants are real time."""

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
    """An alert as people see it. ``firing_since``: it finds rows since then."""

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
        """A new alert; it is asked soon.

        Raises:
            Conflict: the workspace has an alert of this name.
            Usage: it has too many.
        """
        made = Alert(
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
        mine = select(func.count()).select_from(AlertRow).where(AlertRow.workspace_id == workspace_id)
        try:
            with self._engine.begin() as session:
                if (session.scalar(mine) or 0) >= MOST:
                    raise Usage(f"A workspace has {MOST} alerts at most. Remove one first.")
                session.execute(insert(AlertRow).values({each: getattr(made, each) for each in Alert.__dataclass_fields__}))
        except IntegrityError:
            raise Conflict(f"There is an alert named '{name}' already.") from None
        return made

    def change(self, alert_id: str, *, name: str | None = None, query: str | None = None, enabled: bool | None = None) -> Alert:
        """Change what is given; with another query, or enabled again, it begins as a new one.

        Raises:
            NotFound, Conflict: there is none, or the name is taken.
        """
        given = {"name": name, "query": query, "enabled": enabled}
        values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
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
        """Forget an alert."""
        with self._engine.begin() as session:
            session.execute(delete(AlertRow).where(AlertRow.id == alert_id))

    def get(self, alert_id: str, workspace_id: str | None = None) -> Alert:
        """The alert with this id, of this workspace if one is given.

        Raises:
            NotFound: there is none, or it is another workspace's, which is told the same.
        """
        mine = (AlertRow.workspace_id == workspace_id) if workspace_id else true()
        found = self._select((AlertRow.id == alert_id) & mine)
        if not found:
            raise NotFound(f"There is no alert '{alert_id}'.")
        return found[0]

    def named(self, reference: str) -> Alert:
        """The alert with this id, or the only one with this name.

        Raises:
            NotFound, Conflict: there is none, or several workspaces have one.
        """
        found = self._select((AlertRow.id == reference) | (AlertRow.name == reference))
        if len(found) > 1:
            raise Conflict(f"Several alerts are named '{reference}'. Use one of the ids: {', '.join(each.id for each in found)}.")
        return found[0] if found else self.get(reference)

    def every(self, workspace_id: str | None = None) -> list[Alert]:
        """Every alert, of one workspace if given, by name."""
        return self._select(AlertRow.workspace_id == workspace_id if workspace_id else true())

    def _select(self, condition: ColumnElement[bool]) -> list[Alert]:
        with reading(self._engine).connect() as session:
            rows = session.execute(select(AlertRow.__table__).where(condition).order_by(AlertRow.name, AlertRow.id))
            return [_view(row) for row in rows]

    def watched(self) -> set[str]:
        """The workspaces that have alerts to ask."""
        with reading(self._engine).connect() as session:
            return set(session.scalars(select(AlertRow.workspace_id).where(AlertRow.enabled.is_(True)).distinct()))

    def take(self, workspace_id: str, *, published: bool) -> list[Alert]:
        """The workspace's alerts that are to be asked now; of several workers each gets other ones.

        ``published``: the copy was renewed since they were asked last.
        """
        now = self._wall.now()
        due = or_(AlertRow.checked_at.is_(None), AlertRow.checked_at < now - LATEST)
        if published:
            due |= (AlertRow.checked_at < now - NEXT) & AlertRow.last_error.is_(None)
        taken = (AlertRow.workspace_id == workspace_id) & AlertRow.enabled.is_(True) & due
        with self._engine.begin() as session:
            claim = update(AlertRow).where(taken).values(checked_at=now).returning(*AlertRow.__table__.columns)
            return [_view(row) for row in session.execute(claim.execution_options(synchronize_session=False))]

    def answered(self, alert: Alert, answer: Answer) -> bool:
        """Note what it found; whether it began to fire, of which the webhooks are told in the same transaction."""
        same = (AlertRow.id == alert.id) & (AlertRow.query == alert.query) & AlertRow.enabled.is_(True)
        now = self._wall.now()
        with self._engine.begin() as session:
            if not answer.rows:
                session.execute(update(AlertRow).where(same).values(firing_since=None, last_error=None))
                return False
            session.execute(update(AlertRow).where(same).values(last_error=None))
            quiet = update(AlertRow).where(same, AlertRow.firing_since.is_(None))
            if not session.execute(quiet.values(firing_since=now)).rowcount:
                return False
            publish(session, _event(alert, answer), now=now)
            return True

    def failed(self, alert: Alert, error: str) -> None:
        """It could not be asked; whether it fires is not known anew."""
        same = (AlertRow.id == alert.id) & (AlertRow.query == alert.query)
        with self._engine.begin() as session:
            session.execute(update(AlertRow).where(same).values(last_error=redact(error)))


def _event(alert: Alert, answer: Answer) -> Event:
    found = {"row_count": len(answer.rows), "truncated": answer.truncated, "rows": answer.records(_TOLD_ROWS)}
    return Event(type=EventType.DATA_ALERT, workspace_id=alert.workspace_id, data={"alert_id": alert.id, "alert": alert.name, **found})


def _view(row: Row[Any]) -> Alert:
    return Alert(**{name: getattr(row, name) for name in Alert.__dataclass_fields__})
