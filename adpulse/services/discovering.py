"""Asks a platform for the owner of a credential, and for the accounts that it reaches."""

import hashlib
import logging

from pydantic import SecretStr

from adpulse.bootstrap import App
from adpulse.discovered_accounts import DiscoveredAccounts
from adpulse.errors import AccountRefused, AdpulseError
from adpulse.model import Heat, Provider
from adpulse.platforms.consent import Consent, CredentialInfo
from adpulse.platforms.registry import platform_of

log = logging.getLogger(__name__)


def discover(app: App, provider: Provider, secret: SecretStr, issued: CredentialInfo | None = None) -> DiscoveredAccounts:
    """Every account the credential reaches, managers too; the calls are counted under its fingerprint, as there is no account yet.

    ``issued`` are its known details; without them the platform is asked, if the installation has an app there that may ask.

    Raises:
        AuthExpired, AccountRefused, RateLimited, Unavailable: the credential was not accepted, nothing was stored.
        Usage: it is incomplete.
    """
    details = issued or _inspect(app.consent(provider), provider, secret)
    client = app.client_for(provider, secret, details.app_id)
    key = f"{provider}:token:{hashlib.sha256(secret.get_secret_value().encode()).hexdigest()[:16]}"
    accounts = client.accounts(lambda: app.ledger.take(key, client.scope, Heat.HOT))
    return DiscoveredAccounts(accounts=accounts, scope=client.scope, expires_at=details.ends_at)


def _inspect(consent: Consent | None, provider: Provider, secret: SecretStr) -> CredentialInfo:
    """The details that the platform reports about the credential; an error there does not prevent connecting."""
    if consent is None:
        return CredentialInfo()
    try:
        return consent.inspect(secret)
    except AccountRefused:
        raise
    except AdpulseError as error:
        log.info("%s does not report the owner of a credential: %s", platform_of(provider).label, error.code)
        return CredentialInfo()
