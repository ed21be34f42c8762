"""Connecting accounts without a terminal: consent in the browser or a pasted secret, then a choice of accounts.

Until its accounts are chosen, a credential is stored as a grant; see ``storage/control/grants.py``.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import SecretStr

from adpulse.bootstrap import App
from adpulse.discovered_accounts import DiscoveredAccounts
from adpulse.errors import AdpulseError, RateLimited, Unavailable, Usage
from adpulse.model import AccountFacts, Connection, Provider
from adpulse.platforms.consent import AuthorizationRequest, Consent, CredentialInfo
from adpulse.platforms.registry import PLATFORMS, platform_of
from adpulse.services import connecting
from adpulse.services.discovering import discover
from adpulse.services.syncing import Dispatch, dispatch
from adpulse.settings import LOOPBACK_HOSTS
from storage.control.authorizations import NewAuthorization
from storage.control.connections import Connections, ConnectionView
from storage.control.credentials import Ending
from storage.control.grants import Grant

log = logging.getLogger(__name__)

CALLBACK = "/oauth/callback"
RENEW_BEFORE = timedelta(days=14)
_RETRY_INTERVAL = timedelta(days=1)
_RENEWALS_PER_PASS = 3
"""How many credentials one pass of the sweep renews at most."""

_ERROR_WORD = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """The URL at which a person consents, and the state that their browser must present when it returns to ``redirect_uri``."""

    url: str
    redirect_uri: str
    authorization: NewAuthorization


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackParameters:
    """The parameters of a platform's redirect, with the browser's cookie or the id of the API key that finishes the consent."""

    state: str
    code: SecretStr | None
    error: str | None
    browser: SecretStr | None
    key_id: str | None = None


def begin_authorisation(
    app: App, workspace_id: str, provider: Provider, *, reached_at: str, begun_by: str, connection: Connection | None = None
) -> Invitation:
    """Send a person to a platform to consent, for new accounts or for a connection that needs a fresh credential.

    ``reached_at`` is where their browser reaches this installation, ``begun_by`` the id of their key or session.

    Raises:
        Usage: the installation has no app at the platform, or no address that people can be sent back to.
    """
    if connection is not None and connection.provider != provider:
        raise Usage(f"{connection.name} is a connection of {platform_of(connection.provider).label}, not of {platform_of(provider).label}.")
    consent = _require_consent(app.consent(provider), provider)
    redirect_uri = _redirect_uri(app.settings.public_url, provider, reached_at)
    connection_id = connection.id if connection else None
    authorization = app.authorizations.begin(workspace_id, provider, connection_id, redirect_uri=redirect_uri, begun_by=begun_by)
    url = consent.authorization_url(
        AuthorizationRequest(state=authorization.state, verifier=authorization.verifier, redirect_uri=redirect_uri)
    )
    return Invitation(url=url, redirect_uri=redirect_uri, authorization=authorization)


def finish_authorisation(app: App, returned: CallbackParameters) -> Grant:
    """Turn the parameters of the callback into a grant. A state is valid once, and only in the browser or for the key that began.

    Raises:
        Usage: the state is unknown in this browser, it took too long, or the person did not allow access.
        BadRequest, AccountRefused, AuthExpired, RateLimited, Unavailable: the platform did not issue a credential.
    """
    authorization = app.authorizations.take(returned.state, returned.browser, returned.key_id)
    if authorization is None:
        message = "No consent was started in this browser, or it took longer than ten minutes. Start again, and stay in the same browser."
        raise Usage(message)
    if returned.code is None:
        reason = returned.error if returned.error and _ERROR_WORD.fullmatch(returned.error) else "no reason was given"
        raise Usage(
            f"{platform_of(authorization.provider).label} was not connected: access was not allowed ({reason}). Nothing was stored."
        )
    consent = _require_consent(app.consent(authorization.provider), authorization.provider)
    grant_id = app.grants.reserve(authorization.workspace_id, authorization.provider, authorization.connection_id)
    issued = consent.redeem(
        returned.code, AuthorizationRequest(state=returned.state, verifier=authorization.verifier, redirect_uri=authorization.redirect_uri)
    )
    reached = discover(app, authorization.provider, issued.secret, CredentialInfo(ends_at=issued.expires_at))
    return app.grants.fill(grant_id, issued.secret, reached)


def grant_of(app: App, workspace_id: str, provider: Provider, secret: SecretStr) -> Grant:
    """A grant for a pasted or uploaded credential: a token, or credentials as JSON.

    Raises:
        AuthExpired, AccountRefused, RateLimited, Unavailable: it was not accepted, nothing was stored.
        Usage: it is incomplete.
    """
    grant_id = app.grants.reserve(workspace_id, provider)
    return app.grants.fill(grant_id, secret, discover(app, provider, secret))


def connectable_accounts(connections: Connections, grant: Grant, manager_id: str | None = None) -> list[str]:
    """The ids of all accounts that can be synced and are not connected yet; with a manager's id, those that are reached through it.

    Raises:
        Usage: there is none.
    """
    account_id = platform_of(grant.provider).account_id
    connected, manager = connected_accounts(connections, grant), account_id(manager_id) if manager_id else None
    account_ids = [
        account.external_id
        for account in grant.accounts
        if account.can_be_synced and account.external_id not in connected and manager in (None, account.login_customer_id)
    ]
    if not account_ids:
        through = f" through {manager}" if manager else ""
        raise Usage(f"The credential reaches no account{through} that can be synced and is not connected yet.")
    return account_ids


def connect(
    app: App, grant: Grant, account_ids: Sequence[str], sync_frequency: str, dispatcher: Dispatch = dispatch
) -> list[ConnectionView]:
    """Connect accounts that a grant reaches, by their ids.

    Raises:
        NotFound, FrequencyRefused, Conflict, Usage: nothing was stored, and the grant can still be used unless it is the cause.
    """
    accounts = _chosen_accounts(grant, account_ids)
    connecting.require_connectable(app, grant.workspace_id, grant.provider, accounts, sync_frequency)
    secret = app.grants.take(grant.id, grant.workspace_id)
    return connecting.connect(
        app, grant.workspace_id, grant.provider, secret, _reached(grant, accounts), sync_frequency, dispatcher=dispatcher
    )


def reconnect(app: App, connection: Connection, grant: Grant, dispatcher: Dispatch = dispatch) -> list[ConnectionView]:
    """Give a connection, and those that shared its credential, the granted credential; their history continues.

    Raises:
        NotFound, Usage: nothing was changed, and the grant can still be used unless it is the cause.
    """
    if grant.provider != connection.provider:
        own_label, granted_label = platform_of(connection.provider).label, platform_of(grant.provider).label
        raise Usage(f"{connection.name} is a connection of {own_label}; this was granted by {granted_label}.")
    connecting.require_reached(connection, grant.accounts)
    secret = app.grants.take(grant.id, grant.workspace_id)
    return connecting.reconnect(app, connection.id, secret, _reached(grant, grant.accounts), dispatcher=dispatcher)


def connected_accounts(connections: Connections, grant: Grant) -> set[str]:
    """The ids of the accounts, as the platform reports them now, that the grant's workspace has connected already."""
    views = connections.all(grant.workspace_id)
    existing = {(view.connection.external_id, view.connection.currency) for view in views if view.connection.provider == grant.provider}
    return {account.external_id for account in grant.accounts if (account.external_id, account.currency) in existing}


def renew(app: App) -> int:
    """Exchange credentials that end soon for ones that end later, each at most once a day; returns how many were.

    A platform exchanges its app's own credentials only, so those of another app are left as they are.
    A credential that cannot be renewed stays; its connections show when it ends.
    """
    return sum(_renew_provider(app, platform.name, platform.renewed_scope) for platform in PLATFORMS.values() if platform.renewed_scope)


def _renew_provider(app: App, provider: Provider, scope: str) -> int:
    consent, now = app.consent(provider), app.clock.now()
    if consent is None:
        return 0
    renewed = 0
    for ending in app.credentials.ending(scope, now, now + RENEW_BEFORE, untried_since=now - _RETRY_INTERVAL, limit=_RENEWALS_PER_PASS):
        try:
            renewed += _renew_credential(app, provider, consent, ending)
        except (RateLimited, Unavailable) as error:
            log.warning("credentials that end soon are not renewed at present: %s", error)
            break
        except AdpulseError as error:
            log.warning("a credential that ends at %s cannot be renewed: %s", ending.expires_at, error)
    return renewed


def _renew_credential(app: App, provider: Provider, consent: Consent, ending: Ending) -> bool:
    issued = consent.renew(app.credentials.open(ending.id))
    if issued is None or (issued.expires_at is not None and issued.expires_at <= ending.expires_at):
        log.info("a credential that ends at %s was not prolonged", ending.expires_at)
        return False
    fresh = app.credentials.store(ending.workspace_id, provider, issued.secret, issued.expires_at)
    app.connections.renew_credential(ending.id, fresh)
    log.info("a credential that ended at %s was renewed; it ends at %s", ending.expires_at, issued.expires_at)
    return True


def _require_consent(consent: Consent | None, provider: Provider) -> Consent:
    if consent is None:
        platform = platform_of(provider)
        raise Usage(f"This installation has no app at {platform.label}, so nobody can consent there. Set {platform.app_settings}.")
    return consent


def _redirect_uri(public_url: str | None, provider: Provider, reached_at: str) -> str:
    base = public_url or reached_at.rstrip("/")
    parts = urlsplit(base)
    if public_url is None and parts.hostname not in LOOPBACK_HOSTS:
        message = "Set ADPULSE_PUBLIC_URL to where browsers reach this installation: platforms send people back only to a known address."
        raise Usage(message)
    platform = platform_of(provider)
    if platform.plain_http_host and parts.scheme == "http" and parts.hostname != platform.plain_http_host:
        port = f":{parts.port}" if parts.port else ""
        place = f"http://{platform.plain_http_host}{port}{parts.path}"
        raise Usage(f"Without https, {platform.label} sends people back to {platform.plain_http_host} only. Open this at {place} instead.")
    return f"{base}{CALLBACK}"


def _reached(grant: Grant, accounts: Sequence[AccountFacts]) -> DiscoveredAccounts:
    return DiscoveredAccounts(accounts=accounts, scope=grant.scope, expires_at=grant.credential_expires_at)


def _chosen_accounts(grant: Grant, account_ids: Sequence[str]) -> list[AccountFacts]:
    reached = {account.external_id: account for account in grant.accounts}
    bare = list(dict.fromkeys(map(platform_of(grant.provider).account_id, account_ids)))
    if not bare:
        raise Usage("Choose at least one account.")
    if unknown := [account for account in bare if account not in reached]:
        raise Usage(f"The credential does not reach account {', '.join(unknown)}.")
    return [reached[account] for account in bare]
