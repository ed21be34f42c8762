"""What an account has beyond its campaigns is a row of its own, so that nothing that was spent is in nobody's total."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from repeats import examples

from adpulse.metrics import METRICS

DAILY = "SELECT date, campaign_id, name, spend FROM daily WHERE level = 'unreported' ORDER BY ALL"
SPENT = "SELECT sum(spend)::BIGINT FROM daily"
SUMS = "SELECT date, (sum(spend) * 1000000)::BIGINT FROM daily GROUP BY date ORDER BY date"


def units(spend):
    return {"spend": spend * 1_000_000, "profit": -spend * 1_000_000}


def test_what_the_account_spent_beyond_its_campaigns_is_a_row_of_its_day(workspace, build):
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account(units(130))))

    assert workspace.rows(DAILY) == [(build.today, None, "not reported by campaign", 30)]
    assert workspace.value(SPENT) == 130
    assert workspace.row("SELECT level, external_id, campaign_id, spend FROM account_totals") == ("account", "1", "", 130_000_000)


def test_an_account_of_nothing_but_its_campaigns_has_no_such_row(workspace, build):
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account(units(100))))

    assert workspace.rows("FROM not_by_campaign") == []


def test_the_same_answers_again_write_nothing(workspace, build):
    answers = build.ads(units(100)), build.totals(units(100)), build.account(units(130))
    workspace.sync(build.run(*answers))
    (again,) = workspace.warehouse.diff([build.run(*answers, generation=2)])

    assert again.empty


@pytest.mark.parametrize("side", ["account", "totals"])
def test_a_metric_that_one_side_does_not_tell_is_null_and_not_minus_the_other(workspace, build, side):
    told, silent = {"clicks": 5, "revenue": 9_000_000, "profit": 9_000_000}, {"clicks": 5, "revenue": None, "profit": None}
    rows = {"totals": told, "account": told | {"clicks": 7}}
    rows[side] = rows[side] | {name: silent[name] for name in ("revenue", "profit")}
    workspace.sync(build.run(build.ads(told), build.totals(rows["totals"]), build.account(rows["account"])))

    assert workspace.row("SELECT clicks, revenue, profit FROM not_by_campaign") == (2, None, None)


@pytest.mark.parametrize("alone", ["totals", "account"])
def test_one_of_the_two_reads_alone_makes_no_new_remainder(workspace, build, alone):
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account(units(130))))
    workspace.sync(build.run(getattr(build, alone)(units(150)), generation=2))

    assert workspace.value("SELECT spend FROM not_by_campaign") == 30_000_000


def test_campaigns_of_a_day_without_a_row_of_the_account_are_more_than_the_account_has(workspace, build):
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account()))

    assert workspace.value("SELECT spend FROM not_by_campaign") == -100_000_000
    assert workspace.rows("SELECT ours::BIGINT, platform::BIGINT FROM reconciliation WHERE level = 'account' AND metric = 'spend'") == [
        (100, 0)
    ]


def test_a_day_on_which_only_the_account_has_a_row_is_all_remainder(workspace, build):
    workspace.sync(build.run(build.ads(), build.totals(), build.account(units(100))))

    assert workspace.rows(DAILY) == [(build.today, None, "not reported by campaign", 100)]


def test_leaves_of_a_campaign_without_totals_are_not_counted_a_second_time(workspace, build):
    """A campaign that begins and is deleted between two reads of totals leaves only the leaves that were read meanwhile."""
    short = {"external_id": "a2", "campaign_id": "k2"}
    workspace.sync(build.run(build.ads(units(100), units(40) | short), build.totals(units(100)), build.account(units(145))))

    assert workspace.rows(DAILY) == [(build.today, None, "not reported by campaign", 5)]
    assert workspace.value(SPENT) == 145


def test_a_campaign_that_becomes_listed_while_the_account_is_not_read_is_not_counted_twice(workspace, build):
    listed = {"external_id": "k2", "campaign_id": "k2"}
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account(units(130))))
    workspace.sync(build.run(build.totals(units(100), units(30) | listed), generation=2))

    assert workspace.value("SELECT spend FROM not_by_campaign") is None
    assert workspace.value(SPENT) == 130

    again = build.ads(units(100)), build.totals(units(100), units(30) | listed), build.account(units(130))
    workspace.sync(build.run(*again, generation=3))
    assert workspace.value("SELECT spend FROM not_by_campaign") == 0


def test_a_remainder_is_unknown_once_a_campaign_vanished_while_the_account_was_not_read(workspace, build):
    second = {"external_id": "k2", "campaign_id": "k2"}
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100), units(20) | second), build.account(units(130))))
    living = build.confirmed({"level": "campaign", "external_id": "k2"})
    workspace.sync(build.run(build.totals(units(100)), living, generation=2))

    assert workspace.value("SELECT spend FROM not_by_campaign") is None
    assert workspace.rows("SELECT remainder FROM reconciliation WHERE level = 'account' AND metric = 'spend'") == [(None,)]


def test_a_campaign_that_appears_on_a_day_that_adds_up_leaves_it_so(workspace, build):
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account(units(100))))
    workspace.sync(build.run(build.totals(units(100), units(5) | {"external_id": "k2", "campaign_id": "k2"}), generation=2))

    assert workspace.rows("FROM not_by_campaign") == []


def test_a_campaign_that_is_deleted_after_it_was_stored_does_not_count_twice(workspace, build):
    gone = {"external_id": "a2", "campaign_id": "k2"}, {"external_id": "k2", "campaign_id": "k2"}
    both = build.ads(units(100), units(40) | gone[0]), build.totals(units(100), units(40) | gone[1]), build.account(units(140))
    workspace.sync(build.run(*both))
    workspace.sync(build.run(build.ads(units(110)), build.totals(units(110)), build.account(units(155)), generation=2))

    assert workspace.rows(DAILY) == [(build.today, None, "not reported by campaign", 5)]
    assert workspace.value(SPENT) == 155


def test_a_day_that_the_account_no_longer_reports_is_zero(workspace, build):
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account(units(130))))
    living = build.confirmed({"external_id": "a1"}, {"level": "campaign", "external_id": "k1"})
    workspace.sync(build.run(build.ads(), build.totals(), build.account(), living, generation=2))

    assert workspace.value("SELECT spend FROM account_totals") == 0
    assert workspace.value(SPENT) == 0


def test_a_refused_row_of_the_day_leaves_its_remainder_as_it_was(workspace, build):
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account(units(130))))
    refusing = build.refusing(build.totals(), {"level": "campaign", "external_id": "k1"})
    workspace.sync(build.run(build.ads(units(120)), refusing, build.account(units(160)), generation=2))

    assert workspace.value("SELECT spend FROM not_by_campaign") == 30_000_000


def test_accounts_in_one_batch_do_not_mix(workspace, build):
    def run(connection_id, whole):
        owner = {"connection_id": connection_id}
        rows = units(100) | owner
        return build.run(build.ads(rows), build.totals(rows), build.account(units(whole) | owner), connection_id=connection_id)

    workspace.sync(run("c1", 130), run("c2", 100), run("c3", 107))

    left = "SELECT connection_id, (spend / 1000000)::BIGINT FROM not_by_campaign ORDER BY ALL"
    assert workspace.rows(left) == [("c1", 30), ("c3", 7)]


def test_what_is_read_of_the_account_counts_neither_as_fetched_nor_as_written(workspace, build):
    (counts,) = (change.counts for change in workspace.warehouse.diff([build.run(build.totals(units(1)), build.account(units(3)))]))

    assert (counts.fetched, counts.inserted) == (1, 1)


def test_what_rounding_leaves_is_no_remainder(workspace, build):
    """Google's conversions are fractions: each row is rounded by itself."""
    thirds = [{"external_id": key, "campaign_id": key, "conversions": 333_333} for key in ("k1", "k2", "k3")]
    workspace.sync(build.run(build.totals(*thirds), build.account({"conversions": 1_000_000})))

    assert workspace.rows("FROM not_by_campaign") == []


def test_spend_is_exact_to_the_micro(workspace, build):
    workspace.sync(build.run(build.totals({"spend": 1, "profit": -1}), build.account({"spend": 2, "profit": -2})))

    assert workspace.row("SELECT spend, profit FROM not_by_campaign") == (1, 0)


def test_totals_that_were_read_an_hour_apart_make_no_remainder(workspace, build):
    earlier = build.now - timedelta(hours=1)
    workspace.sync(build.run(build.ads(units(150)), build.totals(units(150)), build.account(units(100), at=earlier)))

    assert workspace.rows("FROM not_by_campaign") == []


amounts = st.integers(0, 50)
reads = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(["k1", "k2", "k3"]), amounts), amounts, st.sampled_from([1, 2, 3])), min_size=1, max_size=6
)


@examples(6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reads=reads)
def test_a_day_adds_up_to_the_account_after_each_read_whatever_campaigns_come_and_go(new_workspace, build, reads):
    """A read is: what each listed campaign spent, what the account spent beyond them, and how many days it covers."""
    workspace, expected = new_workspace(), {}
    for generation, (campaigns, beyond, days) in enumerate(reads, start=1):
        span = [build.today - timedelta(days=n) for n in range(days)]
        each = [(units(spent) | {"date": day}, campaign) for campaign, spent in campaigns.items() for day in span]
        ads = build.ads(*({**row, "external_id": f"a{key}", "campaign_id": key} for row, key in each), since=span[-1])
        totals = build.totals(*({**row, "external_id": key, "campaign_id": key} for row, key in each), since=span[-1])
        whole = sum(campaigns.values()) + beyond
        account = build.account(*(units(whole) | {"date": day} for day in span), since=span[-1])
        workspace.sync(build.run(ads, totals, account, generation=generation))
        expected |= dict.fromkeys(span, whole * 1_000_000)

    stored = dict(workspace.rows(SUMS))
    assert {day: stored.get(day, 0) for day in expected} == expected


def test_every_additive_metric_has_its_column(workspace, build):
    workspace.sync(build.run(build.ads({})))
    columns = {name for (name, *_) in workspace.rows("DESCRIBE not_by_campaign")}

    assert {name for name, metric in METRICS.items() if metric.additive} <= columns
