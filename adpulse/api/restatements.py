"""What platforms changed of days that were complete, and how an account's conversions come in, as the pages show them."""

from collections.abc import Iterable
from datetime import date

from pydantic import BaseModel, Field

from adpulse.api import routing
from adpulse.api.access import Viewer
from adpulse.api.fields import Amount, ConnectionId, Count, amount
from adpulse.api.problems import CLOSED, READS
from adpulse.restatement import Restatement, sentence
from storage.warehouse.restated_days import RestatedDay, read_restatements

router = routing.router("restatements", responses=CLOSED)


class RestatementOut(BaseModel):
    """A metric before and after it was restated, the last time on ``restated_on``, the account's own day. ``share`` is null from zero."""

    metric: str = Field(examples=["purchases"])
    before: Amount
    after: Amount
    share: float | None = Field(examples=[0.031])
    restated_on: date = Field(examples=["2026-11-26"])


class RestatedDayOut(BaseModel):
    """A day that was restated."""

    day: date = Field(examples=["2026-11-24"])
    restated: list[RestatementOut]


class RestatedCampaignDayOut(RestatedDayOut):
    """A campaign's day that was restated; an empty ``campaign_id`` is what the platform reports by no campaign."""

    campaign_id: str = Field(examples=["120210000000001"])
    campaign: str = Field(examples=["Spring sale"])


class LagOut(BaseModel):
    """The share of a metric's final value that is in at each age of a day, beginning with the day itself."""

    metric: str = Field(examples=["purchases"])
    days: Count = Field(description="Settled days that the shares are of.")
    shares: list[float] = Field(examples=[[0.71, 0.85, 0.92, 1.0]])
    sentence: str = Field(examples=["After 2 days 92 % of purchases are in; on the day itself 71 %."])


class RestatementsOut(BaseModel):
    """What was restated of an account since a day, by day and by campaign, and its curves; currencies are never added up."""

    currency: str = Field(examples=["USD"])
    since: date = Field(description="After this day of the account.", examples=["2026-11-19"])
    days: list[RestatedDayOut]
    campaigns: list[RestatedCampaignDayOut]
    settled_until: date | None = Field(description="The last settled day of the curves; null while there is none.", examples=["2026-10-28"])
    lags: list[LagOut]


@router.get(
    "/connections/{connection_id}/restatements", summary="What was restated last week, and how late conversions come", responses=READS
)
def read_account_restatements(caller: Viewer, connection_id: ConnectionId) -> RestatementsOut:
    """The numbers of the page Restatements, from what was published last: restatements of the last 7 days, curves of the last 120."""
    connection = caller.connection(connection_id).connection
    today = connection.today(caller.app.clock.now())
    stored = read_restatements(caller.app.published(connection.workspace_id), connection.id, today)
    return RestatementsOut(
        currency=connection.currency,
        since=stored.since,
        days=[RestatedDayOut(day=day.date, restated=restatements_out(day.metrics)) for day in stored.days],
        campaigns=[_campaign(day) for day in stored.campaigns],
        settled_until=stored.until,
        lags=[LagOut(metric=lag.metric, days=lag.days, shares=list(map(float, lag.shares)), sentence=sentence(lag)) for lag in stored.lags],
    )


def restatements_out(restatements: Iterable[Restatement]) -> list[RestatementOut]:
    """As the API has them."""
    return [
        RestatementOut(
            metric=one.metric,
            before=amount(one.before),
            after=amount(one.after),
            share=None if one.share is None else float(one.share),
            restated_on=one.restated_on,
        )
        for one in restatements
    ]


def _campaign(day: RestatedDay) -> RestatedCampaignDayOut:
    return RestatedCampaignDayOut(
        day=day.date, campaign_id=day.campaign_id or "", campaign=day.campaign, restated=restatements_out(day.metrics)
    )
