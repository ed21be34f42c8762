"""Pinboard Ads, as adpulse knows it: the only thing that is registered."""

from dataclasses import dataclass
from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict
from third_platform.client import TOLD, PinboardClient

from adpulse.mapping import DEFAULT, ConversionMapping, MappingRules
from adpulse.model import FetchKind, Provider
from adpulse.platforms.base import CALLS_PER_LEG, COMPLETE_AFTER, CallLimit, CredentialPrompt, Platform, PlatformSettings, Size

NAME = Provider("pinboard")
CALLS_A_REPORT = 3
"""Asking for it, and two polls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinboardCosts:
    size: Size
    provider: Provider = NAME
    full_walk: int = 1
    changed_walk: int = 1
    usual_changed_walk: float = 1.0
    lookup: int = 0
    per_leg: int = CALLS_PER_LEG

    def read(self, kind, days):  # noqa: ARG002 - a report costs the same whatever its range
        return 0 if kind is FetchKind.CATEGORIES else CALLS_A_REPORT

    def usual(self, kind, days):
        return self.read(kind, days)

    def longest(self, days, calls):  # noqa: ARG002 - the same
        return max(1, min(days, 30))


class PinboardSettings(PlatformSettings):
    model_config = SettingsConfigDict(env_prefix="ADPULSE_PINBOARD_")

    url: str = Field("https://api.pinboard.example", description="Where Pinboard answers.")
    points: int = Field(500, ge=1, description="Points of an app in ten minutes.")


_TYPES = {"purchases": ("sale",), "leads": (), "installs": (), "visitors": (), "conversions": ("purchases",)}
MAPPING = MappingRules(presets={DEFAULT: ConversionMapping(name=DEFAULT, **_TYPES)}, refusal=lambda _: "Pinboard has one.")

PINBOARD = Platform(
    name=NAME,
    settings=PinboardSettings,
    label="Pinboard Ads",
    levels="campaigns, pins",
    metric_kinds=(FetchKind.ADS, FetchKind.CAMPAIGNS),
    account_totals_age=None,
    metrics=TOLD,
    mapping=MAPPING,
    export_columns={},
    conversions_complete_after=COMPLETE_AFTER,
    lookback_days=14,
    reads_days_whole=True,
    smaller_requests=(),
    reports_removed=True,
    scope_owner="Pinboard app",
    call_unit="points",
    entrypoint="third_platform.flow.pinboard_sync",
    knows=lambda *_: True,
    tick_delay=timedelta(seconds=20),
    credential=CredentialPrompt(variable="ADPULSE_PINBOARD_TOKEN", name="Pinboard token"),
    connect_help="Connect Pinboard Ads accounts.",
    accounts_help="How many Pinboard accounts, all of one app.",
    app_settings="ADPULSE_PINBOARD_APP_ID",
    addresses=("url",),
    versions=(),
    pinned=lambda _: "",
    access_levels=(),
    plain_http_host=None,
    renewed_scope=None,
    issuer_of_scope=lambda _: None,
    scope_notice=lambda _: "",
    account_id=lambda written: written,
    page_size=lambda _: 1,
    largest_page=lambda _: 1,
    costs=lambda size, _: PinboardCosts(size=size),
    shared_limit=lambda config: CallLimit(calls=config.points, window=timedelta(minutes=10)),
    burst_limit=None,
    client=lambda config, _clock, credential, _sizes: PinboardClient(config.url, credential.secret.get_secret_value()),
    consent=lambda *_: None,
    production_checks=lambda _: iter(()),
    probe=None,
)
