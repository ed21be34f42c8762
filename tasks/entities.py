"""Reads campaigns and what is below them, and the account's own facts. Step: fetch."""

from functools import partial

from adpulse import zones
from adpulse.bootstrap import App
from adpulse.entities import ENTITY_SCHEMA, EntitiesAnswer
from adpulse.errors import AccountRefused, AdpulseError
from adpulse.fetch_result import FetchResult
from adpulse.model import AccountFacts, Fetch, FetchKind, Lease
from adpulse.planner.day_parts import FIRST_WALK_CALLS
from adpulse.platforms.base import CallSlot, PlatformClient
from adpulse.platforms.registry import platform_of
from adpulse.stopping import DISABLED
from storage.control.connection_warnings import ACCOUNT_DISABLED, ACCOUNT_FLAW, API_VERSION, ConnectionWarnings
from tasks.batch import Batch, Outcome, missing, read_concurrently
from tasks.campaign_requests import at_most, is_of_unknown_size
from tasks.optional import optional


async def sync_entities(batch: Batch) -> list[Outcome]:
    """Stage the planned entity reads of every connection in the batch."""
    return await read_concurrently(batch, read_entities)


def read_entities(app: App, lease: Lease) -> None:
    """Make the planned reads that have no dates; what is staged already, or failed in this leg, is not read again.

    A read that fails leaves a warning, and the numbers are read all the same.
    """
    client, failed = app.client(lease.connection), app.warnings.of_leg(lease)
    for fetch in missing(app.staging, lease, dates=False):
        if fetch.kind in failed:
            continue
        fetched_at = app.clock.now()
        answer = optional(app.warnings, lease, fetch, partial(_read, app, client, lease, fetch))
        if answer is not None:
            result = FetchResult(fetch=fetch, fetched_at=fetched_at, table=answer.rows, refused=answer.refused)
            app.staging.write(lease.run_id, result)


def _read(app: App, client: PlatformClient, lease: Lease, fetch: Fetch) -> EntitiesAnswer:
    slot = app.slot(lease, fetch.heat)
    if fetch.kind is FetchKind.ACCOUNT_FACTS:
        check_facts(app, lease, slot)
        return EntitiesAnswer(ENTITY_SCHEMA.empty_table())
    if is_of_unknown_size(lease.connection):
        # A walk that is larger than the hour would take all of it and end nowhere; the numbers show the size.
        slot = at_most(FIRST_WALK_CALLS, slot, f"The entities of {lease.connection.name}")
    return client.entities(lease.connection, fetch, slot)


def check_facts(app: App, lease: Lease, slot: CallSlot) -> None:
    """Compare the account with what was connected: its currency must not change under stored money.

    A disabled account is a warning until the leg has read its numbers, which the platform may still answer; then polling stops.

    Raises:
        AccountRefused: its currency is another one now; polling stops, data stay.
    """
    connection = lease.connection
    facts = app.client(connection).facts(connection, slot)
    if facts.currency and facts.currency != connection.currency:
        raise AccountRefused(connection.currency_change_message(facts.currency), "currency_changed")
    _note_state(app.warnings, lease, facts)
    _note_flaw(app.warnings, lease, facts)
    if zones.is_known(facts.timezone):
        if facts.timezone != connection.timezone:
            app.partitions.forget(connection.id)  # the platform's days have other borders now
            app.backfills.go_on(connection.id)
        app.connections.set_facts(connection.id, facts)
    _note_version(app, lease)


def _note_state(warnings: ConnectionWarnings, lease: Lease, facts: AccountFacts) -> None:
    """Warn while the platform has disabled or closed the account."""
    connection = lease.connection
    if facts.enabled:
        warnings.clear(connection.id, {ACCOUNT_DISABLED})
        return
    label = platform_of(connection.provider).label
    message = f"{label} has disabled {connection.name} ({connection.external_id}): {facts.status}. Its data stay."
    warnings.record(lease, ACCOUNT_DISABLED, AdpulseError(message, DISABLED))


def _note_flaw(warnings: ConnectionWarnings, lease: Lease, facts: AccountFacts) -> None:
    """Warn while the platform does not report the account's currency, or reports a time zone that nobody knows: the last good one stays."""
    connection = lease.connection
    if facts.flaw is None:
        warnings.clear(connection.id, {ACCOUNT_FLAW})
        return
    label, kept = platform_of(connection.provider).label, f"{connection.currency} and {connection.timezone}"
    message = f"At {label} {connection.name} ({connection.external_id}) is {facts.flaw}; it goes on in {kept}."
    warnings.record(lease, ACCOUNT_FLAW, AdpulseError(message, ACCOUNT_FLAW))


def _note_version(app: App, lease: Lease) -> None:
    """Warn while another API version answers than is called: its answers may mean something else."""
    connection = lease.connection
    answered = app.client(connection).answered_by
    if answered is None:
        app.warnings.clear(connection.id, {API_VERSION})
        return
    version = app.api_versions()[connection.provider]
    label = version.platform.label
    message = f"{label} answers with version {answered}, though {version.name} is called. Set {version.setting} to {answered}."
    app.warnings.record(lease, API_VERSION, AdpulseError(message, answered))
