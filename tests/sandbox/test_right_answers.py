"""Answers to valid requests: the shapes of Meta's answers, compared value by value."""

import hashlib
import hmac
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.graph import APP_SECRET

FIRST_OF_MARCH = {"since": "2026-03-01", "until": "2026-03-01"}
LISTED_STATUS = ["ACTIVE", "PAUSED", "CAMPAIGN_PAUSED", "ARCHIVED", "ADSET_PAUSED"]
EVERY_STATUS = ["ACTIVE", "PAUSED", "CAMPAIGN_PAUSED", "ADSET_PAUSED", "ARCHIVED", "DELETED"]
PURCHASES = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase", "onsite_conversion.purchase")


def by_type(actions):
    return {action["action_type"]: action["value"] for action in actions}


def cents(text):
    return round(float(text) * 100)


@pytest.fixture(scope="session")
def path(harbor):
    return f"act_{harbor.id}"


@pytest.fixture(scope="session")
def first_of_march(standing, harbor):
    """The account's first of March as the world has it, one element per ad."""
    return standing.truth.day_of(harbor.id, date(2026, 3, 1), standing.clock.now())


@pytest.fixture(scope="session")
def ad_rows(ask, path):
    fields = "ad_id,spend,impressions,clicks,inline_link_clicks,reach,frequency,ctr,cpc,cpm,actions,action_values"
    return ask.rows(f"{path}/insights", level="ad", limit="500", time_range=FIRST_OF_MARCH, fields=fields)


def test_an_account_is_described_as_meta_does(ask, harbor):
    fields = "account_id,name,currency,timezone_name,account_status,amount_spent,spend_cap"

    answer = ask(f"act_{harbor.id}", fields=fields).json()

    assert answer == {
        "id": "act_1270000000007919",
        "account_id": "1270000000007919",
        "name": "Harbor Outdoor",
        "currency": "USD",
        "timezone_name": "America/New_York",
        "account_status": 1,
        "amount_spent": "39125",
        "spend_cap": "0",
    }


def test_a_closed_account_reports_its_status(ask, standing):
    closed = standing.world.account("Closed Shop")

    answer = ask(f"act_{closed.id}", fields="account_status,disable_reason").json()

    assert answer == {"id": f"act_{closed.id}", "account_status": 2, "disable_reason": 1}


def test_without_fields_only_the_id_comes(ask, harbor):
    ad = harbor.ads[0].id

    assert ask(ad).json() == {"id": ad}


def test_every_version_answers_the_same(ask_newest, harbor):
    answers = [ask_newest(harbor.ads[0].id, version=version, fields="name,status").json() for version in ("v25.0", "v26.0", "v27.0")]

    assert answers[0]["name"]
    assert answers[0] == answers[1] == answers[2]


def test_a_token_may_come_in_the_header_and_with_its_proof(ask, standing):
    token = standing.world.token("full").value
    proof = hmac.new(APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()

    by_header = ask("me", token=None, headers={"authorization": f"Bearer {token}"})
    by_proof = ask("me", appsecret_proof=proof)

    assert by_header.json() == by_proof.json() == {"id": "1000042", "name": "Sandbox User"}


def test_budgets_are_minor_units_as_text_and_only_one_of_them_is_there(ask, harbor):
    for campaign in harbor.campaigns[:4]:
        name = "daily_budget" if campaign.index % 2 else "lifetime_budget"

        answer = ask(campaign.id, fields="daily_budget,lifetime_budget,spend_cap").json()

        assert answer == {"id": campaign.id, name: str(campaign.budget)}


@pytest.mark.parametrize(
    ("account", "offsets"),
    [("Harbor Outdoor", {"-0500", "-0400"}), ("Nordlicht Moebel", {"+0100", "+0200"}), ("Sakura Tea", {"+0900"})],
)
def test_time_stamps_carry_the_accounts_offset_of_that_day(ask, standing, account, offsets):
    stored = standing.world.account(account)
    entities = {entity.id: entity for entity in (*stored.campaigns, *stored.ads)}

    rows = [row for edge in ("campaigns", "ads") for row in ask.rows(f"act_{stored.id}/{edge}", fields="created_time", limit="5000")]

    stamps = [row["created_time"] for row in rows]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", stamp) for stamp in stamps)
    assert {stamp[-5:] for stamp in stamps} == offsets
    reported = [datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S%z") for stamp in stamps]
    assert reported == [entities[row["id"]].created_at.replace(microsecond=0) for row in rows]


def test_an_ad_shows_its_parents_and_its_creative(ask, harbor):
    ad = harbor.ads[3]

    answer = ask(ad.id, fields="adset_id,campaign{id,objective},adset{id,campaign_id},creative{id,link_url}").json()

    assert answer == {
        "id": ad.id,
        "adset_id": ad.parent.id,
        "campaign": {"id": ad.parent.parent.id, "objective": "OUTCOME_SALES"},
        "adset": {"id": ad.parent.id, "campaign_id": ad.parent.parent.id},
        "creative": {"id": str(int(ad.id) + 5), "link_url": "https://shop.example/1/landing/3"},
    }


def test_an_ad_set_has_its_attribution_spec(ask, harbor):
    (ad_set, *_) = (candidate for candidate in harbor.ad_sets if len(candidate.setting) == 2)

    answer = ask(ad_set.id, fields="attribution_spec").json()

    windows = [{"event_type": "CLICK_THROUGH", "window_days": 7}, {"event_type": "VIEW_THROUGH", "window_days": 1}]
    assert answer == {"id": ad_set.id, "attribution_spec": windows}


def test_several_ids_are_answered_by_id(ask, harbor):
    ad, campaign, account = harbor.ads[0], harbor.campaigns[0], f"act_{harbor.id}"

    answer = ask("", ids=f"{ad.id},{campaign.id},{account}", fields="name").json()

    assert answer == {
        ad.id: {"id": ad.id, "name": "Ad 0000 Harbor Outdoor"},
        campaign.id: {"id": campaign.id, "name": "Campaign 0000 Harbor Outdoor"},
        account: {"id": account, "name": "Harbor Outdoor"},
    }


def test_accounts_of_a_token_are_only_those_it_reaches(ask, standing, harbor):
    of_single = ask("me/adaccounts", token="single", fields="name").json()["data"]
    of_full = ask("me/adaccounts").json()["data"]

    assert of_single == [{"id": f"act_{harbor.id}", "name": "Harbor Outdoor"}]
    assert of_full == [{"id": f"act_{account_id}", "account_id": account_id} for account_id in standing.world.token("full").accounts]


def test_the_list_of_accounts_has_pages_of_25(bare):
    with Sandbox.start(extra=50) as sandbox:
        ask = bare(sandbox)

        first = ask("me/adaccounts").json()
        second = ask.http.get(first["paging"]["next"]).json()
        third = ask.http.get(second["paging"]["next"]).json()

    reported = [row["account_id"] for page in (first, second, third) for row in page["data"]]
    assert [len(page["data"]) for page in (first, second, third)] == [25, 25, 4]
    assert reported == list(sandbox.world.token("full").accounts)
    assert "next" not in third["paging"]


@pytest.mark.parametrize(
    ("edge", "params"),
    [("ads", {}), ("adsets", {"effective_status": LISTED_STATUS[:4]}), ("insights", {"level": "ad", "time_range": FIRST_OF_MARCH})],
)
def test_without_a_limit_a_page_has_25_rows_and_next_goes_on(ask, path, edge, params):
    first = ask(f"{path}/{edge}", **params).json()

    second = ask.http.get(first["paging"]["next"]).json()

    everything = ask(f"{path}/{edge}", **params, limit="5000").json()["data"]
    assert len(first["data"]) == 25
    assert first["data"] + second["data"] == everything[: len(second["data"]) + 25]


def test_only_next_says_that_there_is_more(ask, path):
    everything = ask(f"{path}/ads", limit="5000").json()
    page, sizes, rows = ask(f"{path}/ads", limit="40").json(), [], []
    while True:
        sizes.append(len(page["data"]))
        rows += page["data"]
        assert set(page["paging"]["cursors"]) == {"before", "after"}
        if "next" not in page["paging"]:
            break
        page = ask.http.get(page["paging"]["next"]).json()

    beyond = ask(f"{path}/ads", limit="40", after=page["paging"]["cursors"]["after"])

    assert sizes == [40, 40, 22]
    assert rows == everything["data"]
    assert set(everything["paging"]) == {"cursors"}
    assert (beyond.status_code, beyond.json()) == (200, {"data": []})


def test_a_page_that_is_exactly_full_is_the_last_one(ask, path):
    count = len(ask(f"{path}/campaigns", limit="5000").json()["data"])

    page = ask(f"{path}/campaigns", limit=str(count)).json()

    assert (len(page["data"]), set(page["paging"])) == (9, {"cursors"})


def test_the_cursor_gives_the_page_that_next_gives(ask, path):
    first = ask(f"{path}/ads", limit="10").json()["paging"]

    by_cursor = ask(f"{path}/ads", limit="10", after=first["cursors"]["after"]).json()

    by_next = ask.http.get(first["next"]).json()
    assert by_cursor["data"] == by_next["data"]
    assert by_cursor["paging"]["cursors"]["before"] == first["cursors"]["after"]


def test_next_carries_the_token(ask, path, standing):
    answer = ask(f"{path}/ads", limit="1").json()

    assert f"access_token={standing.world.token('full').value}" in answer["paging"]["next"]


def test_a_summary_counts_all_pages(ask, path):
    answer = ask(f"{path}/ads", limit="1", summary="true").json()

    assert (len(answer["data"]), answer["summary"]) == (1, {"total_count": 102})
    assert "summary" not in ask(f"{path}/ads", limit="1").json()


def test_archived_ads_are_listed_only_when_requested_and_deleted_ads_never(ask, harbor, standing, path):
    now = standing.clock.now()
    status_of = {ad.id: ad.effective_status(now) for ad in harbor.ads if ad.created_at <= now}

    by_default = ask.rows(f"{path}/ads", limit="500", fields="effective_status")
    archived = ask.rows(f"{path}/ads", limit="500", fields="effective_status", effective_status=["ARCHIVED"])
    filtering = [{"field": "effective_status", "operator": "NOT_IN", "value": ["PAUSED"]}]
    not_paused = ask.rows(f"{path}/ads", limit="500", fields="effective_status", filtering=filtering)
    of_any_status = ask.rows(f"{path}/ads", limit="500", fields="effective_status", effective_status=LISTED_STATUS)

    assert {row["id"]: row["effective_status"] for row in of_any_status} == {
        ad: status for ad, status in status_of.items() if status != "DELETED"
    }
    assert by_default == [row for row in of_any_status if row["effective_status"] != "ARCHIVED"]
    assert archived == [row for row in of_any_status if row["effective_status"] == "ARCHIVED"]
    assert not_paused == [row for row in by_default if row["effective_status"] != "PAUSED"]
    assert (len(of_any_status), len(by_default), len(archived), len(status_of) - len(of_any_status)) == (131, 102, 29, 12)


def test_entities_can_be_filtered_by_the_time_of_their_last_change(ask_own, sandbox):
    harbor, before = sandbox.world.account("Harbor Outdoor"), sandbox.clock.now()
    sandbox.clock.advance(23 * 3600)
    filtering = [{"field": "updated_time", "operator": "GREATER_THAN", "value": int(before.timestamp())}]

    rows = ask_own.rows(f"act_{harbor.id}/ads", limit="500", filtering=filtering, effective_status=LISTED_STATUS)

    now = sandbox.clock.now()
    listed = [ad for ad in harbor.ads if ad.created_at <= now and ad.effective_status(now) != "DELETED"]
    changed = [ad.id for ad in listed if int(ad.updated_at(now).timestamp()) > int(before.timestamp())]
    assert [row["id"] for row in rows] == changed
    assert 0 < len(changed) < len(harbor.ads)


def test_the_ads_of_a_campaign_are_its_own(ask, harbor, standing):
    campaign, now = harbor.campaigns[2], standing.clock.now()

    rows = ask.rows(f"{campaign.id}/ads", limit="500", effective_status=LISTED_STATUS)

    of_campaign = [ad for ad in harbor.ads if ad.parent.parent is campaign and ad.created_at <= now]
    assert [row["id"] for row in rows] == [ad.id for ad in of_campaign if ad.effective_status(now) != "DELETED"]


def test_every_number_of_a_row_is_text(ad_rows):
    for row in ad_rows:
        assert all(isinstance(value, str) for name, value in row.items() if name not in ("actions", "action_values"))
        assert all(isinstance(value, str) for action in row.get("actions", []) for value in action.values())
    assert len(ad_rows) == 86


def test_a_row_has_the_true_numbers_of_its_ad(ad_rows, harbor, first_of_march):
    by_id = {row["ad_id"]: row for row in ad_rows}
    buyer = next(ad for ad in harbor.ads if first_of_march.purchases[ad.index] and ad.id in by_id)
    day, n = first_of_march, buyer.index
    spend, impressions, clicks = int(day.spend[n]), int(day.impressions[n]), int(day.clicks[n])
    reach = impressions - impressions // 4

    row = {name: value for name, value in by_id[buyer.id].items() if name not in ("actions", "action_values")}

    assert row == {
        "ad_id": buyer.id,
        "spend": f"{spend / 100:.2f}",
        "impressions": str(impressions),
        "clicks": str(clicks),
        "inline_link_clicks": str(clicks * 4 // 5),
        "reach": str(reach),
        "frequency": f"{impressions / reach:.6f}",
        "ctr": f"{100 * clicks / impressions:.6f}",
        "cpc": f"{spend / 100 / clicks:.6f}",
        "cpm": f"{10 * spend / impressions:.6f}",
        "date_start": "2026-03-01",
        "date_stop": "2026-03-01",
    }


def test_what_is_zero_is_absent(ask, path, harbor, standing):
    day = standing.truth.day_of(harbor.id, date(2026, 3, 20), standing.clock.now())
    index = {ad.id: ad.index for ad in harbor.ads}
    fields = "ad_id,impressions,clicks,inline_link_clicks,cpc,actions,action_values"

    rows = ask.rows(f"{path}/insights", level="ad", limit="500", date_preset="today", fields=fields)

    without_clicks = [row for row in rows if not day.clicks[index[row["ad_id"]]]]
    without_purchases = [row for row in rows if not day.purchases[index[row["ad_id"]]]]
    assert [set(row) for row in without_clicks] == [{"ad_id", "impressions", "date_start", "date_stop"}] * len(without_clicks)
    assert all("action_values" not in row for row in without_purchases)
    assert 0 < len(without_clicks) < len(without_purchases) < len(rows)


def test_an_ad_without_delivery_has_no_row(ad_rows, harbor, standing, first_of_march):
    now, reported = standing.clock.now(), {row["ad_id"] for row in ad_rows}
    idle = {ad.id for ad in harbor.ads if not first_of_march.delivered[ad.index]}
    hidden = {ad.id for ad in harbor.ads if ad.effective_status(now) in ("ARCHIVED", "DELETED")}

    assert reported == {ad.id for ad in harbor.ads} - idle - hidden
    assert idle - hidden


def test_a_day_without_any_delivery_is_an_empty_list(ask, path):
    answer = ask(f"{path}/insights", level="ad", time_range={"since": "2024-01-01", "until": "2024-01-01"}).json()

    assert answer == {"data": []}


def test_without_fields_insights_have_account_impressions_and_spend(ask, path, harbor):
    (row,) = ask(f"{path}/insights", time_range=FIRST_OF_MARCH).json()["data"]

    assert set(row) == {"account_id", "impressions", "spend", "date_start", "date_stop"}
    assert row["account_id"] == harbor.id


def test_one_purchase_comes_under_several_types(ask, standing):
    berlin = standing.world.account("Nordlicht Moebel")
    day = standing.truth.day_of(berlin.id, date(2026, 3, 1), standing.clock.now())
    index, families = {ad.id: ad.index for ad in berlin.ads}, set()
    params = {"level": "ad", "limit": "5000", "time_range": FIRST_OF_MARCH, "fields": "ad_id,actions,action_values"}

    rows = ask.rows(f"act_{berlin.id}/insights", **params)

    for row in rows:
        counts, n = by_type(row.get("actions", [])), index[row["ad_id"]]
        family = tuple(name for name in PURCHASES if name in counts)
        families.add(family)
        assert (counts[family[0]] if family else "0") == str(day.purchases[n])
        assert cents(by_type(row["action_values"])[family[0]] if family else 0) == day.purchases[n] * day.order_value[n]
    assert {(), PURCHASES, PURCHASES[:3], PURCHASES[1:3], PURCHASES[2:3]} <= families


def test_purchases_on_meta_are_not_the_pixels(ask, standing):
    berlin = standing.world.account("Nordlicht Moebel")

    rows = ask.rows(f"act_{berlin.id}/insights", level="ad", limit="5000", time_range=FIRST_OF_MARCH, fields="actions")

    counts_of_rows = [by_type(row.get("actions", [])) for row in rows]
    partly = [counts for counts in counts_of_rows if "onsite_conversion.purchase" in counts and "omni_purchase" in counts]
    sums = [int(counts["onsite_conversion.purchase"]) + int(counts.get("offsite_conversion.fb_pixel_purchase", 0)) for counts in partly]
    assert sums == [int(counts["omni_purchase"]) for counts in partly]
    assert partly


def test_types_overlap_so_that_a_sum_over_them_is_wrong(ad_rows, harbor, first_of_march):
    index = {ad.id: ad.index for ad in harbor.ads}

    for row in ad_rows:
        clicks, counts = int(first_of_march.clicks[index[row["ad_id"]]]), by_type(row.get("actions", []))
        if clicks:
            assert (counts["page_engagement"], counts["post_engagement"]) == (str(clicks + 2), str(clicks + 1))
        if leads := int(first_of_march.leads[index[row["ad_id"]]]):
            assert counts["offsite_content_view_add_meta_leads"] == str(leads + 3)


def test_windows_stand_beside_the_value_and_leave_it_alone(ask, path):
    params = {"level": "ad", "limit": "1", "time_range": FIRST_OF_MARCH, "fields": "actions"}
    (plain,) = ask(f"{path}/insights", **params).json()["data"]

    (windowed,) = ask(f"{path}/insights", **params, action_attribution_windows=["1d_click", "7d_click", "1d_view"]).json()["data"]

    assert by_type(windowed["actions"]) == by_type(plain["actions"])
    click = next(action for action in windowed["actions"] if action["action_type"] == "link_click")
    assert click == {"action_type": "link_click", "value": "12", "1d_click": "12", "7d_click": "12"}
    assert all(set(action) == {"action_type", "value"} for action in plain["actions"])


def test_money_of_a_currency_without_decimals_has_no_point(ask, standing):
    sakura = standing.world.account("Sakura Tea")
    day = standing.truth.day_of(sakura.id, date(2026, 3, 1), standing.clock.now())
    index = {ad.id: ad.index for ad in sakura.ads}

    rows = ask.rows(f"act_{sakura.id}/insights", level="ad", time_range=FIRST_OF_MARCH, fields="ad_id,account_currency,spend,action_values")

    earned = [action["value"] for row in rows for action in row.get("action_values", [])]
    assert {row["account_currency"] for row in rows} == {"JPY"}
    assert [row["spend"] for row in rows] == [str(day.spend[index[row["ad_id"]]]) for row in rows]
    assert earned
    assert all(re.fullmatch(r"\d+", value) for value in (*earned, *(row["spend"] for row in rows)))


def test_dates_inside_insights_are_dates_only(ask, path):
    (row, *_) = ask(f"{path}/insights", level="ad", time_range=FIRST_OF_MARCH, fields="created_time,updated_time").json()["data"]

    assert row == {"created_time": "2025-12-03", "updated_time": "2025-12-03", "date_start": "2026-03-01", "date_stop": "2026-03-01"}


def test_today_is_the_accounts_day(ask, standing):
    tokyo, new_york = standing.world.account("Sakura Tea"), standing.world.account("Harbor Outdoor")

    days = [ask(f"act_{account.id}/insights", date_preset="yesterday").json()["data"][0]["date_start"] for account in (tokyo, new_york)]

    assert standing.clock.now() == datetime(2026, 3, 20, 15, tzinfo=UTC)
    assert days == ["2026-03-20", "2026-03-19"]


def test_an_increment_cuts_a_range_into_days(ask, path):
    days = ask(f"{path}/insights", time_range={"since": "2026-03-06", "until": "2026-03-10"}, time_increment="1").json()["data"]

    pairs = ask(f"{path}/insights", time_range={"since": "2026-03-06", "until": "2026-03-10"}, time_increment="2").json()["data"]

    assert [(row["date_start"], row["date_stop"]) for row in days] == [(f"2026-03-{n:02d}", f"2026-03-{n:02d}") for n in range(6, 11)]
    assert [(row["date_start"][-2:], row["date_stop"][-2:]) for row in pairs] == [("06", "07"), ("08", "09"), ("10", "10")]
    assert cents(pairs[0]["spend"]) == cents(days[0]["spend"]) + cents(days[1]["spend"])
    assert pairs[2]["impressions"] == days[4]["impressions"]


def test_filters_choose_rows(ask, path, harbor, ad_rows):
    wanted = [harbor.campaigns[0].id, harbor.campaigns[2].id]
    params = {"level": "ad", "limit": "500", "time_range": FIRST_OF_MARCH, "fields": "ad_id,campaign_id,impressions"}
    inside = [{"field": "campaign.id", "operator": "IN", "value": wanted}]
    busy = [{"field": "impressions", "operator": "GREATER_THAN", "value": 1000}]

    of_campaigns, of_busy = (ask.rows(f"{path}/insights", **params, filtering=filtering) for filtering in (inside, busy))

    assert {row["campaign_id"] for row in of_campaigns} == set(wanted)
    assert [row["ad_id"] for row in of_busy] == [row["ad_id"] for row in ad_rows if int(row["impressions"]) > 1000]
    assert 0 < len(of_busy) < len(ad_rows)


def test_an_archived_ad_has_a_row_only_when_its_status_is_requested(ask, path, harbor, standing):
    now, params = standing.clock.now(), {"level": "ad", "limit": "500", "date_preset": "last_90d", "fields": "ad_id"}
    archived = {ad.id for ad in harbor.ads if ad.effective_status(now) == "ARCHIVED"}
    by_status = [{"field": "ad.effective_status", "operator": "IN", "value": EVERY_STATUS}]

    by_default = {row["ad_id"] for row in ask.rows(f"{path}/insights", **params)}
    with_archived = {row["ad_id"] for row in ask.rows(f"{path}/insights", **params, filtering=by_status)}

    assert with_archived - by_default
    assert with_archived - by_default <= archived
    assert not by_default & archived


def test_a_deleted_ad_has_no_row_but_answers_by_its_id_and_counts_in_its_campaign(ask, path, harbor, standing):
    campaign, now = harbor.campaigns[5], standing.clock.now()
    ads = [ad for ad in harbor.ads if ad.parent.parent is campaign]
    deleted = {ad.id for ad in ads if ad.effective_status(now) == "DELETED"}
    params, row_of_ad = {"time_range": {"since": "2025-12-21", "until": "2026-03-19"}, "fields": "spend,impressions"}, {}
    any_status = {"field": "ad.effective_status", "operator": "IN", "value": EVERY_STATUS}
    of_campaign = [{"field": "campaign.id", "operator": "EQUAL", "value": campaign.id}, any_status]

    rows = ask.rows(f"{path}/insights", level="ad", limit="500", time_range=params["time_range"], fields="ad_id", filtering=of_campaign)
    (total,) = ask(f"{campaign.id}/insights", **params).json()["data"]
    for ad in ads:
        for row in ask(f"{ad.id}/insights", **params).json()["data"] if ad.created_at <= now else []:
            row_of_ad[ad.id] = row

    assert deleted
    assert {row["ad_id"] for row in rows} == set(row_of_ad) - deleted
    assert deleted & set(row_of_ad)
    assert cents(total["spend"]) == sum(cents(row["spend"]) for row in row_of_ad.values())
    assert int(total["impressions"]) == sum(int(row["impressions"]) for row in row_of_ad.values())


def test_a_deleted_campaign_has_no_row_but_counts_in_the_account(ask, standing):
    berlin, now = standing.world.account("Nordlicht Moebel"), standing.clock.now()
    (deleted,) = (campaign for campaign in berlin.campaigns if campaign.effective_status(now) == "DELETED")
    params = {"time_range": {"since": "2026-01-05", "until": "2026-01-05"}, "fields": "spend"}

    rows = ask.rows(f"act_{berlin.id}/insights", level="campaign", limit="500", **{**params, "fields": "campaign_id,spend"})
    (total,) = ask(f"act_{berlin.id}/insights", **params).json()["data"]
    (of_deleted,) = ask(f"{deleted.id}/insights", **params).json()["data"]

    assert deleted.id not in {row["campaign_id"] for row in rows}
    assert len(rows) == 49
    assert cents(total["spend"]) == cents(of_deleted["spend"]) + sum(cents(row["spend"]) for row in rows)


def test_the_windows_of_an_ad_sets_own_setting_add_up_to_the_value(ask, path):
    windows = ["1d_click", "7d_click", "28d_click", "1d_view", "1d_ev"]
    params = {"level": "ad", "limit": "500", "time_range": FIRST_OF_MARCH, "fields": "actions,attribution_setting"}
    own = {"7d_click": ["7d_click"], "1d_click": ["1d_click"], "1d_view_7d_click": ["1d_view", "7d_click"]}

    rows = ask(f"{path}/insights", **params, action_attribution_windows=windows).json()["data"]

    bought = [(row, action) for row in rows for action in row.get("actions", []) if action["action_type"] == "purchase"]
    assert {row["attribution_setting"] for row, _ in bought} == own.keys()
    for row, action in bought:
        assert sum(int(action.get(window, 0)) for window in own[row["attribution_setting"]]) == int(action["value"])
        assert int(action.get("1d_click", 0)) <= int(action.get("7d_click", 0)) <= int(action.get("28d_click", 0))
    assert any("1d_ev" in action for _, action in bought)


def test_a_campaign_of_mixed_attribution_settings_reports_no_actions_but_its_ads_do(ask, path, harbor):
    params = {"limit": "500", "time_range": FIRST_OF_MARCH}
    mixed = {harbor.campaigns[3].id, harbor.campaigns[8].id}
    fields = "campaign_id,clicks,actions,action_values"

    campaigns = ask.rows(f"{path}/insights", level="campaign", fields=fields, **params)
    windowed = ask.rows(f"{path}/insights", level="campaign", fields=fields, action_attribution_windows=["7d_click"], **params)
    ad_sets = ask.rows(f"{path}/insights", level="adset", fields=fields, **params)

    assert {row["campaign_id"] for row in campaigns if "actions" not in row} == mixed
    assert not [row for row in campaigns if row["campaign_id"] in mixed and "action_values" in row]
    assert all(int(row["clicks"]) > 0 for row in campaigns)
    assert all("actions" in row for row in windowed)
    by_default = ask.rows(f"{path}/insights", level="campaign", fields=fields, action_attribution_windows=["default"], **params)
    assert by_default == campaigns
    assert all("actions" in row for row in ad_sets if "clicks" in row)
    assert mixed <= {row["campaign_id"] for row in ad_sets}


def test_an_account_of_mixed_attribution_settings_reports_no_actions(ask, path):
    (row,) = ask(f"{path}/insights", time_range=FIRST_OF_MARCH, fields="spend,actions").json()["data"]

    assert set(row) == {"spend", "date_start", "date_stop"}


def test_an_async_job_is_started_polled_and_read(ask_own, sandbox):
    harbor = sandbox.world.account("Harbor Outdoor")
    params = {"level": "ad", "time_range": FIRST_OF_MARCH, "fields": "ad_id,spend,actions"}
    started = ask_own(f"act_{harbor.id}/insights", method="POST", **params).json()
    job = started["report_run_id"]

    early = ask_own(f"{job}/insights")
    states = [ask_own(job).json() for _ in range(2)]
    rows = ask_own.rows(f"{job}/insights", limit="30")

    assert set(started) == {"report_run_id"}
    assert (early.status_code, early.json()["error"]["code"], early.json()["error"]["error_subcode"]) == (400, 2601, 1815107)
    assert [(state["async_status"], state["async_percent_completion"]) for state in states] == [
        ("Job Running", 60),
        ("Job Completed", 100),
    ]
    assert all((state["id"], state["account_id"]) == (job, harbor.id) for state in states)
    assert rows == ask_own.rows(f"act_{harbor.id}/insights", limit="500", **params)
    assert len(rows) == 86


def test_results_of_a_job_are_refused_until_its_status_is_completed(ask, path):
    job = ask(f"{path}/insights", method="POST", level="ad", time_range=FIRST_OF_MARCH).json()["report_run_id"]
    codes = []

    for _ in range(2):
        codes.append(ask(f"{job}/insights").status_code)
        ask(job)

    assert codes == [400, 400]
    assert ask(f"{job}/insights").status_code == 200


def test_a_job_of_one_campaign_reports_only_that_campaign(ask, harbor):
    campaign = harbor.campaigns[2].id
    params = {"level": "ad", "time_range": FIRST_OF_MARCH, "fields": "campaign_id,ad_id"}
    job = ask(f"{campaign}/insights", method="POST", **params).json()["report_run_id"]
    for _ in range(3):
        ask(job)

    rows = ask.rows(f"{job}/insights", limit="500")

    assert {row["campaign_id"] for row in rows} == {campaign}
    assert rows == ask.rows(f"{campaign}/insights", limit="500", **params)


def test_a_batch_answers_every_item_for_itself(ask, harbor):
    items = [
        {"method": "GET", "relative_url": f"v25.0/act_{harbor.id}?fields=name"},
        {"method": "GET", "relative_url": "4711"},
        {"method": "POST", "relative_url": harbor.ads[0].id},
        {"relative_url": "me"},
    ]

    answer = ask("", method="POST", batch=items)

    answers = answer.json()
    assert answer.status_code == 200
    assert [item["code"] for item in answers] == [200, 400, 403, 200]
    assert all(isinstance(item["body"], str) and set(item) == {"code", "headers", "body"} for item in answers)
    assert json.loads(answers[0]["body"]) == {"id": f"act_{harbor.id}", "name": "Harbor Outdoor"}
    assert json.loads(answers[1]["body"])["error"]["error_subcode"] == 33
    assert all(set(header) == {"name", "value"} for item in answers for header in item["headers"])
    assert "x-business-use-case-usage" in {header["name"] for header in answers[0]["headers"]}


def test_every_item_of_a_batch_counts_as_a_call(ask_own, sandbox):
    ask_own("", method="POST", batch=[{"relative_url": "me"}] * 50)

    assert len(sandbox.calls.calls()) == 50


def test_a_batch_item_that_timed_out_is_null(ask_own, sandbox):
    sandbox.faults.add([{"action": "null_batch_item", "kind": "node", "count": 1}])
    items = [{"relative_url": f"{ad.id}?fields=id"} for ad in sandbox.world.account("Harbor Outdoor").ads[:3]]

    first = ask_own("", method="POST", batch=items).json()
    second = ask_own("", method="POST", batch=items).json()

    assert first[0] is None
    assert [item["code"] for item in first[1:]] == [200, 200]
    assert [item["code"] for item in second] == [200, 200, 200]


def test_usage_grows_with_the_accounts_calls_of_the_hour(ask_own, sandbox):
    harbor, berlin = sandbox.world.account("Harbor Outdoor"), sandbox.world.account("Nordlicht Moebel")
    for _ in range(59):
        ask_own(f"act_{harbor.id}")

    busy = json.loads(ask_own(f"act_{harbor.id}").headers["x-ad-account-usage"])
    other = json.loads(ask_own(f"act_{berlin.id}").headers["x-ad-account-usage"])
    sandbox.clock.advance(timedelta(hours=1).total_seconds())
    later = json.loads(ask_own(f"act_{harbor.id}").headers["x-ad-account-usage"])

    assert busy == {"acc_id_util_pct": 10, "reset_time_duration": 0, "ads_api_access_tier": "standard_access"}
    assert (other["acc_id_util_pct"], later["acc_id_util_pct"]) == (0, 0)


def test_usage_headers_have_metas_form(ask, path, harbor):
    answer = ask(path)

    case = json.loads(answer.headers["x-business-use-case-usage"])
    (use,) = case[harbor.id]
    assert set(case) == {harbor.id}
    assert set(use) == {
        "type", "call_count", "total_cputime", "total_time", "estimated_time_to_regain_access", "ads_api_access_tier",
    }  # fmt: skip
    assert (use["type"], use["estimated_time_to_regain_access"]) == ("ads_management", 0)
    (of_report,) = json.loads(ask(f"{path}/insights").headers["x-business-use-case-usage"])[harbor.id]
    assert of_report["type"] == "ads_insights"
    assert set(json.loads(answer.headers["x-fb-ads-insights-throttle"])) == {"app_id_util_pct", "acc_id_util_pct", "ads_api_access_tier"}
    assert json.loads(answer.headers["x-app-usage"]) == {"call_count": 1, "total_cputime": 1, "total_time": 1}
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
