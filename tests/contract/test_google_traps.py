"""Ways in which connectors get Google's numbers wrong, each pinned by name; the numbering is that of the project's list of traps."""

import re
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from clients import TODAY, GoogleRig, keyed
from google_sdk import Ads

from adpulse.metrics import METRICS
from adpulse.model import FetchKind
from adpulse.platforms.google import normalise
from adpulse.platforms.google.metrics import FIELDS
from adpulse.platforms.google.queries import ADS
from adpulse_sandbox import Sandbox
from storage.warehouse.analytics import read

DAY = timedelta(days=1)
WEEK = {"since": TODAY - 6 * DAY}
MAX = "PERFORMANCE_MAX"


def campaigns(google, name, channel):
    """Ids of the campaigns of a channel."""
    customer = google.sandbox.google.world.customer(name)
    return {str(each.id) for each in customer.of("campaign") if each.facts["advertising_channel_type"] == channel}


def spend(table, **where):
    """Spend by campaign."""
    found = defaultdict(int)
    for row in table.to_pylist():
        if all(row[name] == value for name, value in where.items()):
            found[row["campaign_id"]] += row["spend"]
    return dict(found)


def queries(google):
    return [call.params["query"] for call in google.log()]


def test_trap_01_a_purchase_counts_once_though_several_conversion_actions_tell_it(google):
    asked = "FROM customer WHERE segments.date BETWEEN '2026-03-14' AND '2026-03-20'"
    ((purchases, all_purchases),) = (
        (row.get("metrics.conversions", 0), row.get("metrics.all_conversions", 0))
        for row in Ads(google.sandbox.google).rows(
            f"SELECT segments.conversion_action_category, metrics.conversions, metrics.all_conversions {asked}"
        )
        if row["segments.conversion_action_category"] == "PURCHASE"
    )

    mine = google.totals(**WEEK).to_pylist()

    assert sum(row["purchases"] for row in mine) == round(purchases * 1_000_000)
    assert purchases <= all_purchases
    assert all(row["purchases"] + row["leads"] + row["installs"] + row["visitors"] <= row["conversions"] for row in mine)


def test_trap_02_a_row_that_vanished_is_zero_even_of_an_ad_that_was_removed(google, installation):
    connection = installation.synced(google.SMALL)
    now, since = google.sandbox.clock.now(), TODAY - 20 * DAY
    shown = {row[0] for row in installation.rows("SELECT external_id FROM metric_facts WHERE impressions > 0 AND date >= ?", [since])}
    leaves = [leaf for leaf in google.sandbox.google.world.customer(google.SMALL).leaves if str(leaf.id) in shown]
    removed = next(leaf for leaf in leaves if leaf.status(now) == "REMOVED")
    living = next(leaf for leaf in leaves if leaf.stops_at is None)
    google.sandbox.clock.advance(86_400)
    for leaf in (removed, living):
        google.take_back(leaf)

    installation.sync(connection, force=True)

    columns = f"external_id, date, campaign_id, {', '.join(METRICS)}"
    stored = keyed(read(installation.published(), f"SELECT {columns} FROM metric_facts WHERE date >= ?", [since]))
    vanished = [key for key in stored if key[0] in {str(removed.id), str(living.id)}]
    assert len({external_id for external_id, _ in vanished}) == 2
    assert [key for key in vanished if any(stored[key][name] for name in METRICS)] == []
    told = {key: row for key, row in stored.items() if any(row[name] for name in METRICS)}
    assert told == keyed(google.truth(since=since, until=TODAY + DAY))


def test_trap_03_a_stream_that_breaks_off_is_told_as_an_error_after_every_try(google):
    google.sandbox.faults.add([{"action": "drop_midway", "count": 2}])

    assert keyed(google.totals(**WEEK)) == keyed(google.truth(**WEEK, level="campaign"))
    assert [call.fault for call in google.log()] == ["drop_midway", "drop_midway", None, None]


def test_trap_04_money_is_never_a_float():
    largest = 2**62 + 1
    names = ["ad_group_ad.ad.id", "ad_group.id", "campaign.id", normalise.DATE, *FIELDS.values()]
    told = pa.table([[1], [2], [3], ["2026-03-20"], [1], [1], pa.array([largest], pa.int64()), [0.0], [0.0]], names=names)

    assert normalise.base(ADS.level, told, ADS.within, ADS.fields)["spend"].to_pylist() == [largest]


def test_trap_04_revenue_in_doubles_is_rounded_once_to_the_micro():
    told = pa.chunked_array([[0.29, 1234567.07, 0.0000005, 0.0000015, 1 / 3]])

    assert normalise.micros(told).to_pylist() == [290_000, 1_234_567_070_000, 0, 2, 333_333]


def test_trap_05_fractions_of_conversions_are_kept(google):
    mine = google.ads(**WEEK)

    fractions = [value for value in mine["conversions"].to_pylist() if value % 1_000_000]
    assert len(fractions) > mine.num_rows / 2
    assert keyed(mine) == keyed(google.truth(**WEEK))


@pytest.mark.parametrize("name", ["Alpenglow Reisen", "Pacific Trail Outfitters", "Grand Catalogue"])
@pytest.mark.parametrize("minutes", [-1, 1])
def test_trap_06_at_local_midnight_today_and_yesterday_are_the_customers(google, name, minutes):
    google.sandbox.clock.set(datetime.combine(TODAY + DAY, time(), google.zone(name)) + timedelta(minutes=minutes))
    today = google.connection(name).today(google.sandbox.clock.now())

    both = keyed(google.totals(name, since=today - DAY, until=today))

    assert today == (TODAY if minutes < 0 else TODAY + DAY)
    assert both == keyed(google.truth(name, since=today - DAY, until=today, level="campaign"))
    assert today - DAY in {day for _, day in both}


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("Alpenglow Reisen", date(2026, 3, 29)),
        ("Alpenglow Reisen", date(2026, 10, 25)),
        ("Pacific Trail Outfitters", date(2026, 3, 8)),
        ("Pacific Trail Outfitters", date(2026, 11, 1)),
    ],
)
def test_trap_06_a_day_of_23_or_25_hours_is_one_day(name, day):
    with Sandbox.start(now=datetime.combine(day + 2 * DAY, time(), UTC)) as sandbox:
        google = GoogleRig(sandbox)

        mine = keyed(google.ads(name, since=day - DAY, until=day + DAY))

        assert mine == keyed(google.truth(name, since=day - DAY, until=day + DAY))
        assert {told for _, told in mine} == {day - DAY, day, day + DAY}


def test_trap_08_performance_max_is_told_by_its_asset_groups(google):
    by_campaign, told = spend(google.totals(**WEEK)), google.ads(**WEEK)

    mine = campaigns(google, google.SMALL, MAX)
    by_groups = spend(told, level="asset_group")
    assert by_groups.keys() == mine & by_campaign.keys()
    assert by_groups == {campaign: by_campaign[campaign] for campaign in by_groups}
    assert sum(by_groups.values()) > 0
    assert spend(told, level="ad").keys() & mine == set()


def test_trap_08_assets_are_never_asked_for(google):
    google.entities()
    google.ads(**WEEK)
    google.totals(**WEEK)

    assert [query for query in queries(google) if "asset_group_asset" in query] == []


def test_trap_08_performance_max_is_not_counted_twice_where_campaigns_are_stored_too(google, installation):
    connection = installation.connect(google.SMALL)

    installation.sync(connection)

    ids = sorted(campaigns(google, google.SMALL, MAX))
    marks = ", ".join("?" * len(ids))
    daily = installation.rows(
        f"SELECT level, CAST(sum(spend) * 1000000 AS BIGINT) FROM daily WHERE campaign_id IN ({marks}) GROUP BY ALL", ids
    )
    totals = installation.rows(f"SELECT sum(spend)::BIGINT FROM platform_totals WHERE external_id IN ({marks})", ids)
    assert [(level, money) for level, money in daily if money] == [("asset_group", totals[0][0])]
    assert totals[0][0] > 0


def test_trap_09_when_every_asset_group_is_removed_their_numbers_stay(google, installation):
    connection = installation.synced(google.ABROAD)
    with_spend = "SELECT count(*) FROM metric_facts WHERE level = 'asset_group' AND spend > 0 AND date < ?"
    before = installation.rows(with_spend, [TODAY])
    for leaf in google.sandbox.google.world.customer(google.ABROAD).of("asset_group"):
        google.remove(leaf, google.sandbox.clock.now())

    for _ in range(2):  # the first walk learns of it, the second plans with it
        google.sandbox.clock.advance(86_400)
        installation.sync(connection, force=True)

    assert before[0][0] > 0
    assert installation.rows(with_spend, [TODAY]) == before
    assert installation.differences(connection) == []


def test_trap_10_equal_ids_of_two_customers_stay_apart_and_are_strings(google):
    names = ["ad_group_ad.ad.id", "ad_group.id", "campaign.id", normalise.DATE, *FIELDS.values()]
    told = pa.table([[9_007_199_254_740_993], [2], [3], ["2026-03-20"], [1], [1], [1], [0.0], [0.0]], names=names)
    base = normalise.base(ADS.level, told, ADS.within, ADS.fields)

    first, second = (normalise.rows([base], google.connection(name)) for name in (google.SMALL, google.ABROAD))

    assert first["external_id"].to_pylist() == second["external_id"].to_pylist() == ["9007199254740993"]
    assert first["connection_id"].to_pylist() != second["connection_id"].to_pylist()


def test_trap_10_equal_ids_of_both_platforms_stay_apart_in_the_warehouse(google, installation):
    mine, other = installation.connect(google.ABROAD), installation.connect("Sakura Tea")
    installation.sync(mine)
    installation.sync(other)

    owners = installation.rows("SELECT DISTINCT connection_id, provider FROM daily")

    assert sorted(owners) == sorted([(mine.id, "google"), (other.id, "meta")])
    assert installation.differences(mine) == []
    assert installation.differences(other) == []


def test_trap_12_cost_is_not_multiplied_by_the_categories_of_conversions(google):
    rows = google.totals(**WEEK).to_pylist()

    customer = Ads(google.sandbox.google).rows(
        "SELECT metrics.cost_micros, metrics.clicks FROM customer WHERE segments.date BETWEEN '2026-03-14' AND '2026-03-20'"
    )
    assert sum(row["spend"] for row in rows) == customer[0]["metrics.cost_micros"]
    assert sum(row["clicks"] for row in rows) == customer[0]["metrics.clicks"]
    assert any(sum(row[name] > 0 for name in ("purchases", "leads", "visitors")) > 1 for row in rows)


def test_trap_12_no_query_asks_for_cost_and_categories_at_once(google):
    google.ads(**WEEK)
    google.totals(**WEEK)

    both = [
        query for query in queries(google) if "conversion_action_category" in query and re.search(r"cost|clicks|impressions|value", query)
    ]
    assert both == []
    assert sum("conversion_action_category" in query for query in queries(google)) == 3


@pytest.mark.parametrize("read_", ["ads", "totals"])
def test_trap_13_a_row_that_comes_again_counts_once(google, read_):
    google.sandbox.faults.add([{"action": "duplicate_row"}])

    mine = keyed(getattr(google, read_)(**WEEK))

    assert mine == keyed(google.truth(**WEEK, level="ad" if read_ == "ads" else "campaign"))
    assert google.sandbox.faults.as_json()[0]["struck"] > 0


def test_trap_16_conversions_are_those_of_primary_actions_on_the_day_of_the_click(google):
    google.ads(**WEEK)
    google.totals(**WEEK)

    others = r"all_conversions|by_conversion_date|biddable|conversions_from|view_through"
    assert [query for query in queries(google) if re.search(others, query)] == []


def test_a_read_of_leaves_without_the_split_says_nothing_of_it_rather_than_zero(google):
    rows = google._metrics(FetchKind.ADS, google.SMALL, TODAY, TODAY, "1")

    assert [rows[name].null_count for name in METRICS if rows[name].null_count] == [rows.num_rows] * 4


def test_what_is_stored_of_a_day_is_what_google_tells_of_it_down_to_the_micro(google, installation):
    installation.synced(google.ABROAD)

    stored = keyed(read(installation.published(), f"SELECT external_id, date, campaign_id, {', '.join(METRICS)} FROM metric_facts"))

    truth = keyed(google.truth(google.ABROAD, since=TODAY - 89 * DAY))
    assert stored == truth


@pytest.mark.parametrize(("platform", "foreign"), [("meta", {8, 12}), ("google", set())])
def test_every_trap_that_a_platform_has_is_pinned_by_name(platform, foreign):
    names = [f"test_{platform}_traps.py", "test_syncs.py"]
    text = "".join((Path(__file__).parent / name).read_text() for name in names)

    pinned = {int(number) for number in re.findall(r"^def test_trap_(\d\d)_", text, re.MULTILINE)}

    assert pinned == set(range(1, 17)) - foreign
