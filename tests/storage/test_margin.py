"""A new gross margin: every stored profit follows, exactly, and the history says that it was the margin."""

from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse.errors import Usage
from adpulse.metric_rows import METRIC_SCHEMA, with_profit
from adpulse.metrics import METRICS, parse_margin

HALF, THIRD = Decimal("0.5"), Decimal("0.333333")
TODAY = date(2026, 3, 20)
OLD = TODAY - timedelta(days=40)
FACTS = "SELECT external_id, date, profit FROM metric_facts ORDER BY ALL"
money = st.integers(0, 10**15)
margins = st.decimals(0, 1, places=6)


def earned(revenue, margin):
    return int((revenue * margin).quantize(Decimal(1), ROUND_HALF_EVEN))


def at(margin, **row):
    """A row with the profit it has at a margin."""
    return row | {"profit": earned(row["revenue"], margin) - row.get("spend", 0)}


@given(st.lists(st.tuples(money, money), min_size=1), margins)
def test_profit_is_exact_and_rounded_half_to_even(told, margin):
    row = dict.fromkeys(METRICS, 0) | {"connection_id": "c", "level": "ad", "external_id": "a", "campaign_id": "k", "date": TODAY}
    rows = pa.Table.from_pylist([row | {"revenue": revenue, "spend": spend} for revenue, spend in told], schema=METRIC_SCHEMA)

    found = with_profit(rows, margin)

    assert found.column("profit").to_pylist() == [earned(revenue, margin) - spend for revenue, spend in told]
    assert found.schema == METRIC_SCHEMA
    assert found.drop_columns("profit") == rows.drop_columns("profit")


@pytest.mark.parametrize(
    ("text", "margin"),
    [("0.35", "0.35"), ("35%", "0.35"), (" 35 % ", "0.35"), ("1", "1"), ("100%", "1"), ("0", "0"), ("-0", "0"), ("12.3456%", "0.123456")],
)
def test_a_margin_is_a_share_or_a_percentage(text, margin):
    assert str(parse_margin(text)) == str(Decimal(margin).quantize(Decimal("0.000001")))


@pytest.mark.parametrize("text", ["35", "-0.1", "101%", "1.01", "0.1234567", "12.34567%", "half", "", "%", "nan", "Infinity", "1e9999999"])
def test_what_is_no_margin_is_refused_with_both_forms(text):
    with pytest.raises(Usage, match=r"0\.35.*35%"):
        parse_margin(text)


def test_every_stored_day_follows_whatever_was_read(workspace, build):
    rows = [at(HALF, revenue=101, spend=7, date=day) for day in (OLD, TODAY)]
    first = workspace.warehouse.diff([build.run(build.ads(*rows, since=OLD), gross_margin=HALF)])
    workspace.apply(first)

    (change,) = workspace.warehouse.diff([build.run(generation=2, gross_margin=THIRD)])
    workspace.apply([change])

    profit = earned(101, THIRD) - 7
    assert workspace.rows(FACTS) == [("a1", OLD, profit), ("a1", TODAY, profit)]
    assert workspace.rows("SELECT changed, cause FROM metric_changes WHERE generation = 2") == [(512, "margin")] * 2
    assert (change.counts.fetched, change.counts.updated, change.counts.unchanged) == (0, 2, 0)
    assert workspace.value("SELECT gross_margin FROM connections") == THIRD


def test_a_deleted_ads_history_follows_too_and_what_vanished_is_zero(workspace, build):
    told = [at(HALF, revenue=100, external_id=name) for name in ("gone", "living")]
    workspace.sync(build.run(build.ads(*told), build.walk({"external_id": "gone"}, {"external_id": "living"}), gross_margin=HALF))

    dead = build.confirmed({"external_id": "gone", "status": "DELETED"}, {"external_id": "living"})
    (change,) = workspace.warehouse.diff([build.run(build.ads(), dead, generation=2, gross_margin=THIRD)])
    workspace.apply([change])

    assert workspace.rows(FACTS) == [("gone", TODAY, 33), ("living", TODAY, 0)]
    assert workspace.rows("SELECT external_id, cause FROM metric_changes WHERE generation = 2 ORDER BY ALL") == [
        ("gone", "margin"),
        ("living", "vanished"),
    ]


def test_only_the_connection_whose_margin_changed_follows(workspace, build):
    runs = [build.run(build.ads(at(HALF, revenue=100, connection_id=each)), connection_id=each, gross_margin=HALF) for each in ("c1", "c2")]
    workspace.sync(*runs)

    batch = [
        build.run(generation=2, connection_id="c1", gross_margin=THIRD),
        build.run(generation=2, connection_id="c2", gross_margin=HALF),
    ]
    changes = workspace.warehouse.diff(batch)
    workspace.apply(changes)

    assert [change.empty for change in changes] == [False, True]
    assert workspace.rows("SELECT connection_id, profit FROM metric_facts ORDER BY ALL") == [("c1", 33), ("c2", 50)]
    assert workspace.rows("SELECT id, gross_margin FROM connections ORDER BY ALL") == [("c1", THIRD), ("c2", HALF)]


def test_the_same_margin_again_changes_nothing(workspace, build):
    workspace.sync(build.run(build.ads(at(HALF, revenue=100)), gross_margin=HALF))

    (change,) = workspace.warehouse.diff([build.run(generation=2, gross_margin=Decimal("0.50"))])

    assert change.empty


def test_the_stored_margin_follows_even_where_no_profit_does(workspace, build):
    workspace.sync(build.run(build.ads(at(HALF, revenue=0, spend=5)), gross_margin=HALF))

    workspace.sync(build.run(generation=2, gross_margin=THIRD))

    assert workspace.value("SELECT gross_margin FROM connections") == THIRD
    (change,) = workspace.warehouse.diff([build.run(generation=3, gross_margin=THIRD)])
    assert change.empty


def test_changes_of_an_older_margin_do_not_claim_to_have_the_newer_one(workspace, build):
    workspace.sync(build.run(build.ads(at(HALF, revenue=100)), gross_margin=HALF))
    late = workspace.warehouse.diff([build.run(build.ads(at(HALF, revenue=200)), generation=2, gross_margin=HALF)])

    workspace.apply(late, connections=[build.connection(gross_margin=THIRD)])
    workspace.sync(build.run(generation=3, gross_margin=THIRD))

    assert workspace.rows(FACTS) == [("a1", TODAY, earned(200, THIRD))]


def test_a_lost_lease_leaves_the_others_margin_as_it_was(workspace, build):
    runs = [build.run(build.ads(at(HALF, revenue=100, connection_id=each)), connection_id=each, gross_margin=HALF) for each in ("c1", "c2")]
    workspace.sync(*runs)

    batch = [build.run(generation=2, connection_id=each, gross_margin=THIRD) for each in ("c1", "c2")]
    workspace.sync(*batch, holds_lease=lambda run_id, _: run_id == "c1-r2")

    assert workspace.rows("SELECT id, gross_margin FROM connections ORDER BY ALL") == [("c1", THIRD), ("c2", HALF)]
    assert workspace.rows("SELECT connection_id, profit FROM metric_facts ORDER BY ALL") == [("c1", 33), ("c2", 50)]


def test_a_total_that_does_not_tell_its_revenue_has_no_profit_at_any_margin(workspace, build):
    silent = dict.fromkeys(("revenue", "profit", "purchases"))
    workspace.sync(build.run(build.totals({"spend": 5} | silent), gross_margin=HALF))

    workspace.sync(build.run(generation=2, gross_margin=THIRD))

    assert workspace.row("SELECT spend, revenue, profit FROM platform_totals") == (5, None, None)


ads = st.lists(st.integers(0, 10**9), min_size=1, max_size=4)


@given(ads, st.lists(st.integers(0, 10**9), max_size=4), st.lists(margins, min_size=2, max_size=2, unique=True))
@examples(3)
def test_the_days_sums_stay_the_campaigns_totals_and_leaves_that_ran_ahead_are_left_ahead(new_workspace, build, together, ahead, change):
    """``together``: ads that were read with the totals; ``ahead``: what they became when they were read again without them."""
    workspace, (before, after) = new_workspace(), change
    total = sum(together) + 777
    leaves = [at(before, revenue=each, external_id=f"a{n}") for n, each in enumerate(together)]
    workspace.sync(build.run(build.ads(*leaves), build.totals(at(before, revenue=total)), gross_margin=before))
    moved = [at(before, revenue=each, external_id=f"b{n}") for n, each in enumerate(ahead)]
    workspace.sync(build.run(build.ads(*leaves, *moved), generation=2, gross_margin=before))
    ((remainder,),) = workspace.rows("SELECT revenue FROM unreported")

    workspace.sync(build.run(generation=3, gross_margin=after))

    sums = "SELECT sum(revenue), sum(profit) FROM daily WHERE level = 'ad'"
    profits = sum(earned(each, after) for each in (*together, *ahead))
    assert workspace.value("SELECT profit FROM platform_totals") == earned(total, after)
    assert workspace.row(sums) == (Decimal(sum((*together, *ahead))) / 1_000_000, Decimal(profits) / 1_000_000)
    exact = earned(total, after) - sum(earned(each, after) for each in together)
    rest = workspace.row("SELECT revenue, profit FROM unreported")
    assert rest == (remainder, earned(remainder, after) if sum(ahead) else exact)


def test_totals_that_are_read_with_a_new_margin_make_a_new_remainder(workspace, build):
    workspace.sync(build.run(build.ads(at(HALF, revenue=10)), build.totals(at(HALF, revenue=20)), gross_margin=HALF))

    workspace.sync(build.run(build.ads(at(THIRD, revenue=11)), build.totals(at(THIRD, revenue=25)), generation=2, gross_margin=THIRD))

    assert workspace.row("SELECT revenue, profit FROM unreported") == (14, earned(25, THIRD) - earned(11, THIRD))
