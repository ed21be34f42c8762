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
from adpulse.services.syncing import Ask, dispatch, request_all
from storage.control.connections import ConnectionView


def connect(  # noqa: PLR0913 - what makes connections
    app: App,
    workspace: str,
    provider: Provider,
    secret: SecretStr,
    chosen: DiscoveredAccounts,
    sync_frequency: str,
    *,
    ask: Ask = dispatch,
) -> list[ConnectionView]:
    """Store the credential once, connect the accounts chosen of those it reaches, and ask for their first sync.

    Everything is checked before anything is written. An account that is connected with another currency is not synced there any
    more; its history stays as it is.

    Raises:
        FrequencyRefused, Conflict, Usage: and nothing was stored.
    """
    owner = app.workspaces.get(workspace)
    accounts, margin = chosen.accounts, app.settings.gross_margin
    connected = require_connectable(app, owner.id, provider, accounts, sync_frequency)
    credential = app.credentials.store(owner.id, provider, secret, chosen.expires_at)
    made = [
        app.connections.create(
            owner.id, provider, account, credential_id=credential, scope=chosen.scope, frequency=sync_frequency, gross_margin=margin
        )
        for account in accounts
    ]
    currencies = {account.external_id: account.currency for account in accounts}
    for old in connected:
        if old.external_id in currencies and old.status is not ConnectionStatus.DISCONNECTED:
            app.connections.set_status(old.id, ConnectionStatus.CURRENCY_CHANGED, old.currency_change_message(currencies[old.external_id]))
    return request_all(app, provider, [view.connection for view in made], ask)


def require_connectable(
    app: App, workspace: str, provider: Provider, accounts: Sequence[AccountFacts], sync_frequency: str
) -> list[Connection]:
    """Make sure that all of these accounts can be connected; the platform's connections that the workspace has.

    Raises:
        FrequencyRefused, Conflict, Usage: says which cannot, and why.
    """
    owner = app.workspaces.get(workspace)
    frequency.parse(sync_frequency, realtime_granted=owner.realtime_granted)
    connected = [view.connection for view in app.connections.every(owner.id) if view.connection.provider == provider]
    taken = {(each.external_id, each.currency): each for each in connected}
    for account in accounts:
        if old := taken.get((account.external_id, account.currency)):
            state = "still being deleted" if old.status is ConnectionStatus.DELETING else "connected already"
            raise Conflict(f"Account {account.external_id} is {state} as '{old.name}' in {owner.name}.")
        if account.manager:
            message = f"{account.name} ({account.external_id}) is a manager account, which has no numbers of its own. Connect its clients."
            raise Usage(message)
        if not account.enabled:
            raise Usage(
                f"{account.name} ({account.external_id}) is {account.status} at {platform_of(provider).label}. It cannot be synced."
            )
    return connected


def reconnect(
    app: App,
    reference: str,
    secret: SecretStr,
    reached: DiscoveredAccounts | None = None,
    *,
    ask: Ask = dispatch,
) -> list[ConnectionView]:
    """Give a connection, and every other that shared its credential and that the new one reaches, a fresh one; sync them at once.

    ``reached`` is what the credential reaches, if that was asked already.

    Raises:
        AuthExpired, AccountRefused, RateLimited, Unavailable: the credential was not accepted, nothing was changed.
        UnknownConnection, Usage: there is none, or the credential does not reach its account.
    """
    named = app.connections.get(reference).connection
    if reached is None:
        require_reached(named, None)  # before the platform is asked
        reached = discover(app, named.provider, secret)
    require_reached(named, reached.accounts)
    accounts = {account.external_id: account for account in reached.accounts}
    stopped = (ConnectionStatus.ACTIVE, ConnectionStatus.NEEDS_REAUTH, ConnectionStatus.NEEDS_PERMISSION)
    together = [
        view.connection for view in app.connections.every(named.workspace_id) if view.connection.credential_id == named.credential_id
    ]
    mended = [each for each in together if each.id == named.id or (each.status in stopped and each.external_id in accounts)]
    credential = app.credentials.store(named.workspace_id, named.provider, secret, reached.expires_at)
    app.connections.use_credential({each.id: accounts[each.external_id] for each in mended}, credential, reached.scope)
    erase_unused(app, named)
    return request_all(app, named.provider, mended, ask)


def require_reached(connection: Connection, accounts: Sequence[AccountFacts] | None) -> None:
    """Make sure that a credential which reaches these accounts can serve the connection; None: it is not known yet what it reaches.

    Raises:
        Usage: it cannot; says why.
    """
    if connection.status is ConnectionStatus.CURRENCY_CHANGED:
        raise Usage(f"{connection.name} reports in another currency now. Connect it as a new connection; its history stays here.")
    if connection.status is ConnectionStatus.DELETING:
        raise being_deleted(connection)
    if accounts is not None and connection.external_id not in {each.external_id for each in accounts}:
        raise Usage(f"This token does not reach {connection.name} ({connection.external_id}). Nothing was changed.")
