"""Connects accounts with a credential, and gives connections a fresh one."""

from collections.abc import Sequence

from pydantic import SecretStr

from adpulse import frequency
from adpulse.bootstrap import App
from adpulse.discovered_accounts import DiscoveredAccounts
from adpulse.errors import Conflict, Usage
from adpulse.model import AccountFacts, Connection, ConnectionStatus, Provider
from adpulse.platforms.registry import platform_of
from adpulse.services.changing import being_deleted, erase_unused
from adpulse.services.discovering import discover
from adpulse.services.syncing import Dispatch, dispatch, request_all
from storage.control.connections import ConnectionView


def connect(  # noqa: PLR0913 - everything that a new connection needs
    app: App,
    workspace: str,
    provider: Provider,
    secret: SecretStr,
    chosen: DiscoveredAccounts,
    sync_frequency: str,
    *,
    dispatcher: Dispatch = dispatch,
) -> list[ConnectionView]:
    """Store the credential once, connect the chosen accounts, and request their first sync.

    Everything is checked before anything is written. An existing connection of the same account with another currency is not synced
    any more; its history stays as it is.

    Raises:
        FrequencyRefused, Conflict, Usage: nothing was stored.
    """
    owner = app.workspaces.get(workspace)
    accounts, margin = chosen.accounts, app.settings.gross_margin
    connected = require_connectable(app, owner.id, provider, accounts, sync_frequency)
    credential = app.credentials.store(owner.id, provider, secret, chosen.expires_at)
    created = [
        app.connections.create(
            owner.id, provider, account, credential_id=credential, scope=chosen.scope, frequency=sync_frequency, gross_margin=margin
        )
        for account in accounts
    ]
    currencies = {account.external_id: account.currency for account in accounts}
    for old in connected:
        if old.external_id in currencies and old.status is not ConnectionStatus.DISCONNECTED:
            app.connections.set_status(old.id, ConnectionStatus.CURRENCY_CHANGED, old.currency_change_message(currencies[old.external_id]))
    return request_all(app, provider, [view.connection for view in created], dispatcher)


def require_connectable(
    app: App, workspace: str, provider: Provider, accounts: Sequence[AccountFacts], sync_frequency: str
) -> list[Connection]:
    """Check that all of these accounts can be connected; returns the workspace's connections of the platform.

    Raises:
        FrequencyRefused, Conflict, Usage: an account cannot be connected; the message names it and the reason.
    """
    owner = app.workspaces.get(workspace)
    frequency.parse(sync_frequency, realtime_granted=owner.realtime_granted)
    connected = [view.connection for view in app.connections.all(owner.id) if view.connection.provider == provider]
    existing = {(connection.external_id, connection.currency): connection for connection in connected}
    for account in accounts:
        if old := existing.get((account.external_id, account.currency)):
            state = "still being deleted" if old.status is ConnectionStatus.DELETING else "connected already"
            raise Conflict(f"Account {account.external_id} is {state} as '{old.name}' in {owner.name}.")
        if account.manager:
            message = f"{account.name} ({account.external_id}) is a manager account, which has no numbers of its own. Connect its clients."
            raise Usage(message)
        if not account.enabled:
            raise Usage(
                f"{account.name} ({account.external_id}) is {account.status} at {platform_of(provider).label}. It cannot be synced."
            )
        if account.flaw:
            raise Usage(
                f"{account.name} ({account.external_id}) is {account.flaw} at {platform_of(provider).label}. It cannot be synced before "
                "that is mended there."
            )
    return connected


def reconnect(
    app: App,
    reference: str,
    secret: SecretStr,
    reached: DiscoveredAccounts | None = None,
    *,
    dispatcher: Dispatch = dispatch,
) -> list[ConnectionView]:
    """Give a connection a fresh credential, and so the others that shared the old one and that the new one reaches; sync them at once.

    ``reached`` are the accounts that the credential reaches, if the platform was asked already.

    Raises:
        AuthExpired, AccountRefused, RateLimited, Unavailable: the credential was not accepted, nothing was changed.
        UnknownConnection, Usage: there is no such connection, or the credential does not reach its account.
    """
    target = app.connections.get(reference).connection
    if reached is None:
        require_reached(target, None)  # before the platform is asked
        reached = discover(app, target.provider, secret)
    require_reached(target, reached.accounts)
    accounts = {account.external_id: account for account in reached.accounts}
    stopped = (ConnectionStatus.ACTIVE, ConnectionStatus.NEEDS_REAUTH, ConnectionStatus.NEEDS_PERMISSION)
    together = [
        view.connection for view in app.connections.all(target.workspace_id) if view.connection.credential_id == target.credential_id
    ]
    reconnected = [
        connection
        for connection in together
        if connection.id == target.id or (connection.status in stopped and connection.external_id in accounts)
    ]
    credential = app.credentials.store(target.workspace_id, target.provider, secret, reached.expires_at)
    app.connections.use_credential(
        {connection.id: accounts[connection.external_id] for connection in reconnected}, credential, reached.scope
    )
    erase_unused(app, target)
    return request_all(app, target.provider, reconnected, dispatcher)


def require_reached(connection: Connection, accounts: Sequence[AccountFacts] | None) -> None:
    """Check that a credential that reaches these accounts can serve the connection; None: the accounts are not known yet.

    Raises:
        Usage: it cannot; the message says why.
    """
    if connection.status is ConnectionStatus.CURRENCY_CHANGED:
        raise Usage(f"{connection.name} reports in another currency now. Connect it as a new connection; its history stays here.")
    if connection.status is ConnectionStatus.DELETING:
        raise being_deleted(connection)
    if accounts is not None and connection.external_id not in {account.external_id for account in accounts}:
        raise Usage(f"This token does not reach {connection.name} ({connection.external_id}). Nothing was changed.")
