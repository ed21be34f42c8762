"""Days that are too much for one read: every campaign is in exactly one part, and the day is read with the last of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from connecting import unstored
from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse.campaign_range import NO_CAMPAIGNS
from adpulse.frequency import Frequency
from adpulse.model import FetchKind, Parts
from adpulse.planner.account import Account
from adpulse.planner.cadence import cadence
from adpulse.planner.day_parts import MOST_CALLS, MOST_NAMED, draw, read_until
from adpulse.planner.plan import plan
from adpulse.planner.windows import PartitionAges

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def pages(leaves, campaigns, size=500):
    return max(1, -(-leaves // size)), max(1, -(-campaigns // size))


def account(ads, campaigns, **options):
    connection = unstored(frequency=Frequency.REALTIME, ad_count=ads, campaign_count=campaigns, timezone="UTC")
    leaves = {f"k{number:05}": ads // campaigns for number in range(campaigns)}
    return Account(
        **{"connection": connection, "parts": Parts.BOTH, "on_demand": False, "page_size": 500, "limit": 180, "leaves": leaves} | options
    )


@examples(10)
@given(
    leaves=st.dictionaries(st.text("0123456789", min_size=1, max_size=4), st.integers(0, 30_000), max_size=250),
    most=st.integers(2, MOST_CALLS),
)
def test_every_campaign_is_in_exactly_one_part_which_is_one_request_of_some_calls(leaves, most):
    parts = draw(leaves, pages, len(leaves), most)

    everybody = NO_CAMPAIGNS
    for part in parts:
        assert everybody.minus(part.campaigns) == everybody, "no part has a campaign of another one"
        everybody = everybody.union(part.campaigns)
    assert everybody.is_whole
    assert "a campaign that nobody knows yet" in parts[-1].campaigns
    for part in parts[:-1]:
        assert len(part.campaigns.only) <= MOST_NAMED
        assert part.cost <= most or len(part.campaigns.only) == 1


class Worker:
    """Reads by plans; of each only so many reads are stored before it dies."""

    def __init__(self, account):
        self.account, self.ages, self.now, self.calls = account, PartitionAges(), NOW, []

    def leg(self, parts_stored=1_000, spent=lambda cost: cost):
        recent = tuple(call for call in self.calls if call[0] > self.now - HOUR)
        made = plan(self.now, self.account, self.ages, recent)
        self.ages = PartitionAges(dateless=self.ages.dateless, days=self.ages.days, parts={**self.ages.parts, **made.drawn})
        leaves = {(fetch.since, fetch.campaigns): self.now for fetch in made.fetches if fetch.kind is FetchKind.ADS}
        read = {part: at for part, at in list(leaves.items())[:parts_stored] if not part[1].is_whole}
        self.calls += [(self.now, fetch.heat) for fetch in made.fetches for _ in range(spent(fetch.cost))]
        whole = [fetch.complete_at(self.now) for fetch in made.fetches if fetch.campaigns.is_whole]
        ages = self.ages.after(whole).after_parts(read)
        self.ages = replace(ages, parts={day: parts for day, parts in ages.parts.items() if read_until(parts) is None})
        return made, read


@examples(3)
@given(deaths=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50)), min_size=1, max_size=12))
def test_a_day_goes_on_where_it_was_left_and_is_as_old_as_its_oldest_part(deaths):
    worker, today = Worker(account(50_000, 1_000)), NOW.date()
    stored = {}
    for parts, minutes in [*deaths, *[(1_000, 61)] * 3]:
        made, read = worker.leg(parts)
        again = [part for fetch in made.fetches if (part := (fetch.since, fetch.campaigns)) in stored]
        assert again == [], "no part is read twice"
        stored |= {part: at for part, at in read.items() if part[0] == today}
        if (FetchKind.ADS, today) in worker.ages.days:
            break
        worker.now += timedelta(minutes=minutes)

    everybody = NO_CAMPAIGNS
    for _, campaigns in stored:
        everybody = everybody.union(campaigns)
    assert everybody.is_whole
    assert worker.ages.days[FetchKind.ADS, today] == min(stored.values())
    assert today not in worker.ages.parts


def test_the_days_of_an_account_without_known_campaigns_wait_for_its_totals():
    made = plan(NOW, account(50_000, 1_000, leaves={}), PartitionAges(), ())

    assert [fetch.kind for fetch in made.fetches if fetch.kind.has_dates] == [FetchKind.CAMPAIGNS, FetchKind.ACCOUNT]
    assert (made.until, made.drawn) == (NOW, {})


def test_a_hundred_thousand_ads_are_read_as_often_as_is_said_within_the_hours_calls():
    large, worker = account(100_000, 2_000), Worker(account(100_000, 2_000))
    promised, reads = cadence(Frequency.REALTIME, large.costs, 180, None).interval, list[date]()
    while worker.now < NOW + 12 * HOUR:
        worker.leg()
        reads.append(worker.ages.days.get((FetchKind.ADS, worker.now.date())))
        worker.now += timedelta(minutes=15)

    read_at = sorted({at for at in reads if at is not None})
    times = [at for at, _ in worker.calls]
    assert len(read_at) > 12 * HOUR / promised / 2
    assert max(sum(at <= other < at + HOUR for other in times) for at in set(times)) <= 180


def test_parts_that_an_earlier_worker_read_are_not_drawn_anew_before_they_are_stored():
    asked = account(50_000, 1_000, on_demand=True)
    drawn = plan(NOW, asked, PartitionAges(), ()).drawn
    adopted = PartitionAges(parts=drawn).after_parts({(day, part.campaigns): NOW for day, parts in drawn.items() for part in parts})
    again = plan(NOW, replace(asked, leaves={"k1": 50_000}), adopted, ())

    assert again.drawn.keys().isdisjoint(drawn)


def test_no_part_names_more_campaigns_than_fit_into_a_request():
    *named, others = draw({f"k{number:03}": 1 for number in range(250)}, pages, 250, MOST_CALLS)

    assert [len(part.campaigns.only) for part in named] == [100, 100, 50]
    assert len(others.campaigns.without) == 250
