"""``adpulse verify`` on installations that synced a sandbox, with exports that are written from the sandbox's truth."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import exports
import pytest
from installation import shrink

from adpulse.services import conversion_types, verifying
from adpulse_sandbox import Sandbox
from storage.warehouse import schema
from storage.warehouse.analytics import read

STORE, TEA, TRAVEL = "Corner Store 1", "Sakura Tea", "Alpenglow Reisen"
"""A campaign in dollars, several in yen, and a customer of Google Ads."""


@pytest.fixture(scope="module")
def sandbox():
    """Its customer is small, and another one has a campaign that reports no ads."""
    with Sandbox.start(extra=2) as running:
        shrink(running)
        customer = running.google.world.customer("Pacific Trail Outfitters")
        running.google.world.change(customer.id, replace(customer.spec, campaigns=(("SEARCH", 1, 1, 2), ("SMART", 1, 0, 0))))
        yield running


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def settled(installation, name):
    """Connected, synced, and synced again when the oldest days had become final."""
    connection = installation.connect(name)
    installation.sync(connection)
    installation.sandbox.clock.advance(40 * 86_400)
    installation.sync(connection)
    return connection


@pytest.fixture
def store(installation):
    return installation.synced(STORE)


@pytest.fixture
def tea(installation):
    return installation.synced(TEA)


@pytest.fixture
def travel(installation):
    return installation.begin_as(settled, TRAVEL)


@pytest.fixture
def truth(installation):
    """The rows of the last ``days`` of an account, as the platform's own pages would show them now."""

    def rows(connection, days=135):
        now = installation.sandbox.clock.now()
        today = connection.today(now)
        return exports.truth_rows(installation.remote, connection.external_id, since=today - timedelta(days=days), until=today, as_of=now)

    return rows


@pytest.fixture
def verify(adpulse, tmp_path):
    """Runs the command on an exported file; exit code, what was printed, and what --json says."""

    def run(connection, content, *arguments):
        file = tmp_path / "export.csv"
        file.write_bytes(content)
        code, out, err = adpulse("verify", connection.name, "--csv", str(file), *arguments)
        json_code, text, _ = adpulse("verify", connection.name, "--csv", str(file), "--json", *arguments)
        assert code == json_code
        return code, out + err, json.loads(text) if text else None

    return run


@pytest.mark.parametrize("language", ["en", "de"])
def test_ads_managers_export_of_a_synced_account_has_no_difference(verify, store, truth, language):
    code, out, told = verify(store, exports.ads_manager(truth(store), store.currency, language))

    assert code == 0
    assert re.search(r"^0 differences in [1-9][\d,]{2,} compared numbers of settled days; 0 in [1-9][\d,]+ of days that", out, re.MULTILINE)
    assert told["differences"] == []
    assert (told["totals_rows"], told["campaigns_by"]) == (1, "id")
    assert "spend" in told["columns"]


@pytest.mark.parametrize("language", ["en", "de"])
def test_an_account_in_a_currency_without_cents_has_no_difference(verify, tea, truth, language):
    code, _, told = verify(tea, exports.ads_manager(truth(tea), tea.currency, language, digits=0))

    assert (code, told["differing"]) == (0, {"settled": 0, "not_settled": 0})
    assert told["compared"]["settled"] > 500


def test_conversions_that_meta_withholds_of_a_campaign_are_named_and_not_compared(verify, tea, truth):
    rows = truth(tea)
    withheld = {row.campaign_id for row in rows} - {row.campaign_id for row in rows if row.values["purchases"] is not None}
    code, out, told = verify(tea, exports.ads_manager(rows, tea.currency, digits=0))

    assert (code, bool(withheld)) == (0, True)
    assert {one["campaign"] for one in told["blank_in_export"]} == withheld
    assert re.search(r"The export says nothing of purchases in any row of Campaign \d+ Sakura Tea\b.*; stored are [1-9]\d*\.", out)


@pytest.mark.parametrize(("language", "excel"), [("en", False), ("en", True), ("de", False), ("de", True)])
def test_google_ads_download_of_a_synced_account_has_no_difference_in_settled_days(verify, travel, truth, language, excel):
    code, out, told = verify(travel, exports.google_ads(truth(travel), travel.currency, language, excel=excel))

    assert code == 0
    assert re.search(r"^0 differences in [1-9][\d,]{2,} compared numbers of settled days;", out, re.MULTILINE)
    assert told["differing"]["settled"] == 0
    assert {one["reason"] for one in told["differences"]} <= {"not settled"}
    assert (told["totals_rows"], set(told["columns"])) == (2, {"impressions", "clicks", "spend", "conversions", "revenue"})


@pytest.mark.parametrize("language", ["en", "de"])
def test_campaigns_are_found_by_name_in_an_export_without_ids(verify, store, truth, language):
    code, _, told = verify(store, exports.ads_manager(truth(store), store.currency, language, without=("campaign_id",)))

    assert (code, told["campaigns_by"], told["differences"]) == (0, "name", [])


def test_one_changed_number_of_a_settled_day_fails(verify, store, truth):
    rows = sorted(truth(store), key=lambda row: row.day)
    wrong = exports.changed(rows[:1], lambda row: {"spend": row.values["spend"] + 10_000})
    code, out, told = verify(store, exports.ads_manager([*wrong, *rows[1:]], store.currency))
    (one,) = told["differences"]

    assert code == 1
    assert (one["date"], one["campaign"], one["metric"]) == (f"{rows[0].day}", rows[0].campaign_id, "spend")
    assert (one["difference"], one["settled"]) == ("-0.01", True)
    assert "1 difference in" in out


def test_one_changed_number_of_today_is_told_and_does_not_fail(verify, store, truth):
    rows = sorted(truth(store), key=lambda row: row.day)
    wrong = exports.changed(rows[-1:], lambda row: {"spend": row.values["spend"] + 10_000})
    code, out, told = verify(store, exports.ads_manager([*rows[:-1], *wrong], store.currency))

    assert code == 0
    assert [(one["settled"], one["reason"]) for one in told["differences"]] == [(False, "not settled")]
    assert "not settled: The platform may still change the day" in out


def test_link_clicks_in_the_place_of_all_clicks_are_named_as_the_column(verify, store, truth):
    rows = exports.changed(truth(store), lambda row: {"clicks": row.values["clicks"] * 6 // 10})
    code, _, told = verify(store, exports.ads_manager(rows, store.currency))

    assert code == 1
    assert {(one["metric"], one["reason"]) for one in told["differences"]} == {("clicks", "column")}


def test_a_mapping_that_would_close_the_difference_is_named_with_the_command_that_shows_it(verify, store, truth, installation):
    conversion_types.read(installation.app, store)
    rows = exports.changed(truth(store), lambda row: {"clicks": row.values["clicks"] * 8 // 10})
    _, out, told = verify(store, exports.ads_manager(rows, store.currency))

    assert {(one["metric"], one["reason"]) for one in told["differences"]} == {("clicks", "mapping")}
    assert told["mapping_that_would_close"] == {"clicks": "clicks=link"}
    assert f"adpulse mapping {store.id} --set clicks=link --preview" in out


def test_conversions_of_another_window_are_named_as_the_window(verify, store, truth):
    def shorter(row):
        return {metric: row.values[metric] * 4 // 10 // 1_000_000 * 1_000_000 for metric in ("purchases", "revenue")}

    code, out, told = verify(store, exports.ads_manager(exports.changed(truth(store), shorter), store.currency))

    assert code == 1
    assert {(one["metric"], one["reason"]) for one in told["differences"] if one["settled"]} == {
        ("purchases", "window"),
        ("revenue", "window"),
    }
    assert "Attribution settings of the export: 7-day click or 1-day view. adpulse stores each ad set's own." in out


def test_days_that_begin_at_another_time_are_named_as_the_zone(verify, store, truth):
    rows = [replace(row, day=row.day - timedelta(days=1)) for row in truth(store)]
    code, _, told = verify(store, exports.ads_manager(rows, store.currency))

    assert code == 1
    assert {one["reason"] for one in told["differences"] if one["metric"] in ("impressions", "clicks", "spend")} == {"zone"}


def test_what_no_ad_reports_is_named_as_the_remainder(verify, installation, truth):
    connection = installation.begin_as(settled, "Pacific Trail Outfitters")
    rows = truth(connection)
    smart = rows[-1].campaign_id  # the last campaign of a day
    of_ads = exports.changed([row for row in rows if row.campaign_id == smart], lambda row: dict.fromkeys(row.values, 0))
    code, _, told = verify(
        connection, exports.google_ads([*(row for row in rows if row.campaign_id != smart), *of_ads], connection.currency)
    )

    assert code == 1
    assert {(one["campaign"], one["reason"]) for one in told["differences"] if one["settled"]} == {(smart, "remainder")}


def test_what_is_not_compared_is_told(verify, tea, truth):
    rows = truth(tea, days=89)
    one = rows[0].campaign_id
    others = {row.campaign_id for row in rows} - {one}
    kept = [row for row in rows if row.campaign_id == one]
    early = replace(kept[0], day=kept[0].day - timedelta(days=200))
    code, out, told = verify(tea, exports.ads_manager([early, *kept], tea.currency, digits=0))

    assert (code, told["differences"]) == (0, [])
    assert told["columns_not_compared"] == ["CTR (all)"]
    assert (set(told["campaigns_not_in_export"]), len(others)) == (others, 3)
    assert told["days_not_stored"] == [f"{early.day}"]
    assert "Not compared: CTR (all)." in out
    assert "Campaigns that are stored and not in the export: 3, which spent " in out
    assert f"Days of the export that are not stored completely, so not compared: 1 ({early.day})." in out


def test_a_column_is_named_by_hand(verify, store, truth):
    content = exports.ads_manager(truth(store), store.currency).replace(b",Purchases,", b",Website purchases,")
    _, out, told = verify(store, content)
    code, _, by_hand = verify(store, content, "--column", "purchases=Website purchases")

    assert "Not compared: CTR (all), Website purchases." in out
    assert "purchases" not in told["columns"]
    assert (code, by_hand["columns"]["purchases"], by_hand["differences"]) == (0, "Website purchases", [])


@pytest.mark.parametrize(
    ("content", "arguments", "told"),
    [
        (b"", (), "The file is empty."),
        (b"Day,Campaign name,Impressions\n2001-01-01,Brand,1\n", (), "Nothing can be compared: the export is of 2001-01-01"),
        (b"Day,Campaign name,Amount spent (XXX)\n2026-10-01,Brand,1\n", (), "The export is in XXX, the connection in"),
        (b"Day,Campaign name,Amount spent\n2026-10-01,Brand,1.234\n", (), "Give --decimal . or --decimal ,"),
        (b"Day,Campaign name,Amount spent\n2026-10-01,Brand,1.2\n", ("--decimal", "x"), "'x' comes before no decimals"),
        (b"Day,Campaign name,Amount spent\n1/2/2026,Brand,1.2\n", (), "Give --dates mdy"),
        (b"Day,Campaign name,Amount spent\n1/2/2026,Brand,1.2\n", ("--dates", "x"), "no order of days"),
        (
            b"Day,Campaign name,Amount spent\n31/1/2026,Brand,1.2\n",
            ("--dates", "mdy"),
            "--dates mdy does not fit the file: '31/1/2026' in line 2 is a day only where the day comes first. Give --dates dmy, or",
        ),
        (
            b"Day,Campaign name,Amount spent\n1/31/2026,Brand,1.2\n",
            ("--dates", "dmy"),
            "--dates dmy does not fit the file: '1/31/2026' in line 2 is a day only where the month comes first. Give --dates mdy, or",
        ),
        (b"Day,Campaign name,Amount spent\n31/31/2026,Brand,1.2\n", ("--dates", "dmy"), "'31/31/2026' in line 2 is not a day"),
        (b"Day,Campaign name,Amount spent\n2026-10-01,Brand,1.2\n", ("--column", "spend"), "does not say what a column holds"),
    ],
)
def test_bad_input_ends_with_a_sentence_and_exit_code_2(verify, store, content, arguments, told):
    code, out, _ = verify(store, content, *arguments)

    assert code == 2
    assert told in out


def test_a_file_that_is_not_there_and_a_connection_that_is_not_there_end_with_exit_code_2(adpulse, store, tmp_path):
    code, _, err = adpulse("verify", store.name, "--csv", str(tmp_path / "none.csv"))
    assert (code, "none.csv cannot be read: No such file or directory." in err) == (2, True)

    code, _, err = adpulse("verify", "Nobody", "--csv", str(tmp_path / "none.csv"))
    assert (code, "Nobody" in err) == (2, True)


def test_an_account_that_was_never_synced_says_so(adpulse, installation, tmp_path):
    connection = installation.connect(STORE)
    (tmp_path / "a.csv").write_text("Day,Campaign name,Impressions\n2026-10-01,Brand,1\n")
    code, _, err = adpulse("verify", connection.name, "--csv", str(tmp_path / "a.csv"))

    assert (code, "Nothing was published yet" in err) == (2, True)


def test_a_day_is_settled_when_leaves_and_campaigns_are_and_counts_only_if_both_were_read(installation, tmp_path):
    connection = installation.connect(STORE)
    with duckdb.connect(tmp_path / "copy.duckdb") as copy:
        schema.migrate(copy)
        for day, levels in {1: {"leaf": True, "campaign": True}, 2: {"leaf": True, "campaign": False}, 3: {"leaf": True}}.items():
            for level, is_settled in levels.items():
                read_day = [connection.id, level, date(2026, 9, day), is_settled]
                copy.execute(
                    "INSERT INTO read_days (connection_id, level, date, fresh_until, settled) VALUES (?, ?, ?, now(), ?)", read_day
                )

    days = read(tmp_path / "copy.duckdb", verifying._COMPLETE, [connection.id]).to_pylist()
    assert {row["date"]: row["settled"] for row in days} == {date(2026, 9, 1): True, date(2026, 9, 2): False}


def test_nothing_is_written(verify, installation, store, truth):
    def bytes_of_all():
        return {
            path: path.read_bytes()
            for path in installation.app.settings.home.rglob("*")
            if path.is_file() and "control.db" not in path.name
        }

    before = bytes_of_all()
    verify(store, exports.ads_manager(truth(store), store.currency))

    assert bytes_of_all() == before
