"""Which older days the platform restated, by their campaigns' totals alone, and whose leaves are read after that. Pure. Steps: plan, fetch.

Most of an older day does not change any more. Where days 2 to 28 take many calls, the totals of their campaigns are read instead, and then
only the campaigns and days that differ from the last such check. What those totals do not show is found by the next read of the whole
day: each day is read whole every seventh day of its age, and once when it is final.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from adpulse.campaign_range import CampaignRange, some_campaigns
from adpulse.metrics_request import Step
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.planner.change_check import DOUBTFUL, CheckAnswer
from adpulse.planner.costs import cost_of_days
from adpulse.planner.day_parts import MOST_CALLS, MOST_NAMED
from adpulse.planner.windows import DAILY_DAYS, DAY
from adpulse.platforms.base import CALLS_PER_LEG, Costs
from adpulse.platforms.registry import platform_of

_DEAR = 4
"""A check that costs at least this part of a whole read does not pay: some campaigns of most days are restated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCheck:
    """What the checks of an older day have shown, as far as the leaves that they asked for are stored.

    ``fingerprints``: each campaign's totals, as of a check after which its leaves were read and stored.
    ``checked_at``: the last check of which everything that had changed is stored (business time).
    """

    fingerprints: Mapping[str, str]
    checked_at: datetime


DayChecks = Mapping[date, DayCheck]


def restatements_can_be_checked(costs: Costs) -> bool:
    """Whether checks of older days save calls: these days are more than one leg reads, and no day of them is read in parts."""
    platform, days = platform_of(costs.provider), DAILY_DAYS - 1
    if platform.reads_days_whole or Step.CAMPAIGNS not in platform.smaller_requests or cost_of_days(costs, 1) > MOST_CALLS:
        return False
    leaves = costs.read(FetchKind.ADS, days)
    return leaves > CALLS_PER_LEG and costs.read(FetchKind.CAMPAIGNS, days) * _DEAR <= leaves


def longest_check(costs: Costs, calls: int) -> int:
    """How many older days one check covers where it and the reads that follow from it have so many calls: half of them at most."""
    days = DAILY_DAYS - 1
    while days > 1 and costs.read(FetchKind.CAMPAIGNS, days) > calls // 2:
        days -= 1
    return days


def restated_reads(costs: Costs, answers: Sequence[CheckAnswer], known: DayChecks, room: int) -> tuple[Fetch, ...]:
    """The leaves and the totals to read after a check of these days: of the campaigns that changed on each, newest first.

    Neighbouring days are one read where that costs no more. A day whose changed campaigns take as many calls as all of it is left out:
    it is read whole by the next plan, see :func:`after_restatements`. Of the others as many are read as fit into ``room`` calls, one at
    least; the next check finds the rest changed again.
    """
    chosen, calls = list[Fetch](), 0
    for read in _reads(costs, answers, known, room):
        calls += sum(fetch.cost for fetch in read)
        if chosen and calls > room:
            break
        chosen.extend(read)
    return tuple(chosen)


def _reads(costs: Costs, answers: Sequence[CheckAnswer], known: DayChecks, room: int) -> Iterator[list[Fetch]]:
    run, campaigns, among = list[date](), frozenset[str](), 1
    for answer in sorted(answers, key=lambda answer: answer.day, reverse=True):
        changed, of_day = _changed(answer, known), _among(answer, known)
        if not changed or _takes_a_whole_day(costs, len(changed), of_day):
            continue
        both, most = campaigns | changed, max(among, of_day)
        together = _calls(costs, len(both), most, len(run) + 1)
        apart = _calls(costs, len(campaigns), among, len(run)) + _calls(costs, len(changed), of_day, 1)
        if run and answer.day == run[-1] - DAY and together <= min(apart, room):
            campaigns, among = both, most
        else:
            yield from _requests(costs, run, campaigns, among)
            run, campaigns, among = [], changed, of_day
        run.append(answer.day)
    yield from _requests(costs, run, campaigns, among)


def _requests(costs: Costs, run: Sequence[date], campaigns: frozenset[str], among: int) -> Iterator[list[Fetch]]:
    """The leaves and the totals of these campaigns on consecutive days, newest first, a hundred ids a request."""
    ids = sorted(campaigns) if run else []
    for start in range(0, len(ids), MOST_NAMED):
        group = some_campaigns(ids[start : start + MOST_NAMED])
        yield [_fetch(costs, kind, run, group, among) for kind in (FetchKind.ADS, FetchKind.CAMPAIGNS)]


def _fetch(costs: Costs, kind: FetchKind, run: Sequence[date], campaigns: CampaignRange, among: int) -> Fetch:
    cost = _part(costs.read(kind, len(run)), len(campaigns.only or ()), among)
    return Fetch(kind=kind, heat=Heat.COLD, cost=cost, since=run[-1], until=run[0], campaigns=campaigns)


def _calls(costs: Costs, campaigns: int, among: int, days: int) -> int:
    """Calls for the leaves and the totals of so many of an account's campaigns on consecutive days."""
    whole = [costs.read(kind, days) for kind in (FetchKind.ADS, FetchKind.CAMPAIGNS)]
    groups = [min(MOST_NAMED, campaigns - start) for start in range(0, campaigns, MOST_NAMED)]
    return sum(_part(calls, group, among) for calls in whole for group in groups)


def _part(calls: int, campaigns: int, among: int) -> int:
    """Calls for some campaigns of what takes so many for all."""
    return max(1, -(-calls * campaigns // among))


def _takes_a_whole_day(costs: Costs, campaigns: int, among: int) -> bool:
    return _calls(costs, campaigns, among, 1) >= cost_of_days(costs, 1)


def _changed(answer: CheckAnswer, known: DayChecks) -> frozenset[str]:
    return answer.changed_from(_fingerprints(known, answer.day))


def _among(answer: CheckAnswer, known: DayChecks) -> int:
    """How many campaigns the day has, one at least."""
    return max(1, len(_fingerprints(known, answer.day).keys() | answer.fingerprints.keys() | answer.unreadable))


def _fingerprints(known: DayChecks, day: date) -> Mapping[str, str]:
    return known[day].fingerprints if day in known else {}


def before_restatements(answers: Sequence[CheckAnswer], known: DayChecks) -> dict[date, DayCheck]:
    """What is known of the days that changed while the leaves are being read: no totals are those of their changed campaigns.

    Once the leaves are stored, the former fingerprints are of numbers that are not stored any more: if the worker dies then, and the
    platform takes its change back, these campaigns must be found changed all the same.
    """
    days = [answer for answer in answers if answer.day in known and _changed(answer, known)]
    return {
        answer.day: DayCheck(
            fingerprints={**known[answer.day].fingerprints, **dict.fromkeys(_changed(answer, known), DOUBTFUL)},
            checked_at=known[answer.day].checked_at,
        )
        for answer in days
    }


def after_restatements(costs: Costs, answer: CheckAnswer, known: DayChecks, covered: CampaignRange) -> DayCheck | None:
    """What is known of a day once the leaves of the campaigns in ``covered``, read after the check, are stored with their totals.

    A campaign that changed and is not covered keeps its former fingerprint, so that the next check finds it changed again. None: nothing is
    known of the day, so that it is read whole; because it was never known, or because what is left of it takes as many calls, as would what
    each check finds unreadable.
    """
    if _takes_a_whole_day(costs, len(answer.unreadable), _among(answer, known)):
        return None
    missed = frozenset(campaign for campaign in _changed(answer, known) if campaign not in covered)
    if not missed:
        return DayCheck(fingerprints=answer.fingerprints, checked_at=answer.at)
    if answer.day not in known or _takes_a_whole_day(costs, len(missed), _among(answer, known)):
        return None
    former = known[answer.day].fingerprints
    stored = {campaign: seen for campaign, seen in answer.fingerprints.items() if campaign not in missed}
    return DayCheck(
        fingerprints=stored | {campaign: former[campaign] for campaign in missed if campaign in former},
        checked_at=known[answer.day].checked_at,
    )
