"""Checks refused connections again; those that the platform accepts again are synced."""

import logging
from datetime import timedelta

from adpulse.bootstrap import App
from adpulse.errors import AccountRefused, AdpulseError, RateLimited, Unavailable
from adpulse.model import AccountFacts, Connection, ConnectionStatus, Heat, Parts
from adpulse.platforms.registry import platform_of
from adpulse.services.syncing import Dispatch, dispatch, request_sync
from adpulse.stopping import status_after
from storage.control.connection_warnings import ACCOUNT_DISABLED

log = logging.getLogger(__name__)

_RECHECKS_PER_PASS = 10
"""Connections that one pass of the sweep checks at most, because a call may take long."""


def recheck(app: App, dispatcher: Dispatch = dispatch) -> int:
    """Check each refused connection that is due, with one call each; returns how many are synced again."""
    return sum(_recheck(app, connection, dispatcher) for connection in app.refusals.due(_RECHECKS_PER_PASS))


def _recheck(app: App, connection: Connection, dispatcher: Dispatch) -> bool:
    if not app.refusals.begin(connection.id):
        return False
    try:
        facts = _facts(app, connection)
    except (RateLimited, Unavailable) as error:
        log.info("connection %s (%s) could not be checked: %s", connection.name, connection.id, error)
        return False
    except AdpulseError as error:
        app.connections.set_status(connection.id, status_after(error) or connection.status, str(error))
        return False
    if facts.currency and facts.currency != connection.currency:
        app.connections.set_status(connection.id, ConnectionStatus.CURRENCY_CHANGED, connection.currency_change_message(facts.currency))
        return False
    if not facts.enabled:
        return _read_numbers(app, connection, facts, dispatcher)
    app.warnings.clear(connection.id, {ACCOUNT_DISABLED})
    app.refusals.resume(connection.id, facts.login_customer_id)
    request_sync(app, connection.id, dispatcher=dispatcher)
    log.info("connection %s (%s) is accepted by the platform again and is synced", connection.name, connection.id)
    return True


def _read_numbers(app: App, connection: Connection, facts: AccountFacts, dispatcher: Dispatch) -> bool:
    """Read the numbers of a disabled account once more, while its last days may change and the platform has answered for them."""
    disabled = app.warnings.find(connection.id, ACCOUNT_DISABLED)
    days = platform_of(connection.provider).lookback_days
    if disabled is None or app.clock.now() - disabled.first_at > timedelta(days=days):
        return False
    app.refusals.resume(connection.id, facts.login_customer_id)
    request_sync(app, connection.id, Parts.METRICS, dispatcher=dispatcher)
    log.info("connection %s (%s) is still disabled; its last %s days are read", connection.name, connection.id, days)
    return True


def _facts(app: App, connection: Connection) -> AccountFacts:
    """The account as the platform reports it. If its manager has lost it, it is looked up through another manager."""
    client = app.client(connection)

    def slot() -> None:
        app.ledger.take(connection.ledger_key, connection.scope, Heat.COLD)

    try:
        return client.facts(connection, slot)
    except AccountRefused:
        if connection.login_customer_id is None:
            raise
        for facts in client.accounts(slot):
            if facts.external_id == connection.external_id and facts.login_customer_id != connection.login_customer_id:
                return facts
        raise
