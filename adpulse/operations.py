"""What a person can ask of an installation, whether by command line or by HTTP: discover, connect, sync now."""

import hashlib
import logging
from collections.abc import Sequence

from pydantic import SecretStr

from adpulse import frequency, orchestrator
from adpulse.bootstrap import App
from adpulse.errors import Conflict, Unavailable, Usage
from adpulse.model import AccountFacts, Heat, Parts, Provider
from storage.connections import ConnectionView
from storage.runs import Ticket

log = logging.getLogger(__name__)


def discover(app: App, provider: Provider, token: SecretStr) -> list[AccountFacts]:
    """Every account the token reaches; the calls are counted under the token's fingerprint, as there is no account yet.

    Raises:
        AuthExpired, AccountRefused, RateLimited, Unavailable: the token was not accepted, nothing was stored.
    """
    fingerprint = hashlib.sha256(token.get_secret_value().encode()).hexdigest()[:16]
    return app.client_for(token).accounts(lambda: app.ledger.take(f"{provider}:token:{fingerprint}", Heat.HOT))


def connect(app: App, workspace: str, token: SecretStr, accounts: Sequence[AccountFacts], sync_frequency: str) -> list[ConnectionView]:
    """Store the token once, connect the accounts with it, and ask for their first sync.

    Everything is checked before anything is written.

    Raises:
        FrequencyRefused, Conflict, Usage: and nothing was stored.
    """
    owner = app.workspaces.get(workspace)
    frequency.parse(sync_frequency, realtime_granted=owner.realtime_granted)
    taken = {view.connection.external_id: view.connection.name for view in app.connections.every(owner.id)}
    for account in accounts:
        if account.external_id in taken:
            raise Conflict(f"Account {account.external_id} is connected already as '{taken[account.external_id]}' in {owner.name}.")
        if not account.enabled:
            raise Usage(f"{account.name} ({account.external_id}) is {account.status} at {Provider.META.label}. It cannot be synced.")
    credential = app.credentials.store(owner.id, "meta_token", token, None)
    made = [
        app.connections.create(owner.id, Provider.META, account, credential, sync_frequency, app.settings.gross_margin)
        for account in accounts
    ]
    for view in made:
        request_sync(app, view.connection.id)
    return [app.connections.get(view.connection.id) for view in made]


def request_sync(app: App, reference: str, parts: Parts = Parts.BOTH, *, force: bool = False) -> Ticket:
    """Queue a sync and ask Prefect for a run; returns at once, with the open run if there is one.

    The request is stored first: when Prefect is down it waits, and the worker's sweep asks again.

    Raises:
        UnknownConnection: no such connection.
        Usage: the connection is not synced at all at present; the message says why.
    """
    view = app.connections.get(reference)
    ticket = app.runs.request(view.connection.id, parts, force=force)
    provider = view.connection.provider
    orchestrator.use_running_server(app.settings.home)
    try:
        orchestrator.request_on_demand(provider, app.runs)
    except Unavailable:
        log.warning("Prefect does not answer; the sync of %s is queued and starts when the worker runs", view.connection.name)
    return ticket
