"""The ladder as a rule: smaller requests cover what the bigger one did, no day and no campaign twice, and end."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from adpulse.campaign_range import CampaignRange
from adpulse.ladder import (
    MOST_CAMPAIGNS,
    REPORT_HOURS,
    campaign_halves,
    campaign_ranges,
    campaigns_of,
    descend,
    grown,
    levels_of_campaigns,
    poll_pause,
    smaller_page,
    steps_to_skip,
)
from adpulse.metrics_request import FieldGroup, MetricsRequest, Step
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.platforms.registry import PLATFORMS

DAY = date(2026, 3, 20)
META = PLATFORMS["meta"].smaller_requests
HOUR = timedelta(hours=1)
campaign_ids = some.sets(some.integers(1, 10**6).map(str), max_size=40)


def request_of(days=1):
    fetch = Fetch(kind=FetchKind.ADS, heat=Heat.COLD, cost=1, since=DAY, until=DAY + timedelta(days=days - 1))
    return MetricsRequest.of(fetch)


def covers(request, campaign):
    only = request.campaigns.only
    return campaign in only if only is not None else campaign not in request.campaigns.without


def ends_of_days(request):
    """What is left when no request of more than a day is answered."""
    return [request] if request.is_one_day else [end for half in descend(request, (), (), ()).requests for end in ends_of_days(half)]


@given(days=some.integers(1, 90))
def test_halves_of_days_end_in_every_day_once_newest_first(days):
    ends = ends_of_days(request_of(days))

    assert [end.since for end in ends] == sorted(request_of(days).days, reverse=True)


@given(known=campaign_ids, data=some.data())
def test_ranges_of_campaigns_cover_every_campaign_once_also_one_that_nobody_knows(known, data):
    ranges = [request_of()]
    for _ in range(data.draw(some.integers(1, 6))):
        place = data.draw(some.integers(0, len(ranges) - 1))
        ranges[place : place + 1] = campaign_halves(ranges[place], sorted(known)) or (ranges[place],)

    assert all(sum(covers(part, campaign) for part in ranges) == 1 for campaign in {*known, "new"})


@given(known=campaign_ids)
def test_ranges_end_in_one_campaign_each(known):
    ends, waiting = [], [request_of()]
    while waiting:
        part = waiting.pop()
        halves = campaign_halves(part, sorted(known))
        waiting += halves
        ends += [] if halves else [part.campaigns]

    assert sorted(end.only[0] for end in ends if end.only is not None) == sorted(known)
    assert all(len(end.only) == 1 for end in ends if end.only is not None)


def test_more_campaigns_than_fit_into_a_request_make_no_ranges():
    assert campaign_halves(request_of(), [str(n) for n in range(MOST_CAMPAIGNS)])
    assert not campaign_halves(request_of(), [str(n) for n in range(MOST_CAMPAIGNS + 1)])


@pytest.mark.parametrize(
    ("steps", "order"),
    [(META, [Step.FIELDS, Step.CAMPAIGNS, Step.REPORT, Step.HOLE]), ((Step.CAMPAIGNS,), [Step.CAMPAIGNS, Step.HOLE]), ((), [Step.HOLE])],
)
def test_a_day_takes_the_steps_that_its_platform_has_each_once(steps, order):
    tried = []
    while not tried or tried[-1] is not Step.HOLE:
        tried.append(descend(request_of(), steps, tried, ["1", "2"]).step)

    assert tried == order


def test_the_halves_of_the_fields_are_those_of_one_day_with_smaller_pages():
    halves = descend(request_of(), META, (), ["1"]).requests

    assert [(half.fields, half.since, half.until) for half in halves] == [(FieldGroup.DELIVERY, DAY, DAY), (FieldGroup.ACTIONS, DAY, DAY)]
    assert all(half.page_divisor > 1 and half.page_shrinks == 0 for half in halves)
    assert all(half.campaigns == CampaignRange() for half in halves)


def test_an_account_without_campaigns_skips_their_ranges():
    assert descend(request_of(), META, [Step.FIELDS], []).step is Step.REPORT


def test_where_there_are_reports_ranges_are_given_up_sooner():
    assert levels_of_campaigns(META) < levels_of_campaigns([Step.CAMPAIGNS])


@given(size=some.integers(1, 500), full=some.integers(1, 5000), hours=some.integers(-5, 10**6))
def test_a_size_doubles_by_the_hour_up_to_the_full_one_and_never_shrinks(size, full, hours):
    now = grown(size, full, HOUR * hours)

    assert min(size, full) <= now <= full
    assert now == min(full, size * 2 ** min(max(hours, 0), 16))


@pytest.mark.parametrize(("days", "pages"), [(30, [500, 250, 125, 62, 31, 25]), (1, [500, 125, 31, 25])])
def test_pages_shrink_faster_where_days_cannot(days, pages):
    seen = [500]
    while seen[-1] > 25:
        seen.append(smaller_page(seen[-1], days, 25))

    assert seen == pages


@pytest.mark.parametrize("reports", [1, 2])
def test_all_reports_of_an_account_are_polled_at_most_75_times_an_hour(reports):
    at, polls = timedelta(0), 0
    while (at := at + poll_pause(polls, reports)) < REPORT_HOURS:
        polls += 1

    assert [poll_pause(n, 1).total_seconds() for n in range(6)] == [5, 10, 20, 40, 60, 60]
    assert polls * reports <= 75


def test_a_read_of_numbers_needs_its_days():
    with pytest.raises(ValueError, match="dates"):
        MetricsRequest.of(Fetch(kind=FetchKind.ADS, heat=Heat.HOT, cost=1))


@given(known=campaign_ids, most=some.integers(1, 50))
def test_remembered_ranges_cover_every_campaign_once_and_are_no_bigger(known, most):
    ranges = campaign_ranges(request_of(), sorted(known), most)

    assert all(sum(covers(part, campaign) for part in ranges) == 1 for campaign in ({*known, "new"} if known else ()))
    assert all(len(campaigns_of(part, sorted(known))) <= most for part in ranges)


@pytest.mark.parametrize(
    ("worked", "minutes", "skipped"),
    [
        (Step.FIELDS, 59, ()),
        (Step.FIELDS, 60, None),
        (Step.CAMPAIGNS, 59, (Step.FIELDS,)),
        (Step.CAMPAIGNS, 60, ()),
        (Step.REPORT, 59, (Step.FIELDS, Step.CAMPAIGNS)),
        (Step.REPORT, 600, (Step.FIELDS,)),
        (Step.REPORT, -1, None),
    ],
)
def test_the_step_that_answered_a_day_is_the_first_and_after_an_hour_the_one_above_it(worked, minutes, skipped):
    assert steps_to_skip(worked, timedelta(minutes=minutes), META) == skipped


def test_a_step_that_the_platform_has_no_more_is_not_remembered():
    assert steps_to_skip(Step.REPORT, timedelta(0), [Step.CAMPAIGNS]) is None
