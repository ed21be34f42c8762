"""Request and response models of the connections' routes."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field, StrictBool

from adpulse.api.fields import At, Body, Count, Line, Name, ProviderName, Ref, WorkspaceRef
from adpulse.frequency import Frequency
from adpulse.mapping import MAPPED, Clicks
from adpulse.model import ConnectionStatus, FetchKind, Level, SyncStatus
from adpulse.planner.completeness import DayLevel
from adpulse.settings import MOST_CALLS_PER_HOUR
from storage.control.labels import MAX_LABELS
from storage.control.listing import Criteria, Order

_CURSOR = "WyJuYW1lIiwiSGFyYm9yIE91dGRvb3IiLCI3YTNmMmMxZS0wZjlkLTRiNmEtOGM1ZS0yZDFiMGE5ZjhlN2QiXQ=="


class SyncTelemetry(BaseModel):
    """How a connection is synced. Instants are UTC of business time."""

    sync_frequency: Frequency
    last_sync_attempted_at: At | None
    last_sync_completed_at: At | None
    last_metrics_changed_at: At | None = Field(description="When a stored metric changed last: how fresh the platform's numbers are.")
    total_syncs_attempted: Count
    total_syncs_with_changes: Count
    sync_status: SyncStatus
    last_sync_error: str | None = Field(examples=["Meta does not answer. It is tried again."])


class WarningOut(BaseModel):
    """A failure that does not stop the connection's numbers. It ends with the next try that succeeds."""

    kind: str = Field(
        examples=["entities_full"],
        description="`entities_full`, `entities_changed`, `entities_confirmed`, `account_facts` or `uncounted_results`; "
        "later versions may add others.",
    )
    message: str = Field(examples=["Meta refused a request for account 1270000000007919."])
    code: str | None = Field(examples=["100/2446289"], description="The platform's own code.")
    times: Count = Field(description="How often it failed since it last succeeded.")
    first_at: At
    last_at: At
    retry_at: At = Field(description="When it is tried again; a requested sync tries at once.")


class MappingOut(BaseModel):
    """What counts as a connection's conversions: action types of Meta, categories and ids of conversion actions of Google."""

    name: str = Field(examples=["default"], description="A preset's name, or that of a mapping of your own.")
    purchases: list[str] = Field(examples=[["omni_purchase", "purchase"]])
    leads: list[str] = Field(examples=[["lead", "onsite_conversion.lead_grouped"]])
    installs: list[str] = Field(examples=[["omni_app_install"]])
    visitors: list[str] = Field(examples=[["omni_landing_page_view"]])
    conversions: list[str] = Field(
        examples=[["purchases", "leads", "installs"]],
        description="Types, or names of the four above for all of their types; `platform` is Google's own total.",
    )
    clicks: Clicks = Field(description="All clicks, or those on links only (Meta).")
    attribution: list[str] = Field(
        examples=[["7d_click", "1d_view"]],
        description="`default`, the platform's own (Meta: each ad set's setting; Google: the day of the click); windows of Meta, whose "
        "conversions are added up; or `conversion_date` (Google), the day of the conversion.",
    )
    since: At | None = Field(description="When it was chosen; null if nobody chose one.")


class ConnectionOut(SyncTelemetry):
    """A connection with its telemetry, how often it is really read, and what delays it."""

    id: Ref
    workspace_id: WorkspaceRef
    name: Name
    provider: ProviderName
    external_id: str = Field(examples=["1270000000007919"])
    currency: str = Field(examples=["USD"])
    timezone: str = Field(examples=["America/New_York"])
    labels: list[str] = Field(examples=[["eu", "retail"]])
    gross_margin: str = Field(examples=["0.35"], description="A share, exact.")
    calls_per_hour: int | None = Field(
        examples=[None], description="Most calls of its account in any 60 minutes; null is the installation's `ADPULSE_CALLS_PER_HOUR`."
    )
    mapping: MappingOut
    status: ConnectionStatus
    status_reason: str | None = Field(examples=["Paused. Go on with: adpulse resume"])
    effective_interval_seconds: float | None = Field(examples=[300.0])
    effective_interval_reason: str | None = Field(examples=["as chosen"])
    changes_interval_seconds: float | None = Field(
        examples=[None],
        description="How often what changed today is read while it is few campaigns; null where that is no oftener.",
    )
    postponed_until: At | None
    postponed_reason: str | None = Field(examples=["the call budget of this hour is spent"])
    stale_since: At | None = Field(description="Since when no sync completed for three of its intervals; null is fresh.")
    credential_expires_at: At | None = Field(
        description="When its token ends by itself, if that is known. Reconnect it before, unless it is renewed by then."
    )
    cooldown_until: At | None
    cooldown_reason: str | None = Field(examples=["Meta throttles the account."])
    warnings: list[WarningOut] = Field(description="Failures that do not stop its numbers; empty when there are none.")


_LocalDay = date
"""Another name, as a field of this name hides the type."""


class DaysOut(BaseModel):
    """Consecutive days, both included."""

    since: date = Field(examples=["2026-01-03"])
    until: date = Field(examples=["2026-01-05"])


class GapOut(BaseModel):
    """What a day lacks: a whole read, one campaign of it (`campaign_id` alone), or one entity's row (`external_id`).

    It is requested again by itself. Until then what was stored before stays.
    """

    day: date = Field(examples=["2026-03-21"])
    read: FetchKind = Field(examples=[FetchKind.ADS], description="Which read of the day lacks it.")
    entity_level: str | None = Field(examples=["ad"], description="The level of the entity whose row was refused.")
    external_id: str | None = Field(examples=["23850000000017"], description="That entity; null where there are too many to name.")
    campaign_id: str | None = Field(examples=["23850000000004"])
    reason: str = Field(examples=["clicks: not a count"])
    code: str | None = Field(examples=["refused_rows"], description="The platform's own code, or `refused_rows`.")
    first_at: At = Field(description="Since when the day lacks it.")
    last_at: At = Field(description="When it was requested last.")


class RemainderOut(BaseModel):
    """Spend of a day that the platform reports for a total and that nothing stored below it has, in the account's currency, as text.

    Less than zero: more is stored than the platform reports.
    """

    date: _LocalDay = Field(examples=["2026-03-18"])
    level: Level = Field(examples=[Level.ACCOUNT], description="The total: of the account, or of its campaigns.")
    ours: str = Field(examples=["912.400000"])
    platform: str = Field(examples=["1013.780000"])
    remainder: str = Field(examples=["101.380000"])
    share: str | None = Field(examples=["0.100002"], description="Of the platform's total; null where that is zero.")
    deleted: int = Field(examples=[0], description="Entities that are known to be deleted and that could be the reason.")
    leafless: str = Field(examples=["0.000000"], description="The part of it that is of campaigns with nothing below them that reports.")
    unexplained: bool = Field(
        examples=[True], description="More than 0.1 % of a day that ended at least a day ago, and nothing known is the reason."
    )


class UnknownConversionsOut(BaseModel):
    """A day on which conversions of some ads are unknown, because their results do not add up (mapping `results`)."""

    date: _LocalDay = Field(examples=["2026-03-18"])
    ads: int = Field(examples=[3], description="How many ads; a sum of the day's conversions is null.")


class CompletenessOut(BaseModel):
    """How complete one level of a connection's days is. Days are the account's own.

    On a day that was read, an entity without a row and without a gap has zeros; about a day that was not read, nothing is known.
    """

    level: DayLevel = Field(description="`leaf`: ads and asset groups. `campaign`: the campaigns' totals.")
    since: date = Field(examples=["2025-12-29"], description="The first day that was read.")
    complete_through: date = Field(
        examples=["2026-03-28"], description="Every day from `since` to this one was read, and no row of it was refused."
    )
    settled_through: date | None = Field(
        examples=["2026-02-27"], description="Up to here the platform restates nothing any more; null while the first day is still open."
    )
    holes: list[DaysOut] = Field(description="Days after `since` that were not read, oldest first.")
    last_day: date = Field(examples=["2026-03-28"], description="The last day that was read.")
    fresh_until: At = Field(description="The last day's numbers are the platform's of this instant, or later ones.")
    whole_at: At | None = Field(
        description="When all of the last day was read, if only what changed was read since: then `fresh_until` is when its campaigns' "
        "totals were compared last. Null otherwise."
    )
    gaps: list[GapOut] = Field(description="What days lack, with the reasons, oldest first.")
    remainders: list[RemainderOut] = Field(
        description="Days whose spend is not the platform's total: of campaigns for `leaf`, of the account for `campaign`; newest first."
    )
    unknown_conversions: list[UnknownConversionsOut] = Field(description="Days of `leaf` on which conversions are unknown, oldest first.")


class ConnectionPage(BaseModel):
    """A page of a list. ``next_cursor`` requests the next page; null on the last one."""

    connections: list[ConnectionOut]
    next_cursor: str | None = Field(examples=[_CURSOR])


class ListQuery(Body):
    """Filters, page size, order, and the cursor of the next page."""

    provider: ProviderName | None = None
    status: ConnectionStatus | None = Field(None, examples=["active"])
    frequency: Frequency | None = Field(None, examples=["hourly"])
    label: Line | None = Field(None, examples=["eu"])
    q: Line | None = Field(None, examples=["harbor"], description="A part of the name or of the account's id, in upper or lower case.")
    sort: Order = Field(Order.NAME, description="`last_completed`: the longest ago first.")
    limit: int = Field(50, ge=1, le=200, examples=[50])
    cursor: str | None = Field(
        None, max_length=2048, examples=[_CURSOR], description="`next_cursor` of the page before, asked for with the same `sort`."
    )

    def criteria(self, workspace_id: str | None) -> Criteria:
        """The filters as criteria for storage, within the workspace."""
        fields = {name: getattr(self, name) for name in ("provider", "status", "frequency", "label")}
        return Criteria(workspace_id=workspace_id, search=self.q, **fields)


class MappingIn(Body):
    """A preset, or other types for some metrics of the present mapping or of that preset. An empty list counts nothing."""

    preset: str | None = Field(None, max_length=64, examples=["purchases"], description="`default`, `purchases`, or `results` (Meta).")
    name: Line | None = Field(None, examples=["Bookings"], description="What to call a mapping of your own.")
    purchases: list[str] | None = Field(None, max_length=100, examples=[["omni_purchase"]])
    leads: list[str] | None = Field(None, max_length=100, examples=[["lead", "onsite_conversion.messaging_conversation_started_7d"]])
    installs: list[str] | None = Field(None, max_length=100, examples=[["omni_app_install"]])
    visitors: list[str] | None = Field(None, max_length=100, examples=[["omni_landing_page_view"]])
    conversions: list[str] | None = Field(None, max_length=100, examples=[["purchases", "leads"]])
    clicks: Clicks | None = Field(None, examples=["all"])
    attribution: list[str] | None = Field(
        None, max_length=8, examples=[["7d_click", "1d_view"]], description="`default` to follow the platform."
    )

    @property
    def changes(self) -> dict[str, list[str]]:
        """The metrics that count other types."""
        types = {metric: types for metric in MAPPED if (types := getattr(self, metric)) is not None}
        clicks = {"clicks": [self.clicks.value]} if self.clicks else {}
        return types | clicks | ({} if self.attribution is None else {"attribution": self.attribution})


class ConnectionChange(Body):
    """Fields that are left out stay as they are; all fields are checked before anything is changed."""

    name: Line | None = Field(None, examples=["Harbor Outdoor"], description="What people call it; the platform's name stays its own.")
    labels: list[str] | None = Field(None, max_length=MAX_LABELS, examples=[["eu", "retail"]], description="These and no others.")
    gross_margin: str | None = Field(
        None, max_length=32, examples=["0.35"], description="A share, or a percentage such as `35%`. Every stored day's profit follows."
    )
    calls_per_hour: int | None = Field(
        None,
        ge=1,
        le=MOST_CALLS_PER_HOUR,
        examples=[400],
        description="Most calls of its account in any 60 minutes, null for the installation's limit; only operators change it.",
    )
    mapping: MappingIn | None = Field(None, description="What counts as its conversions. The platform's lookback is read again by it.")


class FrequencyIn(Body):
    """``realtime`` only where the workspace was granted it."""

    sync_frequency: str = Field(examples=["hourly"], max_length=64)


class SyncIn(Body):
    """``force_refresh`` reads the whole lookback window again at once; still only changes are written."""

    force_refresh: StrictBool = Field(default=False, examples=[True])


class DeletionProposal(BaseModel):
    """What would be deleted, counted in the published copy. The same request with ``confirmation`` deletes it, for good."""

    confirmation: str = Field(examples=["gAAAAAB..."])
    confirm_until: At = Field(description="Real time, UTC.")
    connection_id: Ref
    name: Name
    rows: Count = Field(description="Rows of metrics.")
    days: Count
    since: date | None = Field(examples=["2026-08-28"], description="The first of these days.")
    entities: Count
    changes: Count = Field(description="Recorded changes of numbers and entities.")


class Deleting(BaseModel):
    """It is not synced any more. A running worker deletes it within moments; then requests for it get a 404."""

    connection_id: Ref
    status: Literal[ConnectionStatus.DELETING] = ConnectionStatus.DELETING
