"""What connections spent today and yesterday, each by its own days and in its own currency, for their list. Nothing is added up."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.running_day import DAY
from storage.control.numbered_list import Entry
from storage.warehouse.connection_spend import DaySpend, SpendByDay, read_connection_spend

MOST_WORKSPACES = 10
"""Each workspace has a published copy of its own, and a list refreshes itself: of more workspaces none is read."""

_TOO_MANY = f"Choose a workspace: spend is read of at most {MOST_WORKSPACES} workspaces."


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """A connection's last two days; a day that was not read is None, and ``reason`` says why today is."""

    today: DaySpend | None = None
    yesterday: DaySpend | None = None
    reason: str = ""


def spending_of(app: App, entries: Iterable[Entry]) -> dict[str, Spending]:
    """The spend of these connections, by their ids, from what was published last."""
    by_workspace, now = defaultdict[str, list[Entry]](list), app.clock.now()
    for entry in entries:
        by_workspace[entry.workspace_id].append(entry)
    if len(by_workspace) > MOST_WORKSPACES:
        return {entry.id: Spending(reason=_TOO_MANY) for of_one in by_workspace.values() for entry in of_one}
    spending: dict[str, Spending] = {}
    for workspace_id, of_one in by_workspace.items():
        spending |= _of_copy(app.published(workspace_id), of_one, now)
    return spending


def _of_copy(published: Path, entries: Iterable[Entry], now: datetime) -> dict[str, Spending]:
    """A copy that cannot be read is the reason of its own connections alone: the list is more than spend."""
    try:
        # An account's yesterday may be two days before the date in UTC.
        days = read_connection_spend(published, now.date() - 2 * DAY)
    except AdpulseError as error:
        return {entry.id: Spending(reason=str(error)) for entry in entries}
    return {entry.id: _of(entry, days, now) for entry in entries}


def _of(entry: Entry, days: SpendByDay, now: datetime) -> Spending:
    date = now.astimezone(ZoneInfo(entry.timezone)).date()
    today, yesterday = days.get((entry.id, date)), days.get((entry.id, date - DAY))
    if today:
        return Spending(today=today, yesterday=yesterday)
    never = entry.last_sync_completed_at is None and yesterday is None
    return Spending(yesterday=yesterday, reason="Not read yet." if never else "Not read today yet.")
