"""Notices to workspaces that a platform's API version ends. After telemetry."""

from collections.abc import Iterable

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse import events
from adpulse.clock import Clock
from adpulse.model import ConnectionStatus
from adpulse.platforms.versions import WARNING_DAYS, PinnedVersion
from storage.control.database import Engine, Session, insert_or_update
from storage.control.outbox import publish
from storage.control.tables import Base, ConnectionRow

NOTICE_DAYS = (0, 7, 30, WARNING_DAYS)
"""Days before the end: for each of these, a workspace is notified once when so many or fewer remain."""

_WITHOUT_CALLS = (ConnectionStatus.DISCONNECTED.value, ConnectionStatus.DELETING.value)


class VersionNoticeRow(Base):
    """One notice to one workspace; ``days`` is one of NOTICE_DAYS."""

    __tablename__ = "version_notice"
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"), primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True)


class VersionNotices:
    """Publishes an event for every workspace that has connections of a platform whose version ends."""

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall

    def publish(self, versions: Iterable[PinnedVersion]) -> int:
        """Notify each workspace once for each of NOTICE_DAYS; returns how many notices are new."""
        return sum(self._publish(version) for version in versions if version.is_ending)

    def _publish(self, version: PinnedVersion) -> int:
        # The smallest bound only: a version that is found late is announced once, not for every bound that has passed.
        days = next(days for days in NOTICE_DAYS if (version.days_left or 0) <= days)
        with self._engine.begin() as session:
            notified = _note(session, version, days)
            notices = [events.version_ending(workspace_id, version) for workspace_id in notified]
            publish(session, *notices, now=self._wall.now())
        return len(notified)


def _note(session: Session, version: PinnedVersion, days: int) -> list[str]:
    """Record the notice for workspaces with connections of the platform; returns those that did not have it yet."""
    uses = (ConnectionRow.provider == version.platform.name) & ConnectionRow.status.not_in(_WITHOUT_CALLS)
    workspaces = session.scalars(select(ConnectionRow.workspace_id).where(uses).distinct()).all()
    if not workspaces:
        return []
    rows = [
        {"workspace_id": workspace_id, "provider": version.platform.name, "version": version.name, "days": days}
        for workspace_id in workspaces
    ]
    # The primary key makes a notice unique: of several processes one gets the row back.
    new = insert_or_update(session, VersionNoticeRow).values(rows).on_conflict_do_nothing().returning(VersionNoticeRow.workspace_id)
    return list(session.scalars(new))
