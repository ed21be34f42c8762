"""Google Ads, as the rest of adpulse knows it."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

from adpulse import redact
from adpulse.metrics_request import Step
from adpulse.model import FetchKind
from adpulse.platforms.base import CallLimit, Credential, CredentialPrompt, Platform, PlatformClient, Size, Version, WorkingSizes
from adpulse.platforms.google.costs import NAME, GoogleCosts
from adpulse.platforms.google.export_columns import EXPORT_COLUMNS
from adpulse.platforms.google.metrics import RULES, WORDS
from adpulse.platforms.google.settings import GoogleSettings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from adpulse.clock import Clock
    from adpulse.platforms.consent import Consent
    from adpulse.platforms.google.credentials import Key
    from adpulse.probe.platform_probe import PlatformProbe

OPERATIONS = {"explorer": 2880, "basic": 15_000, "standard": None}
"""Operations in 24 hours by the project's access level; None is no limit. Source: Google's page "Access Levels"."""

VERSIONS = (
    Version(name="v23", ends=date(2027, 2, 1)),
    Version(name="v24", ends=date(2027, 5, 1)),
    Version(name="v25", ends=date(2027, 8, 1)),
    Version(name="v26", ends=date(2027, 11, 1)),
)
"""Source: "Deprecation and sunset" of the Google Ads API's documentation, read 2026-11-29.

It names months, any day of which may be the end, so the first counts. Minor versions share the address and the end of their major one.
"""

_CONNECT = """Connect Google Ads customers; of a manager, all of its clients can be chosen.

The credentials are a refresh token of the OAuth client in ADPULSE_GOOGLE_CLIENT_ID, or the JSON of an authorised user or a
service account. They come from the environment variable ADPULSE_GOOGLE_CREDENTIALS, from standard input, or from a prompt."""


def _client(config: GoogleSettings, clock: "Clock", credential: Credential, _: WorkingSizes) -> PlatformClient:
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # its core writes every connection that a server closes to standard error
    from adpulse.platforms.google.client import Endpoint, GoogleClient

    endpoint = Endpoint(address=config.endpoint, version=config.version, timeout=config.timeout_seconds)
    return GoogleClient(_key(config, credential.secret), endpoint, clock)


def _key(config: GoogleSettings, secret: "SecretStr") -> "Key":
    from adpulse.platforms.google.credentials import OauthClient, parse

    client = OauthClient(token_url=config.token_url, id=config.client_id, secret=config.client_secret)
    return parse(secret, client)


def _consent(config: GoogleSettings, clock: "Clock") -> "Consent | None":
    from adpulse.platforms.google.consent import GoogleConsent

    if not config.client_id or not config.client_secret:
        return None
    redact.protect(config.client_secret.get_secret_value())
    return GoogleConsent(
        auth_url=config.auth_url,
        token_url=config.token_url,
        client_id=config.client_id,
        client_secret=config.client_secret,
        clock=clock,
    )


def _costs(size: Size, page_size: int) -> GoogleCosts:
    del page_size  # answers come whole
    return GoogleCosts(size=size)


def _shared_limit(config: GoogleSettings) -> CallLimit | None:
    operations = OPERATIONS[config.access]
    return CallLimit(calls=operations, window=timedelta(days=1)) if operations else None


def _production_checks(config: GoogleSettings) -> Iterator[str]:
    if config.access == "explorer":
        yield "ADPULSE_GOOGLE_ACCESS is explorer, 2,880 operations a day. Is that the project's level?"


def _probe() -> "PlatformProbe":
    from adpulse.platforms.google.probing.probe import PROBE

    return PROBE


GOOGLE = Platform(
    name=NAME,
    settings=GoogleSettings,
    label="Google Ads",
    levels="campaigns, ad groups, ads, asset groups",
    metric_kinds=(FetchKind.ADS, FetchKind.CATEGORIES, FetchKind.CAMPAIGNS),
    account_totals_age=timedelta(days=1),
    metrics=WORDS,
    mapping=RULES,
    export_columns=EXPORT_COLUMNS,
    conversions_complete_after=timedelta(hours=15),  # Google Ads Help, "About data freshness": with other attribution than the last click
    lookback_days=90,
    reads_days_whole=True,
    smaller_requests=(Step.CAMPAIGNS,),
    reports_removed=True,
    scope_owner="Google Cloud project",
    call_unit="operations",
    entrypoint="flows.google_sync.google_sync",
    knows=lambda _level, _field, value: value != "UNKNOWN" and not value.isdecimal(),  # the version's, and the SDK's own, as a number
    tick_delay=timedelta(seconds=10),
    credential=CredentialPrompt(variable="ADPULSE_GOOGLE_CREDENTIALS", name="Google refresh token or credentials"),
    connect_help=_CONNECT,
    accounts_help="How many Google Ads accounts, all of one Google Cloud project.",
    app_settings="ADPULSE_GOOGLE_CLIENT_ID and ADPULSE_GOOGLE_CLIENT_SECRET",
    addresses=("endpoint", "token_url"),
    versions=VERSIONS,
    pinned=lambda config: config.version,
    access_levels=tuple(OPERATIONS),
    plain_http_host=None,
    renewed_scope=None,
    issuer_of_scope=lambda _: None,
    scope_notice=lambda _: "",
    account_id=lambda written: written.replace("-", ""),
    page_size=lambda _: 1,
    largest_page=lambda _: 1,
    costs=_costs,
    shared_limit=_shared_limit,
    burst_limit=None,
    client=_client,
    consent=_consent,
    production_checks=_production_checks,
    probe=_probe,
)
