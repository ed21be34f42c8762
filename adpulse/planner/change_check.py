"""Whether anything of today changed, by the campaigns' totals alone, and whose leaves are read because of that. Pure. Steps: plan, fetch.

Where today's leaves are several pages, a read begins with the totals of its campaigns: far fewer rows, in which any change of a leaf shows.
They are compared with the last such check alone and stored nowhere as numbers. Then only the leaves of the campaigns that changed are read.
A change within a campaign that leaves its totals as they are does not show; the whole day is read hourly because of that.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import accumulate, pairwise

from adpulse.campaign_range import WHOLE_ACCOUNT, CampaignRange, some_campaigns
from adpulse.metrics_request import Step
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.planner.costs import cost_of_days
from adpulse.planner.day_parts import MOST_CALLS, MOST_NAMED
from adpulse.platforms.base import Costs
from adpulse.platforms.registry import platform_of

DOUBTFUL = ""
"""The fingerprint of a campaign whose leaves were being read: no totals have it."""

_DEAR = 4
"""A check that costs at least this part of a whole read does not pay where most campaigns change."""

_CHANGES_KEPT = 4
"""The last changes that are remembered: by the times between them the next one is expected."""

_EARLIER, _LATER = 0.92, 1.5
"""The next change is expected from this part of the shortest time between two changes on, until this multiple of the longest."""

_STEP = timedelta(minutes=5)
"""Where two changes are closer together, the account does not change in the platform's steps, and a change is expected at any time."""

REST = timedelta(minutes=15)
"""For how long an account is read without checks, at least, where these save nothing: Meta refreshes its numbers about as often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCheck:
    """What the checks of a day have shown, as far as the leaves that they asked for are stored.

    ``fingerprints``: each campaign's totals, as of a check after which its leaves were read and stored.
    ``calls``: what the last check and the reads that followed from it took.
    ``checked_at``: the last check of which everything that had changed is stored (business time); None if there was none yet.
    ``left``: the calls for leaves that the last check asked for and that did not fit; 0 where it went on with what another had left.
    ``changes``: the last checks that found a change, oldest first, those of earlier days too; not those that went on.
    ``in_a_row``: how many checks, each soon after the one before, have found a change up to the last one.
    """

    day: date
    fingerprints: Mapping[str, str]
    calls: int
    checked_at: datetime | None = None
    left: int = 0
    changes: tuple[datetime, ...] = ()
    in_a_row: int = 0

    def expects_change(self, now: datetime) -> bool:
        """Whether the platform, by the times between the last changes, may have new numbers now; it may where these are unknown.

        Meta refreshes its numbers every 12 to 18 minutes, with times that drift, and an account that rests has none for hours.
        """
        times = [later - earlier for earlier, later in pairwise(self.changes)]
        since = now - self.changes[-1] if times else timedelta(0)
        return not times or min(times) < _STEP or min(times) * _EARLIER <= since <= max(times) * _LATER


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnswer:
    """The campaigns' totals of a day as of ``at``. ``unreadable`` are campaigns whose totals could not be read."""

    day: date
    at: datetime
    fingerprints: Mapping[str, str]
    unreadable: frozenset[str] = field(default_factory=frozenset)

    def changed_since(self, last: ChangeCheck | None) -> frozenset[str]:
        """The campaigns that are new, gone, different or unreadable; all of them where nothing is known of the day."""
        return self.changed_from(known_of(last, self.day))

    def changed_from(self, known: Mapping[str, str]) -> frozenset[str]:
        """The same, compared with these fingerprints of the day."""
        campaigns = known.keys() | self.fingerprints.keys()
        return self.unreadable | {campaign for campaign in campaigns if known.get(campaign) != self.fingerprints.get(campaign)}


def known_of(last: ChangeCheck | None, day: date) -> Mapping[str, str]:
    """The fingerprints of a day; none where the last check was of another one."""
    return last.fingerprints if last is not None and last.day == day else {}


def can_be_checked(costs: Costs) -> bool:
    """Whether a check of an account costs less than its leaves, and these can be requested by campaign.

    Days that are read in parts are not checked.
    """
    platform = platform_of(costs.provider)
    if platform.reads_days_whole or Step.CAMPAIGNS not in platform.smaller_requests:
        return False
    return check_calls(costs) < costs.usual(FetchKind.ADS, 1) and cost_of_days(costs, 1) <= MOST_CALLS


def check_calls(costs: Costs) -> int:
    """Calls of a check."""
    return costs.usual(FetchKind.CAMPAIGNS, 1)


def is_dear(costs: Costs) -> bool:
    """Whether checks that are always followed by a read of all leaves cost much more than these reads alone."""
    return check_calls(costs) * _DEAR >= costs.usual(FetchKind.ADS, 1)


def leaf_reads(costs: Costs, answer: CheckAnswer, last: ChangeCheck | None, room: int) -> tuple[Fetch, ...]:
    """The leaves to read after a check: those of the campaigns that changed, or all where that saves next to nothing.

    Where these take more than the ``room`` of calls that the account has left, as many campaigns are read as fit: what is read of them is
    stored, while all leaves would be lost with the first call that is refused. The next check finds the others changed again. Where the ids
    alone take more requests than all leaves have pages, that would be slower than to wait.
    """
    changed, pages = sorted(answer.changed_since(last)), costs.usual(FetchKind.ADS, 1)
    if not changed:
        return ()
    requests = -(-len(changed) // MOST_NAMED)
    is_whole = len(changed) / _among(answer, last) * pages + check_calls(costs) >= pages or requests >= pages
    if is_whole and (pages <= room or requests > pages):
        return (_leaves(answer.day, WHOLE_ACCOUNT, pages),)
    first = int(answer.at.timestamp()) % len(changed)  # so that none of them is always among the last
    reads = _reads_of(changed[first:] + changed[:first], costs, answer, last)
    fitting = [fetch for fetch, calls in zip(reads, accumulate(fetch.cost for fetch in reads), strict=True) if calls <= room]
    return tuple(fitting or reads[:1])


def calls_asked(costs: Costs, answer: CheckAnswer, last: ChangeCheck | None) -> int:
    """Calls of a check with which all of today is read anyway, and of that read where the check asks for it, too.

    Then the next check waits for as long as after any read of everything. Of the first check of a day they are those of the last one.
    """
    if last is not None and not known_of(last, answer.day):
        return last.calls
    asked = leaf_reads(costs, answer, last, costs.usual(FetchKind.ADS, 1)) if last is not None else ()
    return check_calls(costs) + sum(fetch.cost for fetch in asked if fetch.campaigns.is_whole)


def _reads_of(campaigns: Sequence[str], costs: Costs, answer: CheckAnswer, last: ChangeCheck | None) -> list[Fetch]:
    """Reads of these campaigns' leaves, by id."""
    pages, among = costs.usual(FetchKind.ADS, 1), _among(answer, last)
    groups = [campaigns[start : start + MOST_NAMED] for start in range(0, len(campaigns), MOST_NAMED)]
    return [_leaves(answer.day, some_campaigns(group), math.ceil(len(group) / among * pages)) for group in groups]


def _among(answer: CheckAnswer, last: ChangeCheck | None) -> int:
    """How many campaigns the day has."""
    return len(known_of(last, answer.day).keys() | answer.fingerprints.keys() | answer.unreadable)


def _leaves(day: date, campaigns: CampaignRange, cost: int) -> Fetch:
    return Fetch(kind=FetchKind.ADS, heat=Heat.HOT, cost=cost, since=day, until=day, campaigns=campaigns)


def before_reads(last: ChangeCheck | None, answer: CheckAnswer) -> ChangeCheck | None:
    """What is known while the leaves of the campaigns that changed are being read; None where that is what was known anyway.

    Once they are stored, the former fingerprints are of numbers that are not stored any more: if the worker dies then, and the platform
    takes its change back, these campaigns must be found changed all the same.
    """
    known, changed = known_of(last, answer.day), answer.changed_since(last)
    doubtful = dict.fromkeys(changed, DOUBTFUL)
    if last is None or not known or known.items() >= doubtful.items():
        return None
    return replace(last, fingerprints={**known, **doubtful})


def after_check(costs: Costs, last: ChangeCheck | None, answer: CheckAnswer, covered: CampaignRange, calls: int) -> ChangeCheck:
    """What is known once the leaves of the campaigns in ``covered``, read after the check, are stored.

    A campaign that changed and is not covered keeps its former fingerprint, so that the next check finds it changed again. ``calls`` are
    what the check and these reads took; a check that goes on with what the last one left adds that one's.
    """
    if last is not None and last.left and last.day == answer.day and answer.at in last.changes:
        return last  # the leg was settled before, and its end was not
    known, before = known_of(last, answer.day), last.checked_at if last is not None and last.day == answer.day else None
    pages = costs.usual(FetchKind.ADS, 1)
    missed = sorted(campaign for campaign in answer.changed_since(last) if campaign not in covered)
    stored = {campaign: seen for campaign, seen in answer.fingerprints.items() if campaign not in missed}
    stored |= {campaign: seen for campaign, seen in known.items() if campaign in missed}
    carried = last.calls if last is not None and last.left and last.day == answer.day else 0
    return ChangeCheck(
        day=answer.day,
        fingerprints=stored,
        calls=calls + carried,
        checked_at=before if missed else answer.at,
        left=0 if carried else min(sum(fetch.cost for fetch in _reads_of(missed, costs, answer, last)), pages),
        changes=_changes(last, answer),
        in_a_row=_in_a_row(last, answer),
    )


def _changes(last: ChangeCheck | None, answer: CheckAnswer) -> tuple[datetime, ...]:
    """The last changes once this answer is known. The first answer of a day tells of none: there is nothing to compare it with."""
    if last is None:
        return ()
    if last.left or not known_of(last, answer.day) or not answer.changed_since(last):
        return last.changes
    return (*last.changes, answer.at)[-_CHANGES_KEPT:]


def _in_a_row(last: ChangeCheck | None, answer: CheckAnswer) -> int:
    """How many checks have found a change since one found none, or came late.

    One that goes on with what the last one left is the same, and so is the first one of a day: there is nothing to compare it with.
    """
    if last is not None and not known_of(last, answer.day):
        return last.in_a_row
    if last is None or not answer.changed_since(last):
        return 0
    if last.checked_at is None or answer.at - last.checked_at >= REST:
        return 1
    return last.in_a_row if last.left else last.in_a_row + 1
