"""Which older days the platform restated, by their campaigns' totals alone, and whose leaves are read after that. Pure. Steps: plan, fetch.

Most of an older day does not change any more. Where days 2 to 28 take many calls, the totals of their campaigns are read instead, and then
only the campaigns and days that differ from the last such check. What those totals do not show is found by the next read of the whole
day: each day is read whole every seventh day of its age, and once when it is final.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property

from adpulse.campaign_range import CampaignRange, some_campaigns
from adpulse.metrics_request import Step
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.planner.change_check import DOUBTFUL, CheckAnswer
from adpulse.planner.costs import cost_of_days
from adpulse.planner.day_parts import MOST_CALLS, MOST_NAMED, PART_KINDS
from adpulse.planner.windows import DAILY_DAYS, DAY
from adpulse.platforms.base import CALLS_PER_LEG, Costs
from adpulse.platforms.registry import platform_of

_DEAR = 4
"""A check that costs at least this part of a whole read does not pay: some campaigns of most days are restated."""


MOST_DAYS = (DAILY_DAYS - 1) * 3 // 4
"""Of so many older days checks must show what was restated before today has the calls of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCheck:
    """What the checks of an older day have shown, as far as the leaves that they asked for are stored.

    ``fingerprints``: each campaign's totals, as of a check after which its leaves were read and stored.
    ``checked_at``: the last check of which everything that had changed is stored (business time).
    """

    fingerprints: Mapping[str, str]
    checked_at: datetime


DayChecks = Mapping[date, DayCheck]


def restatements_can_be_checked(costs: Costs, piece: int) -> bool:
    """Whether checks of older days save calls: these days are more than one leg reads, and no day of them is read in parts.

    And a ``piece`` of calls for older days holds a check and what it may ask for at once.
    """
    platform, days = platform_of(costs.provider), DAILY_DAYS - 1
    if platform.reads_days_whole or Step.CAMPAIGNS not in platform.smaller_requests or cost_of_days(costs, 1) > MOST_CALLS:
        return False
    leaves = costs.read(FetchKind.ADS, days)
    return least_calls(costs) <= piece and leaves > CALLS_PER_LEG and costs.read(FetchKind.CAMPAIGNS, days) * _DEAR <= leaves


def least_calls(costs: Costs) -> int:
    """What a check of one day needs with what it may ask for at once: no more than a read of the whole day."""
    return costs.read(FetchKind.CAMPAIGNS, 1) + cost_of_days(costs, 1)


def longest_check(costs: Costs, calls: int) -> int:
    """How many older days one check covers where it and what it asks for have so many calls: it has half of them at most.

    What it asks for is at least as much as a whole day.
    """
    days, most = DAILY_DAYS - 1, min(calls // 2, calls - cost_of_days(costs, 1))
    while days > 1 and costs.read(FetchKind.CAMPAIGNS, days) > most:
        days -= 1
    return days


def most_calls(costs: Costs, days: int) -> int:
    """Most calls of a check of so many days with everything that it may ask for."""
    return costs.read(FetchKind.CAMPAIGNS, days) + days * cost_of_days(costs, 1)


@dataclass(frozen=True, kw_only=True)  # without slots, which have no place for what is kept of it
class Sizes:
    """What some of an account's campaigns take. ``leaves``: how many each has that delivered lately, as far as that is known."""

    costs: Costs
    leaves: Mapping[str, int | None]

    def calls(self, campaigns: Sequence[str], among: Collection[str], days: int) -> int:
        """Calls for the leaves and the totals of these campaigns on consecutive days, a hundred ids a request."""
        return sum(map(sum, self.of_groups(campaigns, among, days)))

    def of_groups(self, campaigns: Sequence[str], among: Collection[str], days: int) -> Iterator[tuple[int, int]]:
        """The same of each request: for the leaves, as many of all as these campaigns have, and for the totals."""
        whole = [self.costs.read(kind, days) for kind in PART_KINDS]
        all_leaves, all_campaigns = self._leaves_of(among), len(among)
        for start in range(0, len(campaigns), MOST_NAMED):
            group = campaigns[start : start + MOST_NAMED]
            leaves, totals = self._leaves_of(group) / all_leaves, len(group) / all_campaigns
            yield max(1, math.ceil(whole[0] * min(leaves, 1))), max(1, math.ceil(whole[1] * min(totals, 1)))

    def takes_a_whole_day(self, campaigns: Collection[str], among: Collection[str]) -> bool:
        """Whether these campaigns of a day take as many calls as all of it."""
        return bool(campaigns) and self.calls(sorted(campaigns), among, 1) >= cost_of_days(self.costs, 1)

    def _leaves_of(self, campaigns: Iterable[str]) -> float:
        return sum(self.leaves.get(campaign) or self._usual for campaign in campaigns)

    @cached_property
    def _usual(self) -> float:
        """The leaves that a campaign is taken to have whose number is unknown: as many as the others, on average."""
        known = [number for number in self.leaves.values() if number]
        return sum(known) / len(known) if known else 1


def restated_reads(sizes: Sizes, answers: Sequence[CheckAnswer], known: DayChecks, room: int) -> tuple[Fetch, ...]:
    """The leaves and the totals to read after a check of these days: of the campaigns that changed on each, newest first.

    Neighbouring days are one read where that costs no more. A day whose changed campaigns take as many calls as all of it is left out:
    it is read whole by the next plan, see :func:`after_restatements`. Of the others as many are read as fit into ``room`` calls, one at
    least; the next check finds the rest changed again.
    """
    chosen, calls = list[Fetch](), 0
    for read in _reads(sizes, answers, known, room):
        calls += sum(fetch.cost for fetch in read)
        if chosen and calls > room:
            break
        chosen.extend(read)
    return tuple(chosen)


def _reads(sizes: Sizes, answers: Sequence[CheckAnswer], known: DayChecks, room: int) -> Iterator[list[Fetch]]:
    run, campaigns, among = list[date](), frozenset[str](), frozenset[str]()
    for answer in sorted(answers, key=lambda answer: answer.day, reverse=True):
        changed, of_day = _changed(answer, known), _campaigns(answer, known)
        if not changed or sizes.takes_a_whole_day(changed, of_day):
            continue
        both, all_of_both = campaigns | changed, among | of_day
        together = sizes.calls(sorted(both), all_of_both, len(run) + 1)
        apart = sizes.calls(sorted(campaigns), among, len(run)) + sizes.calls(sorted(changed), of_day, 1)
        if run and answer.day == run[-1] - DAY and together <= min(apart, room):
            campaigns, among = both, all_of_both
        else:
            yield from _requests(sizes, run, campaigns, among)
            run, campaigns, among = [], changed, of_day
        run.append(answer.day)
    yield from _requests(sizes, run, campaigns, among)


def _requests(sizes: Sizes, run: Sequence[date], campaigns: frozenset[str], among: frozenset[str]) -> Iterator[list[Fetch]]:
    """The leaves and the totals of these campaigns on consecutive days, newest first, a hundred ids a request."""
    ids = sorted(campaigns) if run else []
    for number, (leaf_calls, total_calls) in enumerate(sizes.of_groups(ids, among, len(run))):
        group = some_campaigns(ids[number * MOST_NAMED : (number + 1) * MOST_NAMED])
        leaves = Fetch(kind=FetchKind.ADS, heat=Heat.COLD, cost=leaf_calls, since=run[-1], until=run[0], campaigns=group)
        yield [leaves, replace(leaves, kind=FetchKind.CAMPAIGNS, cost=total_calls)]


def _changed(answer: CheckAnswer, known: DayChecks) -> frozenset[str]:
    return answer.changed_from(_fingerprints(known, answer.day))


def _campaigns(answer: CheckAnswer, known: DayChecks) -> frozenset[str]:
    """The campaigns that the day has."""
    return frozenset(_fingerprints(known, answer.day).keys() | answer.fingerprints.keys() | answer.unreadable)


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


def after_restatements(
    sizes: Sizes, answer: CheckAnswer, known: DayChecks, covered: CampaignRange, moved: Collection[str] = ()
) -> DayCheck | None:
    """What is known of a day once the leaves of the campaigns in ``covered``, read after the check, are stored with their totals.

    The totals of those in ``moved`` were others after their leaves were read: they are doubtful, so that the next check finds them changed.
    A campaign that changed and is not covered keeps its former fingerprint, so that the next check finds it changed again. None: nothing is
    known of the day, so that it is read whole; because it was never known, or because what is left of it takes as many calls, as would what
    each check finds unreadable.
    """
    among = _campaigns(answer, known)
    if sizes.takes_a_whole_day(answer.unreadable, among):
        return None
    missed = frozenset(campaign for campaign in _changed(answer, known) if campaign not in covered)
    if not missed:
        doubtful = {campaign: DOUBTFUL for campaign in moved if campaign in answer.fingerprints}
        return DayCheck(fingerprints={**answer.fingerprints, **doubtful}, checked_at=answer.at)
    if answer.day not in known or sizes.takes_a_whole_day(missed, among):
        return None
    former = known[answer.day].fingerprints
    stored = {campaign: seen for campaign, seen in answer.fingerprints.items() if campaign not in missed}
    return DayCheck(
        fingerprints=stored | {campaign: former[campaign] for campaign in missed if campaign in former},
        checked_at=known[answer.day].checked_at,
    )
