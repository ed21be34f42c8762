"""The running day of a workspace by currency, as the page Today and the API show it. Sums are of one currency each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from adpulse.bootstrap import App
from adpulse.running_day import (
    WEEK_AGO,
    YESTERDAY,
    AccountDay,
    Comparison,
    Expectation,
    Numbers,
    compare,
    expect,
    moved_most,
    quarter_of,
    total,
)
from storage.warehouse.kept_answers import newest_kept_for_each_copy
from storage.warehouse.running_days import Course, RunningDays, read_running_days

_MOVED = 5

_Described = tuple[str, str, tuple[str, ...], timedelta | None]
"""What the control plane says of an account: its connection's id, name and labels, and how often it is really read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The accounts with a label: today, and against yesterday."""

    label: str
    accounts: int
    numbers: Numbers
    yesterday: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How fresh, complete and settled a sum of today is.

    ``fresh_until`` is the earliest of the accounts that were read today. ``lacks`` names what could not be read, by account.
    ``platform_delay`` is how long before the last read the platforms reported other spend for the last time, None before they did.
    """

    accounts: int
    unread: int
    fresh_until: datetime | None
    settled: bool
    lacks: tuple[str, ...]
    platform_delay: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyDay:
    """Today of all accounts of a currency; money is in micros of it."""

    currency: str
    accounts: tuple[AccountDay, ...]
    numbers: Numbers
    freshness: Freshness
    yesterday: Comparison
    week_ago: Comparison
    expected: Expectation | None
    moved: tuple[tuple[AccountDay, Comparison], ...]
    tiles: tuple[Tile, ...]
    courses: tuple[Course, ...]


def today_of(app: App, workspace_id: str) -> list[CurrencyDay]:
    """Today of each currency, by its name; empty before the first publication.

    Raises:
        Usage: an older adpulse published the workspace's copy.
        WarehouseDamaged: the copy cannot be read.
    """
    views = app.connections.all(workspace_id)
    cadences = app.cadences([view.connection for view in views])
    described = tuple((view.connection.id, view.connection.name, view.labels, cadences[view.connection.id].interval) for view in views)
    return list(_days_of(app.published(workspace_id), quarter_of(app.clock.now()), described))


@newest_kept_for_each_copy
def _days_of(published: Path, quarter: datetime, described: tuple[_Described, ...]) -> tuple[CurrencyDay, ...]:
    """Kept until anything of it differs: what 400 accounts are expected to end at takes a tenth of a second of the processor's time."""
    running = read_running_days(published, quarter)
    known = {connection_id: (name, labels, interval) for connection_id, name, labels, interval in described}
    accounts = [
        replace(account, name=name, labels=labels, interval=interval)
        for account in running.accounts
        if account.connection_id in known
        for name, labels, interval in [known[account.connection_id]]
    ]
    return tuple(by_currency(replace(running, accounts=tuple(accounts))))


def by_currency(running: RunningDays) -> list[CurrencyDay]:
    """The accounts' running days, summed up for each currency."""
    accounts = sorted(running.accounts, key=lambda account: account.currency)
    return [
        _of_currency(currency, tuple(group), tuple(course for course in running.courses if course.currency == currency))
        for currency, group in groupby(accounts, key=lambda account: account.currency)
    ]


def _of_currency(currency: str, accounts: tuple[AccountDay, ...], courses: tuple[Course, ...]) -> CurrencyDay:
    return CurrencyDay(
        currency=currency,
        accounts=accounts,
        numbers=_sum(accounts),
        freshness=freshness_of(accounts),
        yesterday=compare(accounts, YESTERDAY),
        week_ago=compare(accounts, WEEK_AGO),
        expected=expect(accounts),
        moved=tuple(moved_most(accounts, _MOVED)),
        tiles=_tiles(accounts),
        courses=courses,
    )


def _sum(accounts: Iterable[AccountDay]) -> Numbers:
    return total(account.numbers for account in accounts)


def _tiles(accounts: Sequence[AccountDay]) -> tuple[Tile, ...]:
    labels = sorted({label for account in accounts for label in account.labels})
    labelled = ((label, [account for account in accounts if label in account.labels]) for label in labels)
    return tuple(
        Tile(label=label, accounts=len(group), numbers=_sum(group), yesterday=compare(group, YESTERDAY)) for label, group in labelled
    )


def freshness_of(accounts: Sequence[AccountDay]) -> Freshness:
    """How fresh, complete and settled what these accounts add up to is."""
    fresh = [account.fresh_until for account in accounts if account.fresh_until]
    delays = [account.fresh_until - account.moved_at for account in accounts if account.fresh_until and account.moved_at]
    return Freshness(
        accounts=len(accounts),
        unread=len(accounts) - len(fresh),
        fresh_until=min(fresh, default=None),
        settled=all(account.settled for account in accounts),
        lacks=tuple(f"{account.name}: {reason}" for account in accounts for reason in account.lacks),
        platform_delay=max(min(delays), timedelta(0)) if delays else None,
    )
