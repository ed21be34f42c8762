"""How accounts get connected by people who have no terminal: consent in the browser or a pasted secret, then a choice of accounts.

A credential waits as a grant until its accounts are chosen; see ``storage/control/grants.py``. :mod:`adpulse.services` does the rest.
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
from adpulse.services.syncing import Ask, dispatch
from adpulse.settings import LOOPBACK_HOSTS
from storage.control.authorizations import Begun
from storage.control.connections import ConnectionView
from storage.control.credentials import Ending
from storage.control.grants import Grant

log = logging.getLogger(__name__)

CALLBACK = "/oauth/callback"
RENEW_BEFORE = timedelta(days=14)
_TRY_EVERY = timedelta(days=1)
_AT_ONCE = 3
"""How many renewals a pass of the sweep may take time for."""

_ERROR_WORD = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Where a person consents, and what their browser must hold when it comes back to ``redirect_uri``."""

    url: str
    redirect_uri: str
    begun: Begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a browser brings back from a platform, and what it, or the program that asks in its place, proves to be."""

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
    consent, redirect_uri = _consent(app, provider), _redirect_uri(app, provider, reached_at)
    connection_id = connection.id if connection else None
    begun = app.authorizations.begin(workspace_id, provider, connection_id, redirect_uri=redirect_uri, begun_by=begun_by)
    url = consent.authorization_url(AuthorizationRequest(state=begun.state, verifier=begun.verifier, redirect_uri=redirect_uri))
    return Invitation(url=url, redirect_uri=redirect_uri, begun=begun)


def finish_authorisation(app: App, returned: Returned) -> Grant:
    """Turn what the browser brought back into a grant; a state is good once, and only where it was begun.

    Raises:
        Usage: nobody began this here, it took too long, or the person did not allow it.
        BadRequest, AccountRefused, AuthExpired, RateLimited, Unavailable: the platform did not give what was asked for.
    """
    asked = app.authorizations.take(returned.state, returned.browser, returned.key_id)
    if asked is None:
        message = (
            "Nobody began to connect an account in this browser, or it took longer than ten minutes. Begin again, and stay in one browser."
        )
        raise Usage(message)
    if returned.code is None:
        why = returned.error if returned.error and _ERROR_WORD.fullmatch(returned.error) else "no reason was given"
        raise Usage(f"{platform_of(asked.provider).label} was not connected: access was not allowed ({why}). Nothing was stored.")
    consent = _consent(app, asked.provider)
    grant_id = app.grants.reserve(asked.workspace_id, asked.provider, asked.connection_id)
    given = consent.redeem(
        returned.code, AuthorizationRequest(state=returned.state, verifier=asked.verifier, redirect_uri=asked.redirect_uri)
    )
    reached = discover(app, asked.provider, given.secret, CredentialInfo(ends_at=given.expires_at))
    return app.grants.fill(grant_id, given.secret, reached)


def grant_of(app: App, workspace_id: str, provider: Provider, secret: SecretStr) -> Grant:
    """A grant of what a person pasted or uploaded: a token, or credentials as JSON.

    Raises:
        AuthExpired, AccountRefused, RateLimited, Unavailable: it was not accepted, nothing was stored.
        Usage: it is incomplete.
    """
    grant_id = app.grants.reserve(workspace_id, provider)
    return app.grants.fill(grant_id, secret, discover(app, provider, secret))


def every_account(app: App, grant: Grant, manager_id: str | None = None) -> list[str]:
    """The ids of all accounts that can be synced and are not connected yet; with a manager's id, those that are reached through it.

    Raises:
        Usage: there is none.
    """
    account_id = platform_of(grant.provider).account_id
    taken, manager = connected_accounts(app, grant), account_id(manager_id) if manager_id else None
    found = [
        each.external_id
        for each in grant.accounts
        if each.enabled and not each.manager and each.external_id not in taken and manager in (None, each.login_customer_id)
    ]
    if not found:
        through = f" through {manager}" if manager else ""
        raise Usage(f"The credential reaches no account{through} that can be synced and is not connected yet.")
    return found


def connect(app: App, grant: Grant, wanted: Sequence[str], sync_frequency: str, ask: Ask = dispatch) -> list[ConnectionView]:
    """Connect accounts that a grant reaches, by their ids.

    Raises:
        NotFound, FrequencyRefused, Conflict, Usage: nothing was stored, and the grant can still be used unless it is the cause.
    """
    accounts = _chosen(grant, wanted)
    connecting.require_connectable(app, grant.workspace_id, grant.provider, accounts, sync_frequency)
    secret = app.grants.take(grant.id, grant.workspace_id)
    return connecting.connect(app, grant.workspace_id, grant.provider, secret, _reached(grant, accounts), sync_frequency, ask=ask)


def reconnect(app: App, connection: Connection, grant: Grant, ask: Ask = dispatch) -> list[ConnectionView]:
    """Give a connection, and those that shared its credential, what was granted; their history goes on.

    Raises:
        NotFound, Usage: nothing was changed, and the grant can still be used unless it is the cause.
    """
    if grant.provider != connection.provider:
        ours, theirs = platform_of(connection.provider).label, platform_of(grant.provider).label
        raise Usage(f"{connection.name} is a connection of {ours}; this was granted by {theirs}.")
    connecting.require_reached(connection, grant.accounts)
    secret = app.grants.take(grant.id, grant.workspace_id)
    return connecting.reconnect(app, connection.id, secret, _reached(grant, grant.accounts), ask=ask)


def connected_accounts(app: App, grant: Grant) -> set[str]:
    """The ids of the accounts, as the platform reports them now, that the grant's workspace has connected already."""
    views = app.connections.every(grant.workspace_id)
    taken = {(each.connection.external_id, each.connection.currency) for each in views if each.connection.provider == grant.provider}
    return {each.external_id for each in grant.accounts if (each.external_id, each.currency) in taken}


def renew(app: App) -> int:
    """Exchange credentials that end soon for ones that end later, each at most once a day; returns how many were.

    A platform exchanges its app's own credentials only, so those of another app are left as they are.
    What cannot be renewed is told with its connections, whose end comes nearer.
    """
    return sum(_renew_of(app, platform.name, platform.renewed_scope) for platform in PLATFORMS.values() if platform.renewed_scope)


def _renew_of(app: App, provider: Provider, scope: str) -> int:
    consent, now = app.consent(provider), app.clock.now()
    if consent is None:
        return 0
    done = 0
    for ending in app.credentials.ending(scope, now, now + RENEW_BEFORE, untried_since=now - _TRY_EVERY, limit=_AT_ONCE):
        try:
            done += _renewed(app, provider, consent, ending)
        except (RateLimited, Unavailable) as error:
            log.warning("credentials that end soon are not renewed at present: %s", error)
            break
        except AdpulseError as error:
            log.warning("a credential that ends at %s cannot be renewed: %s", ending.expires_at, error)
    return done


def _renewed(app: App, provider: Provider, consent: Consent, ending: Ending) -> bool:
    given = consent.renew(app.credentials.open(ending.id))
    if given is None or (given.expires_at is not None and given.expires_at <= ending.expires_at):
        log.info("a credential that ends at %s was not prolonged", ending.expires_at)
        return False
    fresh = app.credentials.store(ending.workspace_id, provider, given.secret, given.expires_at)
    app.connections.renew_credential(ending.id, fresh)
    log.info("a credential that ended at %s was renewed; it ends at %s", ending.expires_at, given.expires_at)
    return True


def _consent(app: App, provider: Provider) -> Consent:
    found = app.consent(provider)
    if found is None:
        platform = platform_of(provider)
        raise Usage(f"This installation has no app at {platform.label}, so nobody can consent there. Set {platform.app_settings}.")
    return found


def _redirect_uri(app: App, provider: Provider, reached_at: str) -> str:
    base = app.settings.public_url or reached_at.rstrip("/")
    parts = urlsplit(base)
    if app.settings.public_url is None and parts.hostname not in LOOPBACK_HOSTS:
        message = (
            "Set ADPULSE_PUBLIC_URL to where browsers reach this installation: platforms send people back only to an address that is known."
        )
        raise Usage(message)
    platform = platform_of(provider)
    if platform.plain_http_host and parts.scheme == "http" and parts.hostname != platform.plain_http_host:
        port = f":{parts.port}" if parts.port else ""
        place = f"http://{platform.plain_http_host}{port}{parts.path}"
        raise Usage(f"Without https, {platform.label} sends people back to {platform.plain_http_host} only. Open this at {place} instead.")
    return f"{base}{CALLBACK}"


def _reached(grant: Grant, accounts: Sequence[AccountFacts]) -> DiscoveredAccounts:
    return DiscoveredAccounts(accounts=accounts, scope=grant.scope, expires_at=grant.credential_expires_at)


def _chosen(grant: Grant, wanted: Sequence[str]) -> list[AccountFacts]:
    reached = {each.external_id: each for each in grant.accounts}
    bare = list(dict.fromkeys(map(platform_of(grant.provider).account_id, wanted)))
    if not bare:
        raise Usage("Choose at least one account.")
    if unknown := [each for each in bare if each not in reached]:
        raise Usage(f"The credential does not reach account {', '.join(unknown)}.")
    return [reached[each] for each in bare]
