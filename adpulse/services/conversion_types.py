"""Reads which types of conversions accounts report, keeps them for people, and warns where results count as nothing."""

import logging
from datetime import timedelta
from functools import partial

from adpulse.bootstrap import App
from adpulse.conversion_types import DAYS, ConversionType, KeptTypes, left_out, span
from adpulse.errors import AdpulseError, Usage
from adpulse.model import Connection, Heat
from adpulse.platforms.registry import mapping_of, platform_of
from storage.control.conversion_types import StoredConversionTypes

log = logging.getLogger(__name__)

FRESH_FOR = timedelta(hours=1)
"""Types that were read so lately are not read again for a person who only looks."""

_PER_PASS = 3
"""Accounts that one pass of the sweep asks for their types at most: a call may take long, and requests wait for the next pass."""

_NAMED = 3


def read(app: App, connection: Connection, heat: Heat = Heat.HOT) -> KeptTypes:
    """Request the account's types with one call, which the ledger counts, and keep them.

    Raises:
        AdpulseError: no call is left, or the platform does not answer; what was kept before stays.
    """
    app.conversion_types.begin(connection.id)
    now = app.clock.now()
    since, until = span(connection.today(now))
    slot = partial(app.ledger.take, connection.ledger_key, connection.scope, heat)
    types = app.client(connection).conversion_types(connection, since, until, slot)
    kept = KeptTypes(since=since, until=until, read_at=now, types=types)
    app.conversion_types.keep(connection.id, kept)
    _judge(app.conversion_types, connection, kept)
    return kept


def look(app: App, connection: Connection) -> tuple[KeptTypes | None, str | None]:
    """The account's types, read again if they are older than an hour; with the reason where that failed, beside what was kept."""
    kept = app.conversion_types.of(connection.id)
    if kept and app.clock.now() - kept.read_at < FRESH_FOR:
        return kept, None
    try:
        return read(app, connection), None
    except AdpulseError as error:
        return kept, str(error)


def known(stored: StoredConversionTypes, connection: Connection) -> KeptTypes:
    """The account's types as they were read last, without a call.

    Raises:
        Usage: they never were; the message says how to read them.
    """
    kept = stored.of(connection.id)
    if kept is None:
        raise Usage(
            f"What {connection.name} reports is not known yet. Read it on the connection's page, or with: adpulse mapping {connection.id}"
        )
    return kept


def renew(app: App) -> int:
    """Read the types of accounts that are due, once a day after a sync; returns of how many."""
    return sum(_renew(app, connection) for connection in app.conversion_types.due(_PER_PASS))


def _renew(app: App, connection: Connection) -> bool:
    try:
        read(app, connection, Heat.COLD)
    except AdpulseError as error:
        log.info("the types of conversions of connection %s (%s) could not be read: %s", connection.name, connection.id, error)
        return False
    return True


def judge_again(stored: StoredConversionTypes, connection: Connection) -> None:
    """Warn of results that count as nothing by the connection's present mapping, from what is kept; without a call."""
    if kept := stored.of(connection.id):
        _judge(stored, connection, kept)


def _judge(stored: StoredConversionTypes, connection: Connection, kept: KeptTypes) -> None:
    platform = platform_of(connection.provider)
    missed = left_out(kept.types, mapping_of(connection), platform.mapping)
    listed = ", ".join(f"{_name(counted.type)} ({(counted.type.count or 0) / 1_000_000:,.0f})" for counted in missed[:_NAMED])
    message = (
        f"No conversions are counted, and {platform.label} reports {listed} in {DAYS} days. "
        f"Choose what counts on the connection's page, or with: adpulse mapping {connection.id}"
    )
    stored.warn(connection.id, message if missed else None)


def _name(kind: ConversionType) -> str:
    return kind.title or kind.names[0]
