"""Ways in which connectors get Meta's numbers wrong, each pinned by name; the numbering is that of the project's list of traps."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from clients import TODAY, MetaRig, keyed
from hypothesis import given
from hypothesis import strategies as st
from repeats import first_quick

from adpulse.metrics import METRICS
from adpulse.model import Level, RunState
from adpulse.platforms.meta import normalise
from adpulse.platforms.meta.metrics import micros
from adpulse_sandbox import Sandbox

DAY = timedelta(days=1)
ROW = {"ad_id": "1", "adset_id": "2", "campaign_id": "3", "date_start": "2026-03-20", "date_stop": "2026-03-20"}


def ten(row, meta, level=Level.AD):
    (told,) = normalise.metrics(level, [{**ROW, **row}], meta.connection(), (TODAY, TODAY)).rows.to_pylist()
    return told


def actions(**counts):
    return [{"action_type": kind.replace("__", "."), "value": str(value)} for kind, value in counts.items()]


def test_trap_01_one_purchase_under_several_types_counts_once(meta):
    family = {"omni_purchase": 5, "purchase": 4, "offsite_conversion__fb_pixel_purchase": 3, "onsite_conversion__purchase": 1}

    told = ten({"actions": actions(**family), "action_values": actions(**dict.fromkeys(family, "50.25"))}, meta)

    assert (told["purchases"], told["revenue"], told["conversions"]) == (5_000_000, 50_250_000, 5_000_000)


@pytest.mark.parametrize(
    ("metric", "kinds"),
    [
        ("purchases", ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")),
        (
            "leads",
            (
                "lead",
                "onsite_conversion.lead_grouped",
                "leadgen_grouped",
                "offsite_conversion.fb_pixel_lead",
                "onsite_web_lead",
                "onsite_conversion.lead",
                "leadgen.other",
            ),
        ),
        ("installs", ("omni_app_install", "app_install", "mobile_app_install")),
        ("visitors", ("omni_landing_page_view", "landing_page_view")),
    ],
)
def test_trap_01_the_first_type_present_tells_all_of_them(meta, metric, kinds):
    for place in range(len(kinds)):
        row = {"actions": [{"action_type": kind, "value": str(n + 1)} for n, kind in reversed(list(enumerate(kinds))) if n >= place]}

        assert ten(row, meta)[metric] == (place + 1) * 1_000_000


@pytest.mark.parametrize("level", [Level.AD, Level.CAMPAIGN])
def test_every_metric_is_stored_in_its_unit(meta, level):
    counted = actions(purchase="1.5", lead="2.25", mobile_app_install="3.125", landing_page_view="4.0625")
    delivery = {"campaign_id": "3", "impressions": "100", "clicks": "7", "spend": "12.34"}

    told = ten(delivery | {"actions": counted, "action_values": actions(purchase="50.25")}, meta, level)

    assert {name: told[name] for name in METRICS} == {
        "impressions": 100, "clicks": 7, "spend": 12_340_000, "conversions": 6_875_000, "revenue": 50_250_000,
        "leads": 2_250_000, "installs": 3_125_000, "purchases": 1_500_000, "visitors": 4_062_500, "profit": 37_910_000,
    }  # fmt: skip


def test_trap_02_a_living_ads_vanished_day_becomes_zero_and_a_deleted_ads_day_stays(installation, sandbox):
    connection = installation.synced()
    stored = {(row[0], row[1]): row[2] for row in installation.rows("SELECT external_id, date, impressions FROM metric_facts")}
    sandbox.clock.advance(86_400)

    installation.sync(connection, force=True)

    now = sandbox.clock.now()
    account = sandbox.world.account("Harbor Outdoor")
    deleted = {ad.id for ad in account.ads if ad.deleted_at and now - DAY < ad.deleted_at <= now}
    truth = {
        (row["external_id"], row["date"])
        for row in installation.sandbox.truth.metrics(account.id, TODAY - 28 * DAY, TODAY, now).to_pylist()
    }
    after = {(row[0], row[1]): row[2] for row in installation.rows("SELECT external_id, date, impressions FROM metric_facts")}
    kept = {key for key in stored if key[0] in deleted and key[1] < TODAY - DAY}
    vanished = {key for key in stored if key not in truth and key[0] not in deleted and stored[key] and key[1] >= TODAY - 28 * DAY}
    vanished = {key for key in vanished if account.by_id[key[0]].effective_status(now) != "DELETED"}
    assert kept
    assert all(after[key] == stored[key] for key in kept)
    assert vanished
    assert all(after[key] == 0 for key in vanished)
    assert installation.differences(connection) == []


@pytest.mark.parametrize("action", first_quick(["drop_midway", "endless", "truncated", "no_error_body", "html", "server_error"]))
def test_trap_03_a_page_sequence_that_breaks_off_writes_nothing_of_it(installation, sandbox, action):
    connection = installation.connect("Sakura Tea")
    client = installation.app.client(connection)
    client._sizes.first, client._sleep = 20, lambda _: None
    sandbox.faults.add([{"action": action, "kind": "insights", "page": 2}])

    (run,) = installation.leg(connection)

    assert run.state is RunState.FAILED
    assert run.counts.inserted == 0
    sandbox.faults.clear()
    client._sizes.first = 500
    assert installation.sync(connection).state is RunState.DONE
    assert installation.differences(connection) == []


def test_trap_03_an_empty_page_with_a_next_one_is_not_the_end(meta, sandbox):
    sandbox.faults.add([{"action": "empty_page", "count": 1}])

    assert keyed(meta.ads()) == keyed(meta.truth())


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_trap_04_money_goes_from_string_to_micros_without_a_float(value):
    assert micros(str(value), "spend") == int(value * 1_000_000)


def test_trap_04_money_that_a_float_would_get_wrong():
    assert micros("1234567890123.07", "spend") == 1_234_567_890_123_070_000
    assert micros("0.29", "spend") == 290_000
    assert micros("1500", "spend") == 1_500_000_000


def test_trap_05_finer_than_a_micro_is_rounded_once_half_to_even():
    assert [micros(value, "x") for value in ("0.0000005", "0.0000015", "0.33333333")] == [0, 2, 333_333]


@pytest.mark.parametrize("name", ["Harbor Outdoor", "Sakura Tea", "Nordlicht Moebel"])
@pytest.mark.parametrize("minutes", [-1, 1])
def test_trap_06_at_local_midnight_today_and_yesterday_are_the_accounts(name, minutes):
    with Sandbox.start() as sandbox:
        zone = sandbox.world.account(name).zone
        midnight = datetime.combine(TODAY + DAY, datetime.min.time(), zone)
        sandbox.clock.set(midnight + timedelta(minutes=minutes))
        meta = MetaRig(sandbox)
        today = sandbox.clock.now().astimezone(zone).date()

        both = keyed(meta.ads(name, since=today - DAY, until=today))

        assert both == keyed(meta.truth(name, since=today - DAY, until=today))
        assert meta.connection(name).today(sandbox.clock.now()) == (TODAY if minutes < 0 else TODAY + DAY)
        assert {day for _, day in both} >= {today - DAY}


@pytest.mark.parametrize(("name", "day", "hours"), [("Harbor Outdoor", date(2026, 3, 8), 23), ("Nordlicht Moebel", date(2026, 3, 29), 23)])
def test_trap_06_a_day_with_a_clock_change_is_one_day(sandbox, name, day, hours):
    zone = sandbox.world.account(name).zone
    sandbox.clock.set(datetime.combine(day + 2 * DAY, datetime.min.time(), ZoneInfo("UTC")))
    begins, ends = (datetime.combine(each, datetime.min.time(), zone).astimezone(ZoneInfo("UTC")) for each in (day, day + DAY))
    meta = MetaRig(sandbox)

    mine = keyed(meta.ads(name, since=day, until=day))

    assert ends - begins == timedelta(hours=hours)
    assert mine == keyed(meta.truth(name, since=day, until=day))


def test_trap_07_a_conversion_of_the_last_day_of_the_lookback_arrives(installation, sandbox):
    connection = installation.synced("Sakura Tea")
    for _ in range(2):
        sandbox.clock.advance(86_400)
        installation.sync(connection)

    late = installation.rows("SELECT max(age_days) FROM restatements WHERE metric = 'purchases'")

    assert late[0][0] >= 27
    assert installation.differences(connection) == []


def test_trap_10_equal_ids_of_two_accounts_stay_apart_and_are_strings(meta):
    first, second = meta.connection("Harbor Outdoor"), meta.connection("Sakura Tea")
    row = {**ROW, "ad_id": "23860000001000011", "impressions": "1"}

    tables = [normalise.metrics(Level.AD, [row], connection, (TODAY, TODAY)).rows for connection in (first, second)]

    assert {table.column("connection_id")[0].as_py() for table in tables} == {first.id, second.id}
    assert [table.column("external_id")[0].as_py() for table in tables] == ["23860000001000011"] * 2


def test_trap_13_a_row_on_two_pages_counts_once(sandbox):
    meta = MetaRig(sandbox, page_size=40)
    sandbox.faults.add([{"action": "duplicate_row", "page": 2}])

    mine = keyed(meta.ads())

    assert mine == keyed(meta.truth())
    assert sandbox.faults.as_json()[0]["struck"] == 1


def test_trap_16_the_value_is_taken_and_not_the_windows_added_up(meta):
    several = {"action_type": "omni_purchase", "value": "7", "1d_click": "4", "7d_click": "7", "1d_view": "2"}

    told = ten({"actions": [several], "action_values": [{**several, "value": "70.5", "7d_click": "70.5"}]}, meta)

    assert (told["purchases"], told["revenue"]) == (7_000_000, 70_500_000)


def test_absent_means_zero_for_ads_and_unknown_for_totals_without_actions(meta):
    row = {"impressions": "10", "spend": "1.00"}

    ad, total = ten(row, meta), ten(row, meta, Level.CAMPAIGN)

    assert [ad[name] for name in METRICS] == [10, 0, 1_000_000, 0, 0, 0, 0, 0, 0, -1_000_000]
    assert [total[name] for name in METRICS] == [10, 0, 1_000_000, None, None, None, None, None, None, None]
