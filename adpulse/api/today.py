"""The running day of a workspace and the days of an account, as the pages show them."""

from datetime import date
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from adpulse.api import routing
from adpulse.api.access import Viewer
from adpulse.api.fields import Amount, At, ConnectionId, Count, Name, Ref, WorkspaceId, amount
from adpulse.api.problems import CLOSED, READS
from adpulse.api.restatements import RestatementOut, restatements_out
from adpulse.running_day import YESTERDAY, AccountDay, Comparison, Expectation, Numbers, compare
from adpulse.services.reporting_day import ReportingDay, reporting_day
from adpulse.services.today import CurrencyDay, Tile, today_of
from storage.warehouse.account_days import Place, read_account_days
from storage.warehouse.expected_finals import ExpectedFinal

router = routing.router("today", responses=CLOSED)


class NumbersOut(BaseModel):
    """Sums. ``roas`` is revenue by spend, ``cpa`` spend by conversions; null where nothing can be divided."""

    spend: Amount
    revenue: Amount
    conversions: Amount | None = Field(description="Null where those of an ad are unknown, by the mapping `results`.")
    purchases: Amount
    roas: float | None = Field(examples=[2.31])
    cpa: float | None = Field(examples=[12.5])


class ComparisonOut(BaseModel):
    """Spend of today and of an earlier day, of ``accounts`` of ``of`` accounts."""

    today: Amount
    earlier: Amount
    by_hour: bool = Field(description="Whether `earlier` is up to this hour of the account's day; else it is the whole day's.")
    accounts: Count
    of: Count


class ExpectationOut(BaseModel):
    """What the day's spend is expected to end at: the median, and between ``low`` and ``high`` on 8 of 10 days."""

    low: Amount
    median: Amount
    high: Amount
    accounts: Count
    of: Count


class AccountDayOut(BaseModel):
    """An account's running day, which is its own local day."""

    connection_id: Ref
    name: Name
    timezone: str = Field(examples=["America/New_York"])
    day: date = Field(examples=["2026-11-26"])
    numbers: NumbersOut
    yesterday: ComparisonOut
    fresh_until: At | None = Field(description="Null while nothing of today was read.")
    settled: bool
    lacks: list[str] = Field(description="What of today could not be read, and why.", examples=[[]])


class LabelDayOut(BaseModel):
    """The accounts with a label."""

    label: str = Field(examples=["retail"])
    accounts: Count
    numbers: NumbersOut
    yesterday: ComparisonOut


class CoursePoint(BaseModel):
    """What had been spent up to the end of a quarter of an hour of the accounts' local days."""

    until: str = Field(examples=["14:15"])
    spend: Amount


class CourseOut(BaseModel):
    """The course of a day so many days ago."""

    days_ago: Count
    points: list[CoursePoint]


class CurrencyDayOut(BaseModel):
    """Today of all accounts of one currency; currencies are never added up."""

    currency: str = Field(examples=["USD"])
    numbers: NumbersOut
    yesterday: ComparisonOut
    week_ago: ComparisonOut
    expected: ExpectationOut | None = Field(description="Null before an account has 7 days of courses.")
    fresh_until: At | None = Field(description="Of the account that was read first, among those that were read today.")
    unread: Count = Field(description="Accounts that were not read today.")
    settled: bool
    courses: list[CourseOut]
    labels: list[LabelDayOut]
    accounts: list[AccountDayOut]


class DaysQuery(BaseModel):
    """What of the account is read."""

    period: int = Field(7, ge=1, le=45, description="Days that the parts are of, today included.")
    campaign: str | None = Field(None, max_length=64, description="What is below this campaign, instead of all campaigns.")
    ad_set: str | None = Field(None, max_length=64, description="What is in this ad set or ad group of the campaign.")


class MissingOut(BaseModel):
    """Accounts of a currency that has no rate."""

    currency: str = Field(examples=["TRY"])
    accounts: Count


class TotalOut(BaseModel):
    """Today of all accounts in the reporting currency: an estimate by the exchange rates of each account's day."""

    currency: str = Field(examples=["EUR"])
    numbers: NumbersOut = Field(description="Of the accounts that were read today and have a rate.")
    accounts: Count = Field(description="How many these are.")
    missing: list[MissingOut] = Field(
        description="Accounts that were read and are not in `numbers`, as there is no rate of their currency."
    )
    rate_date: date | None = Field(examples=["2026-11-26"], description="Day of the oldest rate; null where nothing was converted.")
    fresh_until: At | None = Field(description="Of the account that was read first, among those that were read today.")
    unread: Count = Field(description="Accounts that were not read today, which are not in `numbers`.")
    settled: bool


class ExpectedFinalOut(BaseModel):
    """What a metric of a day that is over but not settled will end at: an estimate, by how the account's own days came in."""

    metric: str = Field(examples=["purchases"], description="`spend`, `revenue`, `conversions` or `purchases`.")
    value: Amount = Field(description="What is reported of it so far.")
    expected: Amount
    low: Amount = Field(description="Eight of ten days end between `low` and `high`.")
    high: Amount
    days: Count = Field(description="How many followed days of the account it is worked out from, at least 28.")


class DayOut(BaseModel):
    """A day of the account, or of what is chosen in it; the account's own local one."""

    day: date = Field(examples=["2026-11-26"])
    numbers: NumbersOut
    fresh_until: At | None = Field(description="Null where the day was not read.")
    settled: bool
    lacks: list[str] = Field(description="What of the day could not be read, and why.", examples=[[]])
    restated: list[RestatementOut] = Field(description="What the platform changed after the day was complete.")
    expected_final: list[ExpectedFinalOut] = Field(
        description="Of days that are over but not settled, of the account or a campaign; empty before 28 days were followed."
    )


class PartOut(BaseModel):
    """An entity's numbers of the period. Without an ``id``: what the platform reports above, and for nothing below."""

    id: str | None = Field(examples=["120210000000001"])
    level: str | None = Field(examples=["campaign"])
    name: str = Field(examples=["Spring sale"])
    status: str | None = Field(examples=["ACTIVE"])
    numbers: NumbersOut
    spend_before: Amount = Field(description="Spend of as many days before the period.")
    restated: list[RestatementOut] = Field(description="What the platform changed of complete days of the period; of campaigns only.")


class AccountDaysOut(BaseModel):
    """The account's days, oldest first, and the parts of the last of them."""

    currency: str = Field(examples=["USD"])
    timezone: str = Field(examples=["America/New_York"])
    days: list[DayOut]
    parts: list[PartOut]


@router.get("/workspaces/{workspace_id}/today", summary="Today by currency, against earlier days", responses=READS)
def read_today(caller: Viewer, workspace_id: WorkspaceId) -> list[CurrencyDayOut]:
    """The numbers of the page Today, from what was published last. Empty before the first sync."""
    return [_day(day) for day in today_of(caller.app, caller.workspace(workspace_id).id)]


@router.get("/workspaces/{workspace_id}/today/total", summary="Today of all accounts in the reporting currency", responses=READS)
def read_total(caller: Viewer, workspace_id: WorkspaceId) -> TotalOut | None:
    """Today in the currency that the workspace reports in, by the rates that `adpulse fx import` stored; null where it reports in none."""
    owner = caller.workspace(workspace_id)
    day = reporting_day(caller.app, owner, today_of(caller.app, owner.id))
    return _total(day) if day else None


@router.get("/connections/{connection_id}/days", summary="An account's days, and what they are made of", responses=READS)
def read_days(caller: Viewer, connection_id: ConnectionId, choice: Annotated[DaysQuery, Query()]) -> AccountDaysOut:
    """The numbers of the account's page: the last 90 days, and what they are made of in the last `period` days; of a campaign if chosen."""
    connection = caller.connection(connection_id).connection
    today = connection.today(caller.app.clock.now())
    place = Place(campaign=choice.campaign, ad_set=choice.ad_set)
    stored = read_account_days(caller.app.published(connection.workspace_id), connection.id, today, choice.period, place)
    days = [
        DayOut(
            day=day.date,
            numbers=_numbers(day.numbers),
            fresh_until=day.fresh_until,
            settled=day.settled,
            lacks=list(day.lacks),
            restated=restatements_out(day.restated),
            expected_final=[_final(final) for final in day.expected],
        )
        for day in stored.days
    ]
    parts = [
        PartOut(
            id=part.id,
            level=part.level,
            name=part.name,
            status=part.status,
            numbers=_numbers(part.numbers),
            spend_before=amount(part.spend_before),
            restated=restatements_out(part.restated),
        )
        for part in stored.parts
    ]
    return AccountDaysOut(currency=connection.currency, timezone=connection.timezone, days=days, parts=parts)


def _day(day: CurrencyDay) -> CurrencyDayOut:
    courses = [
        CourseOut(days_ago=course.days_ago, points=[CoursePoint(until=_clock(end), spend=amount(spend)) for end, spend in course.points])
        for course in day.courses
    ]
    return CurrencyDayOut(
        currency=day.currency,
        numbers=_numbers(day.numbers),
        yesterday=_comparison(day.yesterday),
        week_ago=_comparison(day.week_ago),
        expected=_expectation(day.expected) if day.expected else None,
        fresh_until=day.freshness.fresh_until,
        unread=day.freshness.unread,
        settled=day.freshness.settled,
        courses=courses,
        labels=[_label(tile) for tile in day.tiles],
        accounts=[_account(account) for account in day.accounts],
    )


def _account(account: AccountDay) -> AccountDayOut:
    return AccountDayOut(
        connection_id=account.connection_id,
        name=account.name,
        timezone=account.timezone,
        day=account.today,
        numbers=_numbers(account.numbers),
        yesterday=_comparison(compare([account], YESTERDAY)),
        fresh_until=account.fresh_until,
        settled=account.settled,
        lacks=list(account.lacks),
    )


def _label(tile: Tile) -> LabelDayOut:
    return LabelDayOut(label=tile.label, accounts=tile.accounts, numbers=_numbers(tile.numbers), yesterday=_comparison(tile.yesterday))


def _numbers(numbers: Numbers) -> NumbersOut:
    return NumbersOut(
        spend=amount(numbers.spend),
        revenue=amount(numbers.revenue),
        conversions=None if numbers.conversions is None else amount(numbers.conversions),
        purchases=amount(numbers.purchases),
        roas=None if numbers.roas is None else float(numbers.roas),
        cpa=None if numbers.cpa is None else float(numbers.cpa),
    )


def _comparison(comparison: Comparison) -> ComparisonOut:
    return ComparisonOut(
        today=amount(comparison.today),
        earlier=amount(comparison.earlier),
        by_hour=comparison.by_hour,
        accounts=comparison.accounts,
        of=comparison.of,
    )


def _expectation(expected: Expectation) -> ExpectationOut:
    return ExpectationOut(
        low=amount(expected.low),
        median=amount(expected.median),
        high=amount(expected.high),
        accounts=expected.accounts,
        of=expected.of,
    )


def _total(day: ReportingDay) -> TotalOut:
    return TotalOut(
        currency=day.currency,
        numbers=_numbers(day.numbers),
        accounts=len(day.by_account),
        missing=[MissingOut(currency=currency, accounts=accounts) for currency, accounts in sorted(day.missing.items())],
        rate_date=day.rate_date,
        fresh_until=day.freshness.fresh_until,
        unread=day.freshness.unread,
        settled=day.freshness.settled,
    )


def _final(final: ExpectedFinal) -> ExpectedFinalOut:
    amounts = {name: amount(getattr(final, name)) for name in ("value", "expected", "low", "high")}
    return ExpectedFinalOut(metric=final.metric, **amounts, days=final.days)


def _clock(quarters: int) -> str:
    return f"{quarters // 4:02}:{quarters % 4 * 15:02}"
