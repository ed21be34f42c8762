"""Campaigns' totals that are read only to see what changed: what they have in common, of today and of older days. Step: fetch."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from hashlib import blake2b

import pyarrow as pa

from adpulse.bootstrap import App
from adpulse.campaign_range import NO_CAMPAIGNS, CampaignRange
from adpulse.fetch_result import FetchResult
from adpulse.metrics import METRICS, PROFIT
from adpulse.metrics_request import MetricsRequest
from adpulse.model import CHECKS, Connection, Fetch, FetchKind, Lease
from adpulse.planner.change_check import CheckAnswer
from adpulse.planner.plan import Plan
from tasks.optional import optional

_REPORTED = [name for name in METRICS if name != PROFIT.name]
_FINGERPRINT_BYTES = 8

Fingerprints = Mapping[date, Mapping[str, str]]
"""Of each day's campaigns."""


def make_check(app: App, lease: Lease, connection: Connection, fetch: Fetch) -> None:
    """Stage the campaigns' totals. A failure is a warning: the days are read whole meanwhile."""
    if app.staging.has(lease.run_id, fetch):
        return
    at, slot = app.clock.now(), app.slot(lease, fetch.heat)
    request = replace(MetricsRequest.of(fetch), kind=FetchKind.CAMPAIGNS)
    answer = optional(app.warnings, lease, fetch, lambda: app.client(connection).metrics(connection, request, slot))
    if answer is not None:
        app.staging.write(lease.run_id, FetchResult(fetch=fetch, fetched_at=at, table=answer.rows, refused=answer.refused))


def without_checks(staged: Sequence[FetchResult]) -> list[FetchResult]:
    """The answers whose rows are stored."""
    return [answer for answer in staged if answer.fetch.kind not in CHECKS]


def is_read_whole(plan: Plan | None, check: Fetch) -> bool:
    """Whether the plan has all leaves of the check's days, whatever it shows."""
    leaves = [fetch for fetch in plan.fetches if fetch.kind is FetchKind.ADS and fetch.campaigns.is_whole] if plan else []
    return set(check.days) <= {day for fetch in leaves for day in fetch.days}


def check_answers(check: FetchResult, told: Collection[str] = ()) -> list[CheckAnswer]:
    """What a staged check shows of each of its days, oldest first; a campaign that is silent about a metric in ``told`` is unreadable."""
    seen, unreadable = fingerprints(check.table), defaultdict[date | None, set[str]](set)
    names = [name for name in _REPORTED if name in told]
    columns = [check.table[name].to_pylist() for name in ("date", "external_id", *names)]
    for day, campaign, *numbers in zip(*columns, strict=True):
        if None in numbers:
            unreadable[day].add(campaign)
    for day, campaign in zip(*(check.refused[name].to_pylist() for name in ("date", "external_id")), strict=True):
        if campaign:
            unreadable[day].add(campaign)
    return [
        CheckAnswer(day=day, at=check.fetched_at, fingerprints=seen.get(day, {}), unreadable=frozenset(unreadable[day]))
        for day in check.fetch.days
    ]


def fingerprints(totals: pa.Table) -> Fingerprints:
    """A fingerprint of what is reported of each campaign on each day. The profit is not: another margin is no change of the platform's."""
    by_day = defaultdict[date, dict[str, str]](dict)
    columns = [totals[name].to_pylist() for name in ("date", "external_id", *_REPORTED)]
    for day, campaign, *numbers in zip(*columns, strict=True):
        by_day[day][campaign] = blake2b(repr(numbers).encode(), digest_size=_FINGERPRINT_BYTES).hexdigest()
    return by_day


def covered(staged: Sequence[FetchResult], kind: FetchKind, answer: CheckAnswer) -> CampaignRange:
    """The campaigns of which these answers have everything of the day, read no earlier than the check."""
    ranges = (one.coverage.get(answer.day) for one in staged if one.fetch.kind is kind and one.fetched_at >= answer.at)
    campaigns = NO_CAMPAIGNS
    for of_answer in ranges:
        campaigns = campaigns.union(of_answer or NO_CAMPAIGNS)
    return campaigns
