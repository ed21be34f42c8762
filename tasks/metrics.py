"""Reads metrics per leaf and day, and campaign totals. Step: fetch."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial

from adpulse.bootstrap import App
from adpulse.campaign_range import CampaignRange
from adpulse.errors import AdpulseError, MetricRefused, RateLimited, StatusRefused
from adpulse.fetch_result import FetchResult
from adpulse.holes import Hole, HoleKey
from adpulse.model import Connection, Fetch, FetchKind, Heat, Lease, Level
from adpulse.planner.costs import costs_of
from adpulse.platforms.registry import platform_of
from adpulse.status_filter import WIDEST, ReportFilters
from storage.control.filters import Filters
from storage.staging import Staging
from tasks.account_totals import read_account_totals
from tasks.batch import Batch, Outcome, during, read_concurrently
from tasks.change_check import days_not_checked, reads_with_dates
from tasks.deleted_campaigns import read_deleted_campaigns
from tasks.history import read_history
from tasks.holes import unanswered, warn_of_holes
from tasks.ladder import Reading, read_days
from tasks.optional import optional

log = logging.getLogger(__name__)


async def fetch_metrics(batch: Batch) -> list[Outcome]:
    """Stage the planned metric reads of every connection in the batch."""
    return await read_concurrently(batch, read_metrics)


def read_metrics(app: App, lease: Lease) -> None:
    """Make the planned reads that have dates; what is staged already is not read again.

    Of each, days are read completely or not at all. What was answered before an error is staged all the same.
    """
    connection, holes = _retry_refused_filters(app, lease.connection), app.holes.of(lease.connection.id)
    without_leaves, campaigns_read, errors = set[tuple[date, CampaignRange]](), frozenset[date](), list[AdpulseError]()
    for fetch in reads_with_dates(app, lease, connection):
        if fetch.kind is FetchKind.CAMPAIGNS and fetch.heat is Heat.HOT and _lacks_leaves(app.staging, lease, fetch, without_leaves):
            app.staging.write(lease.run_id, unanswered(fetch, app.clock.now()))  # its remainder would count the leaves that come later
            continue
        if fetch.kind is FetchKind.ACCOUNT:
            read_account_totals(app, lease, connection, fetch, campaigns_read)
            continue
        with during(fetch):
            read = partial(_read_with_widest_filter, app, lease, connection, fetch, holes)
            reading, connection = read_history(app, lease, connection, fetch, read)
            app.staging.write(lease.run_id, reading.result)
            if reading.left_holes:
                holes = app.holes.of(connection.id)
                warn_of_holes(app.warnings, lease, holes)
            _raise_unless_others_may_be_read(reading)
        if reading.error:
            reading.error.during = fetch.label
            errors.append(reading.error)
        if fetch.kind is FetchKind.ADS and fetch.heat is Heat.HOT:
            unread = reading.result.unread - reading.in_parts  # whose totals show what delivers
            without_leaves |= {(day, fetch.campaigns) for day in unread}
        if fetch.kind is FetchKind.CAMPAIGNS:
            campaigns_read |= set(reading.result.days)
    if errors:
        raise errors[0]
    read_deleted_campaigns(app, lease, connection)
    confirm_missing(app, lease, connection)


def _lacks_leaves(staging: Staging, lease: Lease, totals: Fetch, failed: set[tuple[date, CampaignRange]]) -> bool:
    """Whether leaves of these totals could not be read in this leg, or not be checked for changes."""
    days = [day for day, campaigns in failed if totals.campaigns.is_whole or campaigns == totals.campaigns]
    return not set(totals.days).isdisjoint([*days, *days_not_checked(staging, lease)])


def _raise_unless_others_may_be_read(reading: Reading) -> None:
    """Where some days were answered, the platform may answer the other reads of the leg, too."""
    if reading.error and not reading.in_parts and (isinstance(reading.error, RateLimited) or not reading.result.coverage):
        raise reading.error


def _retry_refused_filters(app: App, connection: Connection) -> Connection:
    """The connection; with the widest filters again, where it is a week since the account refused them."""
    if not connection.filters.lapsed(app.clock.now()):
        return connection
    log.info("connection %s is read with the widest filters and every field again", connection.id)
    return _noted(app.filters, connection, WIDEST)


def _read_with_widest_filter(
    app: App, lease: Lease, connection: Connection, fetch: Fetch, holes: Mapping[HoleKey, Hole]
) -> tuple[Reading, Connection]:
    """What came of the read by the widest filter of statuses, and with the most fields, that the account takes.

    And the connection with that filter and those fields, which are noted.

    Raises:
        StatusRefused: not even a report without a filter was answered.
        MetricRefused: not even without the field that it names.
    """
    level = Level.AD if fetch.kind is FetchKind.ADS else Level.CAMPAIGN
    filters = connection.filters
    while True:
        try:
            reading = read_days(app, lease, replace(connection, filters=filters), fetch, holes)
        except StatusRefused as refused:
            chosen = filters.of(level)
            if chosen.narrower is None:
                raise
            log.warning("connection %s refuses the filter '%s' of its %s reports: %s", connection.id, chosen, level, refused)
            filters = filters.with_level(level, chosen.narrower)
        except MetricRefused as refused:
            if refused.field in filters.refused_fields:
                raise
            log.warning("connection %s is read without a field of its reports: %s", connection.id, refused)
            filters = replace(filters, refused_fields=filters.refused_fields | {refused.field})
        else:
            if filters != connection.filters:
                connection = _noted(app.filters, connection, replace(filters, noted_at=app.clock.now()))
            return reading, connection


def _noted(store: Filters, connection: Connection, filters: ReportFilters) -> Connection:
    store.note(connection.id, filters)
    return replace(connection, filters=filters)


def confirm_missing(app: App, lease: Lease, connection: Connection) -> None:
    """Ask the platform about ads and campaigns whose stored numbers are missing from a complete answer.

    A row can be missing because the platform took the delivery back (the numbers become zero) or because the
    ad was deleted since the last walk (its history stays). The lookup follows the metrics: an entity that it finds existed when
    they were read.
    Entities that did not fit into the lookup stay as they are stored, and are looked up when their day is read again.
    A lookup that fails is a warning. A platform that reports removed entities needs no lookup.
    """
    platform = platform_of(connection.provider)
    costs = costs_of(connection, app.settings)
    fetch = Fetch(kind=FetchKind.ENTITIES_CONFIRMED, heat=Heat.HOT, cost=costs.lookup)
    if platform.reports_removed or app.staging.has(lease.run_id, fetch):
        return
    absent = app.warehouse(connection.workspace_id).missing_entities(connection, app.staging.read(lease.run_id))
    if not absent or fetch.kind in app.warnings.resting(connection.id):
        return
    fetched_at, slot = app.clock.now(), app.slot(lease, fetch.heat)
    table = optional(app.warnings, lease, fetch, lambda: app.client(connection).look_up(connection, absent, slot))
    if table is not None:
        app.staging.write(lease.run_id, FetchResult(fetch=fetch, fetched_at=fetched_at, table=table))
