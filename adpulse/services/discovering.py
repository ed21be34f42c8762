"""Asks a platform what a credential reaches: whose it is first, then its accounts."""

import hashlib
import logging

from pydantic import SecretStr

from adpulse.bootstrap import App
from adpulse.discovered_accounts import DiscoveredAccounts
from adpulse.errors import AccountRefused, AdpulseError
from adpulse.model import Heat, Provider
from adpulse.platforms.consent import CredentialInfo
from adpulse.platforms.registry import platform_of

log = logging.getLogger(__name__)


def discover(app: App, provider: Provider, secret: SecretStr, issued: CredentialInfo | None = None) -> DiscoveredAccounts:
    """Every account the credential reaches, managers too; the calls are counted under its fingerprint, as there is no account yet.

    ``issued`` is what is known of it already; else the platform is asked, where the installation has an app that may ask.

    Raises:
        AuthExpired, AccountRefused, RateLimited, Unavailable: the credential was not accepted, nothing was stored.
        Usage: it is incomplete.
    """
    known = issued or _asked(app, provider, secret)
    client = app.client_for(provider, secret, known.app_id)
    key = f"{provider}:token:{hashlib.sha256(secret.get_secret_value().encode()).hexdigest()[:16]}"
    accounts = client.accounts(lambda: app.ledger.take(key, client.scope, Heat.HOT))
    return DiscoveredAccounts(accounts=accounts, scope=client.scope, expires_at=known.ends_at)


def _asked(app: App, provider: Provider, secret: SecretStr) -> CredentialInfo:
    """What the platform tells of the credential; not knowing it keeps nobody from connecting."""
    consent = app.consent(provider)
    if consent is None:
        return CredentialInfo()
    try:
        return consent.inspect(secret)
    except AccountRefused:
        raise
    except AdpulseError as error:
        log.info("%s does not tell whose a credential is: %s", platform_of(provider).label, error.code)
        return CredentialInfo()
