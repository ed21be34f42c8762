"""Meta Ads, as the rest of adpulse knows it."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

from adpulse import redact
from adpulse.metrics_request import Step
from adpulse.model import FetchKind, Level
from adpulse.platforms.base import (
    COMPLETE_AFTER,
    CallLimit,
    Credential,
    CredentialPrompt,
    Platform,
    PlatformClient,
    Size,
    Version,
    WorkingSizes,
)
from adpulse.platforms.meta import tokens
from adpulse.platforms.meta.costs import NAME, MetaCosts
from adpulse.platforms.meta.export_columns import EXPORT_COLUMNS
from adpulse.platforms.meta.metrics import RULES, WORDS
from adpulse.platforms.meta.settings import MetaSettings

if TYPE_CHECKING:
    from adpulse.clock import Clock
    from adpulse.platforms.consent import Consent
    from adpulse.probe.platform_probe import PlatformProbe

VERSIONS = (Version(name="v25.0", ends=date(2027, 2, 23)), Version(name="v26.0"), Version(name="v27.0"))
"""Source: "Marketing API version history" of Meta's documentation, read 2026-11-29. Graph versions live longer, but not for ads."""

BURST_LIMIT = CallLimit(calls=50, window=timedelta(seconds=300))
"""An app of the limited tier is blocked for 300 s beyond 60 points of an account, which decay in 300 s; a read is one point.

Source: "Marketing API Rate Limiting" of Meta's documentation, section "API-Level Limits". Ten points are left to what is not counted here,
such as calls of other programs with the same app.
"""

_CONNECT = """Connect Meta ad accounts.

The token comes from the environment variable ADPULSE_META_TOKEN, from standard input, or from a prompt; never from an
argument, which other users of the machine could read."""


def _client(config: MetaSettings, clock: "Clock", credential: Credential, sizes: WorkingSizes) -> PlatformClient:
    from adpulse.platforms.meta.client import MetaClient
    from adpulse.platforms.meta.session import Endpoint

    del clock
    redact.protect(credential.secret.get_secret_value())
    endpoint = Endpoint(
        graph_url=config.graph_url,
        version=config.version,
        app_id=config.app_id,
        app_secret=config.app_secret,
        page_size=config.page_size,
        largest_page=config.largest_page,
        timeout=config.timeout_seconds,
    )
    return MetaClient(credential.secret, endpoint, sizes, issuer=credential.app_id)


def _consent(config: MetaSettings, clock: "Clock") -> "Consent | None":
    from adpulse.platforms.meta.consent import MetaConsent

    if not config.app_id or not config.app_secret:
        return None
    redact.protect(config.app_secret.get_secret_value())
    return MetaConsent(
        login_url=config.login_url,
        graph_url=config.graph_url,
        version=config.version,
        app_id=config.app_id,
        app_secret=config.app_secret,
        configuration=config.login_configuration,
        clock=clock,
    )


def _costs(size: Size, page_size: int) -> MetaCosts:
    return MetaCosts(size=size, page_size=page_size)


def _shared_limit(config: MetaSettings) -> CallLimit | None:
    calls = config.app_calls_per_hour
    return CallLimit(calls=calls, window=timedelta(hours=1)) if calls else None


def _scope_notice(scope: str) -> str:
    app_id = tokens.issuer_of_scope(scope)
    if app_id is None:
        return ""
    issuer = "another app" if app_id == tokens.UNNAMED_APP else f"the app {app_id}"
    return f"issued by {issuer}, not by yours: its calls carry no proof, and it is not renewed here"


def _knows(level: Level, field: str, value: str) -> bool:
    from adpulse.platforms.meta.statuses import is_known

    return is_known(level, field, value)


def _production_checks(config: MetaSettings) -> Iterator[str]:
    if not config.app_secret:
        yield "ADPULSE_META_APP_SECRET is not set: calls carry no proof, so a stolen token works anywhere."


def _probe() -> "PlatformProbe":
    from adpulse.platforms.meta.probing.probe import PROBE

    return PROBE


META = Platform(
    name=NAME,
    settings=MetaSettings,
    label="Meta Ads",
    levels="campaigns, ad sets, ads",
    metric_kinds=(FetchKind.ADS, FetchKind.CAMPAIGNS),
    account_totals_age=timedelta(0),
    metrics=WORDS,
    mapping=RULES,
    export_columns=EXPORT_COLUMNS,
    conversions_complete_after=COMPLETE_AFTER,
    lookback_days=28,
    reads_days_whole=False,
    smaller_requests=(Step.FIELDS, Step.CAMPAIGNS, Step.REPORT),
    reports_removed=False,
    scope_owner="Meta app",
    call_unit="calls",
    entrypoint="flows.meta_sync.meta_sync",
    knows=_knows,
    tick_delay=timedelta(0),
    credential=CredentialPrompt(variable="ADPULSE_META_TOKEN", name="Meta access token"),
    connect_help=_CONNECT,
    accounts_help="How many Meta ad accounts, all of one app.",
    app_settings="ADPULSE_META_APP_ID and ADPULSE_META_APP_SECRET",
    addresses=("graph_url",),
    versions=VERSIONS,
    pinned=lambda config: config.version,
    access_levels=(),
    plain_http_host="localhost",
    renewed_scope=tokens.SCOPE,
    issuer_of_scope=tokens.issuer_of_scope,
    scope_notice=_scope_notice,
    account_id=lambda written: written.removeprefix("act_"),
    page_size=lambda config: config.page_size,
    largest_page=lambda config: config.largest_page,
    costs=_costs,
    shared_limit=_shared_limit,
    burst_limit=BURST_LIMIT,
    client=_client,
    consent=_consent,
    production_checks=_production_checks,
    probe=_probe,
)
