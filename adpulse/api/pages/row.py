"""One connection as the pages show it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adpulse import frequency, presentation
from adpulse.frequency import Frequency
from adpulse.model import RESUMABLE, WITHOUT_CREDENTIAL, ConnectionStatus, RunState, SyncStatus
from adpulse.planner.cadence import Cadence
from adpulse.planner.windows import FIRST_SYNC_DAYS
from storage.control.connections import ConnectionView
from storage.control.overview import Glance
from storage.control.runs import RunView
from storage.control.staleness import INTERVALS

_WORKING = (RunState.QUEUED, RunState.LEASED, RunState.FETCHED, RunState.APPLIED)
_OFF = (ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED, ConnectionStatus.DELETING)
_FRESH, _STALE = 1.5, INTERVALS
"""Intervals without a completed sync until a connection counts as late, and as stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A connection as the settings page shows it. ``mood`` is its state as a class of the style sheet."""

    view: ConnectionView
    glance: Glance
    cadence: Cadence
    now: datetime
    real_now: datetime
    calls_limit: int
    offered: Mapping[Frequency, Cadence] = field(default_factory=dict)
    """How often it would be read at the frequencies that may be chosen; empty where none is chosen."""

    def label(self, choice: Frequency) -> str:
        """``Every 5 minutes``, or ``Every 5 minutes (really every 17 min)`` where the limits do not allow for it."""
        cadence = self.offered.get(choice)
        if cadence is None or cadence.limited_by is None or cadence.interval is None:
            return choice.label
        return f"{choice.label} (really every {frequency.format_duration(cadence.interval)})"

    @property
    def id(self) -> str:
        """The connection's."""
        return self.view.connection.id

    @property
    def state(self) -> str:
        """Idle, Queued, Syncing, Error, or why it is not synced at all."""
        return presentation.describe_state(self.view)

    @property
    def status(self) -> str:
        """The same without how many warnings it has."""
        return presentation.describe_status(self.view.connection.status, self.view.sync_status)

    @property
    def mood(self) -> str:
        """``off``, ``error``, ``busy`` or ``idle``."""
        if self.view.connection.status is not ConnectionStatus.ACTIVE:
            return "off" if self.view.connection.status in _OFF else "error"
        if self.view.sync_status in (SyncStatus.QUEUED, SyncStatus.SYNCING):
            return "busy"
        return "error" if self.view.sync_status is SyncStatus.ERROR else "idle"

    @property
    def busy(self) -> bool:
        """Whether a sync is under way, so that another request would change nothing."""
        return self.working is not None

    @property
    def working(self) -> RunView | None:
        """The run that is under way; a postponed run is not."""
        run = self.glance.run
        return run if run and run.state in _WORKING else None

    @property
    def elapsed(self) -> int:
        """Seconds since the sync under way was requested."""
        return max(int((self.real_now - self.working.requested_at).total_seconds()), 0) if self.working else 0

    @property
    def outcome(self) -> str:
        """``12 rows changed``, ``no change``; empty while no sync has ended."""
        run = self.glance.run
        if run is None or run.state is not RunState.DONE:
            return ""
        changed = run.counts.inserted + run.counts.updated
        parts = [f"{changed:,} row{'s' if changed != 1 else ''} changed"] if changed else []
        if run.counts.entities_changed:
            parts.append(f"{run.counts.entities_changed:,} entities changed")
        return ", ".join(parts) or "no change"

    @property
    def first_sync(self) -> tuple[int, int] | None:
        """Days read and days wanted, while days of the first sync are missing."""
        return (self.glance.days_read, FIRST_SYNC_DAYS) if self.glance.in_first_sync and self.is_synced else None

    @property
    def is_synced(self) -> bool:
        """Whether it is synced at all at present."""
        return self.view.connection.status is ConnectionStatus.ACTIVE

    @property
    def waits(self) -> str:
        """What was postponed, until when and why."""
        return presentation.describe_wait(self.view, self.now)

    @property
    def cause(self) -> str:
        """What holds it up in one text, for lists that have room for its beginning only."""
        reason = self.view.last_sync_error if self.is_synced else self.view.status_reason
        return " ".join(text for text in (reason, self.token, self.waits) if text)

    @property
    def warnings(self) -> list[str]:
        """Failures that do not stop its numbers, in sentences."""
        return presentation.describe_warnings(self.view, self.now)

    @property
    def token(self) -> str:
        """``token ends in 6 days: reconnect``; empty while that is far off, and where a reconnect is needed already."""
        return "" if self.needs_reconnect else presentation.describe_token_end(self.view, self.now)

    @property
    def syncs(self) -> str:
        """``45 attempts | 12 changes (26.7%)``."""
        return presentation.describe_attempts(self.view.total_syncs_attempted, self.view.total_syncs_with_changes)

    @property
    def can_resume(self) -> bool:
        """Whether resuming may help."""
        return self.view.connection.status in RESUMABLE

    @property
    def is_ending(self) -> bool:
        """Whether it is being deleted."""
        return self.view.connection.status is ConnectionStatus.DELETING

    @property
    def needs_reconnect(self) -> bool:
        """Whether only a fresh credential helps."""
        return self.view.connection.status in WITHOUT_CREDENTIAL

    def ago(self, moment: datetime | None) -> str:
        """``2 min ago``, ``never``."""
        return presentation.format_age(moment, self.now)

    @property
    def lateness(self) -> float | None:
        """Intervals since the last completed sync, none before the first; None for what is not synced by a schedule."""
        interval = self.cadence.longest or self.view.connection.frequency.interval
        if interval is None or not self.is_synced:
            return None
        completed = self.view.last_sync_completed_at
        return (max(self.now - completed, timedelta(0)) / interval) if completed else 0.0

    @property
    def freshness(self) -> str:
        """``fresh``, ``late``, ``stale``, ``failing``, ``first sync``, or ``unscheduled``: paused, or synced only on request."""
        if self.mood == "error":
            return "failing"
        if self.lateness is None:
            return "unscheduled"
        # A new account cannot be late: nothing of it was ever there.
        if self.view.last_sync_completed_at is None:
            return "first sync"
        return "fresh" if self.lateness <= _FRESH else "late" if self.lateness <= _STALE else "stale"


def choices(current: Frequency | None, *, realtime_granted: bool) -> tuple[Frequency, ...]:
    """The frequencies that may be chosen; realtime only where it was granted, or chosen already."""
    return frequency.allowed(realtime_granted=realtime_granted or current is Frequency.REALTIME)
