"""The ladder: what to request instead when a platform cannot answer a request for metrics. Pure. Step: fetch.

A request that is too big is never repeated as it was. Fewer rows a page come first, which the client does by itself; then half the days,
down to one day; of one day two halves of the fields, ranges of campaigns, a report that the platform computes in its own time, and at
last a hole: the day is not stored, has a reason, and is requested again once a day. Steps that a platform lacks are skipped.
The step that answered a day is the first one that is taken for it the next time; once an hour the one above it is tried again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from adpulse.campaign_range import CampaignRange
from adpulse.metrics_request import FieldGroup, MetricsRequest, Step

MOST_REFUSED = 20
"""Requests of one read that may be refused in a leg; the days that are left then are read in the next one."""

MOST_REFUSED_RANGES = 10
"""Ranges of campaigns of one day that may be refused; what is answered by then is stored."""

FULL_RETRIES = 7
"""Of so many retries of a hole one takes every step down again."""

MOST_UNNAMED_RANGES = 4
"""The same for a day that fails without a name, where each is three tries."""

DAY_STEPS = (Step.FIELDS, Step.CAMPAIGNS, Step.REPORT)
"""How a day is requested that is too big, the biggest requests first."""

MOST_CAMPAIGNS = 400
"""Campaigns of which ranges are made: longer lists of ids do not fit into a request."""

RETRY_DAYS = timedelta(days=1)
"""Pause before a hole is requested again."""

RETRY_TODAY = timedelta(hours=1)
"""The same for today and yesterday, which everybody looks at."""

RETRY_UNNAMED = timedelta(minutes=8)
"""The same for a day that failed without a name: it may be an outage of reports alone."""

ANSWERS_LATELY = timedelta(minutes=15)
"""An account that answered so lately has no outage."""

NEXT_SIZE = timedelta(minutes=1)
"""Pause before a read that went down a step and then failed goes on."""

GROWS = timedelta(hours=1)
"""A working size doubles for each of these since it was found, up to the full one."""

REPORT_HOURS = timedelta(hours=1)
"""How long a report may take. Source: Insights API, "Limits and Best Practices": up to an hour, retries included."""

MOST_REPORTS = 2
"""Reports of one account under way at once."""

_FIRST_POLLS = (5, 10, 20, 40)
_POLL_SECONDS = 60
_MOST_DOUBLINGS = 16
_SMALLER_PAGE = 4
_LEVELS_WITHOUT_REPORTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """The next step down and the requests that replace the one that failed, newest days first; a hole has none."""

    step: Step
    requests: tuple[MetricsRequest, ...] = ()


def descend(request: MetricsRequest, steps: Sequence[Step], tried: Sequence[Step], campaigns: Sequence[str]) -> Descent:
    """What replaces a request that is too big.

    Args:
        request: the one that the platform cannot answer.
        steps: those that the platform has beside days and the hole.
        tried: the steps that were taken for this day already, without success.
        campaigns: ids of the account's campaigns.
    """
    if not request.is_one_day:
        return Descent(step=Step.DAYS, requests=halves_of_days(request))
    for step in DAY_STEPS:
        if step in steps and step not in tried:
            requests = _REPLACED[step](request, campaigns)
            if requests:
                return Descent(step=step, requests=requests)
    return Descent(step=Step.HOLE)


def campaign_halves(request: MetricsRequest, campaigns: Sequence[str]) -> tuple[MetricsRequest, ...]:
    """The request in two ranges of campaigns; none if it covers one known campaign, or so many that their ids do not fit."""
    whole, known = request.campaigns, campaigns_of(request, campaigns)
    if len(known) < (1 if whole.only is None else 2) or (whole.only is None and len(campaigns) > MOST_CAMPAIGNS):
        return ()
    first = known[: (len(known) + 1) // 2]
    without = tuple(sorted({*whole.without, *first}))
    rest = CampaignRange(without=without) if whole.only is None else CampaignRange(only=known[len(first) :])
    smaller = replace(request, page_divisor=_SMALLER_PAGE, page_shrinks=0)
    return tuple(replace(smaller, campaigns=part) for part in (CampaignRange(only=first), rest))


def campaign_ranges(request: MetricsRequest, campaigns: Sequence[str], most: int) -> tuple[MetricsRequest, ...]:
    """The request in ranges of at most ``most`` known campaigns, or in two where that is all of them; none if it cannot be split."""
    halves = campaign_halves(request, campaigns)
    return tuple(part for half in halves for part in _ranges(half, campaigns, most))


def campaigns_of(request: MetricsRequest, campaigns: Sequence[str]) -> tuple[str, ...]:
    """The known campaigns that a request covers."""
    whole = request.campaigns
    return tuple(sorted(set(campaigns if whole.only is None else whole.only) - set(whole.without)))


def steps_to_skip(answered_by: Step, age: timedelta, steps: Sequence[Step]) -> tuple[Step, ...] | None:
    """The steps that are not taken for a day that one of them answered so long ago; None if the whole day is to be requested.

    An hour later the request above is tried again: what was too big once need not be for ever.
    """
    available = [step for step in DAY_STEPS if step in steps]
    if answered_by not in available or age < timedelta(0):
        return None
    place = available.index(answered_by) - (1 if age >= GROWS else 0)
    return tuple(available[:place]) if place >= 0 else None


def levels_of_campaigns(steps: Sequence[Step]) -> int:
    """How many times both halves of the campaigns may be refused, one within the other, before ranges are given up.

    When neither half is answered it is not one campaign's fault, and a report is the better answer, where there are reports.
    """
    return 1 if Step.REPORT in steps else _LEVELS_WITHOUT_REPORTS


def grown(size: int, full: int, age: timedelta) -> int:
    """A working size that was found so long ago, as it is to be tried now: what was too big once need not be for ever."""
    return min(full, size << min(max(age // GROWS, 0), _MOST_DOUBLINGS))


def smaller_page(rows: int, request_days: int, smallest: int) -> int:
    """Rows of a first page after the platform found ``rows`` too big."""
    return max(smallest, rows // (2 if request_days > 1 else _SMALLER_PAGE))


def poll_pause(polls: int, reports: int) -> timedelta:
    """Pause before a report's next poll: 5, 10, 20, 40, 60, 60 … seconds, longer while ``reports`` are under way together.

    So an account makes at most 75 polls an hour.
    """
    return timedelta(seconds=_FIRST_POLLS[polls] if polls < len(_FIRST_POLLS) else _POLL_SECONDS * max(reports, 1))


def halves_of_days(request: MetricsRequest) -> tuple[MetricsRequest, ...]:
    """The request in two, the later days first."""
    middle = request.since + (request.until - request.since) // 2
    spans = ((middle + timedelta(days=1), request.until), (request.since, middle))
    return tuple(replace(request, since=since, until=until, page_shrinks=2 if since == until else 0) for since, until in spans)


def _ranges(request: MetricsRequest, campaigns: Sequence[str], most: int) -> tuple[MetricsRequest, ...]:
    small_enough = len(campaigns_of(request, campaigns)) <= most
    return (request,) if small_enough else campaign_ranges(request, campaigns, most) or (request,)


def _halves_of_fields(request: MetricsRequest, _: Sequence[str]) -> tuple[MetricsRequest, ...]:
    smaller = replace(request, page_divisor=_SMALLER_PAGE, page_shrinks=0)
    return tuple(replace(smaller, fields=group) for group in (FieldGroup.DELIVERY, FieldGroup.ACTIONS))


def _whole_day(request: MetricsRequest, _: Sequence[str]) -> tuple[MetricsRequest, ...]:
    return (replace(request, page_shrinks=2),)


_REPLACED = {Step.FIELDS: _halves_of_fields, Step.CAMPAIGNS: campaign_halves, Step.REPORT: _whole_day}
