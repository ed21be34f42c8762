"""The Meta client against the sandbox, over the unmodified facebook-business SDK and real HTTP."""

import inspect
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import facebook_business.api
import pytest
from clients import TODAY, MetaRig, assert_free_of, keyed
from hypothesis import given, settings
from hypothesis import strategies as st

from adpulse.errors import (
    AccountRefused,
    AuthExpired,
    BadRequest,
    RateLimited,
    TooMuchData,
    Unavailable,
)
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Fetch, FetchKind, Heat, PageSizes
from adpulse.platforms.meta.platform import META
from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta import usage

DAY = timedelta(days=1)


def test_every_account_the_token_reaches_is_found_over_several_pages(sandbox):
    meta = MetaRig(sandbox, page_size=1)

    found = meta.client.accounts(meta.slot)

    assert sorted(facts.external_id for facts in found) == sorted(sandbox.world.token("full").accounts)
    assert meta.slots == len(sandbox.world.token("full").accounts) + 1  # and the list of what a System User was assigned


def test_a_zero_decimal_currency_is_exact(meta):
    since = TODAY - timedelta(days=30)

    mine = keyed(meta.ads("Sakura Tea", since=since))

    assert mine == keyed(meta.truth("Sakura Tea", since=since))
    assert all(row["spend"] % 1_000_000 == 0 for row in mine.values())


def test_a_large_account_comes_complete_over_many_pages(meta):
    since = TODAY - timedelta(days=2)

    mine = keyed(meta.ads("Nordlicht Moebel", since=since))

    assert mine == keyed(meta.truth("Nordlicht Moebel", since=since))
    assert meta.slots == -(-len(mine) // 500)


def test_campaign_totals_equal_the_truth_with_nulls_where_meta_is_silent(meta):
    since = TODAY - timedelta(days=20)

    mine = keyed(meta.totals("Nordlicht Moebel", since=since))

    truth = keyed(meta.truth("Nordlicht Moebel", since=since, level="campaign"))
    assert mine == truth
    assert any(row["purchases"] is None for row in mine.values())


@settings(max_examples=12)
@given(page_size=st.integers(1, 400), days=st.integers(1, 4), back=st.integers(0, 60))
def test_the_page_size_never_changes_the_answer(small_world, page_size, days, back):
    meta = MetaRig(small_world, page_size=page_size)
    until = TODAY - timedelta(days=back)
    since = until - timedelta(days=days - 1)

    assert keyed(meta.ads("Sakura Tea", since=since, until=until)) == keyed(meta.truth("Sakura Tea", since=since, until=until))


@pytest.fixture(scope="module")
def small_world():
    with Sandbox.start() as running:
        yield running


def test_smaller_pages_and_repeated_ones_take_their_slots_too(meta, sandbox):
    sandbox.faults.add([{"action": "transient", "count": 1}, {"action": "too_much_data", "above_limit": 200}])

    meta.ads("Nordlicht Moebel")
    meta.entities()

    assert meta.slots == len(sandbox.calls.calls())


LATER = [fault for fault in MetaRig.FAULTS if fault.error is not TooMuchData]


@pytest.mark.parametrize("fault", LATER, ids=lambda fault: "-".join(str(each) for each in fault.rule.values()))
def test_a_fault_on_a_later_page_becomes_one_error_that_never_holds_the_token(sandbox, fault):
    meta = MetaRig(sandbox, page_size=50)
    sandbox.faults.add([{**fault.rule, "kind": "insights", "page": 2}])

    with pytest.raises(fault.error) as caught:
        meta.ads()

    assert type(caught.value) is fault.error
    assert_free_of(meta.secrets, caught.value)


def test_an_answer_too_big_is_asked_for_in_smaller_pages_from_then_on(meta, sandbox):
    sandbox.faults.add([{"action": "too_much_data", "above_limit": 130}])

    mine = keyed(meta.ads())
    calls = len(sandbox.calls.calls())
    meta.ads()

    assert mine == keyed(meta.truth())
    limits = [int(call.params["limit"]) for call in sandbox.calls.calls()]
    assert limits[:2] == [500, 125]
    assert set(limits[calls:]) == {125}


def test_pages_that_became_smaller_for_one_account_stay_big_for_another(meta, sandbox):
    sandbox.faults.add([{"action": "too_much_data", "above_limit": 130, "account": sandbox.world.account("Harbor Outdoor").id}])

    meta.ads()
    meta.ads("Sakura Tea")

    assert sandbox.calls.calls()[-1].params["limit"] == "500"


def test_a_range_whose_pages_are_too_big_is_not_halved_by_the_client(meta, sandbox):
    """It would shrink the pages of every other range: what replaces it is the ladder's to say."""
    sandbox.faults.add([{"action": "too_much_data", "above_days": 2}])

    with pytest.raises(TooMuchData):
        meta.ads(since=TODAY - timedelta(days=6))

    assert [call.params["limit"] for call in sandbox.calls.calls()] == ["500", "250"]
    assert meta.client.page_sizes(meta.connection()).report == 500


@pytest.mark.parametrize(
    ("code", "told"), [(1, "1"), (17, "100/1487534"), (1504018, "100/1504018"), (1504038, "2/1504038"), (1504044, "2/1504044")]
)
def test_every_name_that_meta_has_for_too_much_is_known(meta, sandbox, code, told):
    sandbox.faults.add([{"action": "too_much_data", "code": code}])

    with pytest.raises(TooMuchData) as caught:
        meta.ads()

    assert caught.value.code == told
    assert meta.slept == []


def test_an_ad_with_a_broken_creative_costs_the_creatives_of_its_small_page_alone(meta, sandbox):
    whole = {row["external_id"]: row for row in meta.entities("Nordlicht Moebel").to_pylist()}
    broken = sandbox.world.account("Nordlicht Moebel").ads[300].id
    sandbox.faults.add([{"action": "broken_creative", "value": broken}])
    before = len(sandbox.calls.calls())

    rows = {row["external_id"]: row for row in meta.entities("Nordlicht Moebel").to_pylist()}

    assert rows.keys() == whole.keys()
    changed = [key for key, row in rows.items() if row != whole[key]]
    assert broken in changed
    assert len(changed) <= 50
    assert all("creative" not in rows[key]["attributes"] for key in changed)
    assert len(sandbox.calls.calls()) - before <= 20


def test_nearing_the_platforms_own_limit_slows_down_and_then_pauses(meta, sandbox):
    account = sandbox.world.account("Harbor Outdoor").id
    at = sandbox.clock.now()
    busy = {
        "account": account,
        "kind": "x",
        "method": "GET",
        "path": "x",
        "params": {},
        "offset": 0,
        "status": 200,
        "rows": 0,
        "fault": None,
    }
    for _ in range(470):
        sandbox.calls.add(at=at, **busy)

    meta.ads()
    meta.ads()
    slowed = list(meta.slept)
    for _ in range(110):
        sandbox.calls.add(at=at, **busy)
    meta.ads()

    assert slowed == [2.0]
    with pytest.raises(RateLimited) as caught:
        meta.ads()
    assert caught.value.code == "usage"


@pytest.mark.parametrize(("percent", "slept", "scope"), [(80, [2.0], None), (96, [], "app")])
def test_nearing_the_limit_of_the_app_slows_down_and_pauses_all_of_its_accounts(meta, monkeypatch, percent, slept, scope):
    meter = {"call_count": percent, "total_cputime": 1, "total_time": 1}
    monkeypatch.setattr(usage, "OF_APP", {"x-app-usage": json.dumps(meter)})
    meta.ads()

    if scope is None:
        meta.ads()
    else:
        with pytest.raises(RateLimited) as caught:
            meta.ads()
        assert (caught.value.code, caught.value.scope) == ("usage", scope)
    assert meta.slept == slept


def test_an_answer_is_not_lost_because_its_meters_hold_nulls(meta, monkeypatch):
    nulls = dict.fromkeys(("call_count", "total_cputime", "total_time", "estimated_time_to_regain_access"))
    cases = {meta.connection().external_id: [{"type": "ads_insights", **nulls}]}
    account = {"acc_id_util_pct": None, "app_id_util_pct": None, "reset_time_duration": None}
    told = {
        "x-app-usage": nulls,
        "x-business-use-case-usage": cases,
        "x-ad-account-usage": account,
        "x-fb-ads-insights-throttle": account,
    }
    monkeypatch.setattr(usage, "OF_APP", {name: json.dumps(value) for name, value in told.items()})

    assert keyed(meta.ads()) == keyed(meta.truth())
    assert meta.slept == []


def test_pages_without_cursors_are_read_to_the_end(sandbox):
    meta = MetaRig(sandbox, page_size=40)
    sandbox.faults.add([{"action": "rewrite", "kind": "insights", "place": "paging.cursors", "remove": True}])

    assert keyed(meta.ads()) == keyed(meta.truth())
    assert sandbox.faults.as_json()[0]["struck"] > 1


def test_entities_whose_meter_is_full_are_read_later_and_numbers_at_once(meta, sandbox):
    full = {meta.connection().external_id: [{"type": "ads_management", "call_count": 99}, {"type": "custom_audience", "call_count": 100}]}
    sandbox.faults.add([{"action": "rewrite", "kind": "insights", "place": "headers.x-business-use-case-usage", "value": full, "count": 1}])
    meta.ads()

    with pytest.raises(RateLimited, match="read later") as caught:
        meta.entities()
    assert caught.value.scope == "entities"
    assert keyed(meta.ads()) == keyed(meta.truth())
    assert meta.entities().num_rows


def test_a_failure_tells_how_much_is_used_up_too(meta, sandbox, monkeypatch):
    monkeypatch.setattr(usage, "OF_APP", {"x-app-usage": json.dumps({"call_count": 96})})
    sandbox.faults.add([{"action": "refused", "count": 1}])
    with pytest.raises(BadRequest):
        meta.ads()

    with pytest.raises(RateLimited):
        meta.ads()


@pytest.mark.parametrize("version", [version.name for version in META.versions])
def test_current_versions_are_answered(sandbox, version):
    sandbox.clock.set(datetime(2026, 11, 20, 15, tzinfo=UTC))
    meta = MetaRig(sandbox, version=version)

    assert keyed(meta.ads()) == keyed(meta.truth())
    assert meta.client.answered_by is None


def test_a_call_that_meta_upgrades_is_noticed_also_when_it_is_refused(sandbox):
    meta = MetaRig(sandbox, version="v25.0")
    sandbox.faults.add([{"action": "auto_upgrade", "kind": "node", "value": "v26.0", "count": 1}])
    meta.client.facts(meta.connection(), lambda: None)
    upgraded = meta.client.answered_by
    sandbox.faults.add([{"action": "refused", "kind": "node", "count": 1}])
    with pytest.raises(BadRequest):
        meta.client.facts(meta.connection(), lambda: None)

    assert (upgraded, meta.client.answered_by) == ("v26.0", None)


def test_a_token_without_the_scope_is_told_apart_from_one_that_ended(sandbox):
    with pytest.raises(AccountRefused):
        MetaRig(sandbox, token="unscoped").ads()


def test_a_token_that_ends_between_two_pages_leaves_nothing_half_read(sandbox):
    meta = MetaRig(sandbox, token="expiring", page_size=50)
    taken = []

    def slot():
        taken.append(1)
        if len(taken) == 2:
            sandbox.clock.advance(3 * 3600)

    fetch = Fetch(kind=FetchKind.ADS, heat=Heat.HOT, cost=1, since=TODAY, until=TODAY)
    with pytest.raises(AuthExpired):
        meta.client.metrics(meta.connection(), MetricsRequest.of(fetch), slot)


def test_a_range_out_of_reach_is_a_bad_request(meta):
    old = date(2020, 1, 1)

    with pytest.raises(BadRequest):
        meta.ads(since=old, until=old + DAY)


def test_pages_that_were_too_big_are_halved_of_that_edge_alone_and_grow_again_with_the_hours(sandbox):
    meta = MetaRig(sandbox, page_size=160)
    connection = meta.connection()
    sandbox.faults.add([{"action": "too_much_data", "kind": "ads", "above_limit": 40}])
    meta.entities()
    assert meta.client.page_sizes(connection).report == 160
    sandbox.faults.clear()
    sandbox.faults.add([{"action": "too_much_data", "kind": "insights", "above_limit": 40}])
    assert keyed(meta.ads()) == keyed(meta.truth())
    assert meta.client.page_sizes(connection).report == 40

    def after(hours):
        meta.sizes.now = began + timedelta(hours=hours, minutes=1)
        return meta.client.page_sizes(connection).report

    began = meta.sizes.now
    assert [after(hours) for hours in (0, 1, 2, 500)] == [40, 80, 160, 160]


def limits(sandbox, edge="insights"):
    return [int(call.params["limit"]) for call in sandbox.calls.calls() if call.path.endswith(edge)]


def test_pages_double_with_each_full_page_up_to_the_largest_and_the_next_read_begins_there(sandbox):
    meta = MetaRig(sandbox, page_size=20, largest_page=100)
    truth = keyed(meta.truth())

    assert keyed(meta.ads()) == truth
    assert keyed(meta.ads()) == truth
    assert limits(sandbox) == [20, 40, 80, 80, 100]
    assert meta.client.page_sizes(meta.connection()) == PageSizes(report=100, walk=20)


def test_a_size_that_is_refused_while_pages_grow_is_tried_again_an_hour_later(sandbox):
    meta = MetaRig(sandbox, page_size=20, largest_page=100)
    sandbox.faults.add([{"action": "too_much_data", "kind": "insights", "above_limit": 40}])
    meta.ads()
    began, refused = meta.sizes.now, limits(sandbox)
    sandbox.calls.clear()
    meta.sizes.now = began + timedelta(minutes=59)
    meta.ads()
    within, _ = limits(sandbox), sandbox.calls.clear()
    meta.sizes.now = began + timedelta(minutes=61)
    meta.ads()

    assert refused[:3] == [20, 40, 80]
    assert set(refused[3:]) | set(within) == {25}
    assert limits(sandbox)[:3] == [25, 50, 25]


def test_a_page_that_had_grown_and_fails_without_a_name_makes_the_next_read_begin_small(sandbox):
    meta = MetaRig(sandbox, page_size=20, largest_page=100)
    sandbox.faults.add([{"action": "server_error", "kind": "insights", "above_limit": 50}])
    with pytest.raises(Unavailable):
        meta.ads()

    assert keyed(meta.ads()) == keyed(meta.truth())
    assert limits(sandbox)[:5] == [20, 40, 80, 80, 80]
    assert set(limits(sandbox)[5:]) == {20}


def test_a_walk_has_a_size_of_its_own_that_a_new_process_begins_with(sandbox):
    meta = MetaRig(sandbox, page_size=20, largest_page=100)
    truth = meta.entities().num_rows
    reached = meta.client.page_sizes(meta.connection())
    again = MetaRig(sandbox, page_size=20, largest_page=100)
    connection = replace(again.connection(), page_sizes=reached)
    sandbox.calls.clear()
    fetch = Fetch(kind=FetchKind.ENTITIES_FULL, heat=Heat.COLD, cost=1)

    assert reached == PageSizes(report=20, walk=100)
    assert again.client.entities(connection, fetch, again.slot).rows.num_rows == truth
    assert set(limits(sandbox, "ads")) == {100}


def test_the_sdk_is_the_one_from_the_package_index():
    assert "site-packages" in inspect.getfile(facebook_business.api)
    assert facebook_business.session.FacebookSession.GRAPH == "https://graph.facebook.com"


def test_a_cursor_that_dies_while_paging_is_a_failure_that_passes(sandbox):
    meta = MetaRig(sandbox, page_size=50)
    account = sandbox.world.account("Harbor Outdoor")
    deletion = min(at for at, _ in account.deletions if at > sandbox.clock.now())
    taken = []

    def slot():
        taken.append(1)
        if len(taken) == 4:
            sandbox.clock.set(deletion)

    fetch = Fetch(kind=FetchKind.ENTITIES_FULL, heat=Heat.COLD, cost=1)
    with pytest.raises(Unavailable, match="cursor"):
        meta.client.entities(meta.connection(), fetch, slot)

    assert sandbox.calls.calls()[-1].status == 400
    now = sandbox.clock.now()
    listed = [each for each in account.by_id.values() if each.created_at <= now and each.effective_status(now) != "DELETED"]
    assert meta.entities().num_rows == len(listed)
