"""Asks the platforms by itself about connections that they refused; those that they answer for again are synced."""

import logging

from adpulse.bootstrap import App
from adpulse.errors import AccountRefused, AdpulseError, RateLimited, Unavailable
from adpulse.model import AccountFacts, Connection, ConnectionStatus, Heat
from adpulse.services.syncing import Ask, dispatch, request_sync
from adpulse.stopping import status_after

log = logging.getLogger(__name__)

_AT_ONCE = 10
"""Connections that are asked for in one pass of the sweep: each may take as long as a call may."""


def recheck(app: App, ask: Ask = dispatch) -> int:
    """Ask for each refused connection that is due, one call each; returns how many are synced again."""
    return sum(_recheck(app, connection, ask) for connection in app.refusals.due(_AT_ONCE))


def _recheck(app: App, connection: Connection, ask: Ask) -> bool:
    if app.refusals.begin(connection.id) is None:
        return False
    try:
        facts = _facts(app, connection)
    except (RateLimited, Unavailable) as error:
        log.info("connection %s (%s) could not be asked for: %s", connection.name, connection.id, error)
        return False
    except AdpulseError as error:
        app.connections.set_status(connection.id, status_after(error) or connection.status, str(error))
        return False
    if facts.currency != connection.currency:
        app.connections.set_status(connection.id, ConnectionStatus.CURRENCY_CHANGED, connection.currency_change_message(facts.currency))
        return False
    if not facts.enabled:
        return False
    app.refusals.resume(connection.id, facts.login_customer_id)
    request_sync(app, connection.id, ask=ask)
    log.info("connection %s (%s) is answered for again and is synced", connection.name, connection.id)
    return True


def _facts(app: App, connection: Connection) -> AccountFacts:
    """What the platform says of the account; where it was reached through a manager that has lost it, through another one."""
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
