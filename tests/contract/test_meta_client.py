"""The Meta client against the sandbox, over the unmodified facebook-business SDK and real HTTP."""

import inspect
from datetime import date, timedelta

import facebook_business.api
import pytest
from clients import TODAY, MetaRig, keyed
from hypothesis import given, settings
from hypothesis import strategies as st

from adpulse.errors import (
    AccountRefused,
    AuthExpired,
    BadRequest,
    RateLimited,
    TooMuchData,
    Unavailable,
    VersionSunset,
)
from adpulse.model import Fetch, FetchKind, Heat, Level
from adpulse.sandbox import Sandbox

DAY = timedelta(days=1)


def test_every_account_the_token_reaches_is_found_over_several_pages(sandbox):
    meta = MetaRig(sandbox, page_size=1)

    found = meta.client.accounts(meta.slot)

    told = {(facts.external_id, facts.name, facts.currency, facts.timezone, facts.enabled) for facts in found}
    accounts = sandbox.world.accounts.values()
    assert told == {(each.id, each.spec.name, each.spec.currency, each.spec.timezone, each.spec.status == 1) for each in accounts}
    assert meta.slots == len(accounts)


def test_a_token_of_one_account_reaches_only_that_one(sandbox):
    meta = MetaRig(sandbox, token="single")

    found = meta.client.accounts(meta.slot)

    assert [facts.name for facts in found] == ["Harbor Outdoor"]
    with pytest.raises(AccountRefused):
        meta.ads("Sakura Tea")


@pytest.mark.parametrize("name", ["Harbor Outdoor", "Sakura Tea"])
def test_a_full_walk_equals_the_truth_with_deleted_and_archived_entities(meta, sandbox, name):
    walked = meta.entities(name).select(["level", "external_id", "parent_id", "name", "status"]).to_pylist()

    truth = sandbox.truth.entities(sandbox.world.account(name).id, sandbox.clock.now()).to_pylist()
    expected = [
        {key: row[key] for key in ("level", "external_id", "parent_id", "name")} | {"status": row["effective_status"]} for row in truth
    ]
    order = lambda row: (row["level"], row["external_id"])  # noqa: E731 - a sort key
    assert sorted(walked, key=order) == sorted(expected, key=order)
    assert {"DELETED", "ARCHIVED", "PAUSED", "ACTIVE"} <= {row["status"] for row in walked}


def test_only_what_changed_since_is_read_again(meta, sandbox):
    before = sandbox.clock.now()
    sandbox.clock.advance(86_400)

    changed = meta.entities(changed_since=before)

    account = sandbox.world.account("Harbor Outdoor")
    expected = {each.id for each in account.by_id.values() if before - timedelta(seconds=60) < each.updated_at(sandbox.clock.now())}
    expected = {each for each in expected if account.by_id[each].created_at <= sandbox.clock.now()}
    assert set(changed.column("external_id").to_pylist()) == expected
    assert 0 < len(expected) < len(account.by_id)


def test_attributes_read_the_same_every_time(meta):
    first, second = meta.entities(), meta.entities()

    assert first.equals(second)


def test_ninety_days_of_the_small_account_equal_the_truth(meta):
    since = TODAY - timedelta(days=89)

    mine = keyed(meta.ads(since=since, margin="0.35"))

    assert mine == keyed(meta.truth(since=since, margin="0.35"))
    assert len(mine) > 4000


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


def test_every_call_takes_its_slot_first(meta, sandbox):
    sandbox.faults.add([{"action": "transient", "count": 1}, {"action": "too_much_data", "above_limit": 200}])

    meta.ads("Nordlicht Moebel")
    meta.entities()

    assert meta.slots == len(sandbox.calls.calls())


def test_a_refused_slot_means_no_call(meta, sandbox):
    def full():
        raise RateLimited("full", retry_after=5)

    with pytest.raises(RateLimited):
        meta.client.metrics(meta.connection(), Fetch(kind=FetchKind.ADS, heat=Heat.HOT, cost=1, since=TODAY, until=TODAY), full)

    assert sandbox.calls.calls() == []


ERRORS = [
    ({"action": "throttle", "code": 17, "minutes": 7}, RateLimited),
    ({"action": "throttle", "code": 613}, RateLimited),
    ({"action": "throttle", "code": 80004}, RateLimited),
    ({"action": "throttle", "code": 4}, RateLimited),
    ({"action": "expired_token"}, AuthExpired),
    ({"action": "permission_lost"}, AccountRefused),
    ({"action": "transient", "code": 1}, Unavailable),
    ({"action": "transient", "code": 2}, Unavailable),
    ({"action": "server_error"}, Unavailable),
    ({"action": "drop"}, Unavailable),
    ({"action": "drop_midway"}, Unavailable),
    ({"action": "truncated"}, Unavailable),
    ({"action": "html"}, Unavailable),
    ({"action": "html_success"}, Unavailable),
    ({"action": "no_error_body"}, Unavailable),
    ({"action": "endless"}, Unavailable),
]


@pytest.mark.parametrize(("fault", "expected"), ERRORS, ids=lambda value: value if isinstance(value, str) else str(value))
@pytest.mark.parametrize("page", [1, 2], ids=["first page", "later page"])
def test_a_fault_that_stays_becomes_one_error_that_never_holds_the_token(sandbox, fault, expected, page):
    meta = MetaRig(sandbox, page_size=50)
    sandbox.faults.add([{**fault, "kind": "insights", "page": page}])

    with pytest.raises(expected) as caught:
        meta.ads()

    assert type(caught.value) is expected
    assert_free_of(meta.secret, caught.value)


def test_a_platform_that_does_not_answer_at_all_is_told_without_the_token(meta, sandbox):
    sandbox.stop()

    with pytest.raises(Unavailable) as caught:
        meta.ads()

    assert_free_of(meta.secret, caught.value)


def assert_free_of(secret, error):
    while error is not None:
        assert secret not in f"{error!r}{error.args}{vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    "action", ["transient", "server_error", "drop", "drop_midway", "truncated", "html", "html_success", "no_error_body"]
)
def test_a_fault_that_passes_is_tried_again_and_the_answer_is_whole(meta, sandbox, action):
    sandbox.faults.add([{"action": action, "count": 2}])

    mine = keyed(meta.ads())

    assert mine == keyed(meta.truth())
    assert len(meta.slept) == 2
    assert meta.slots == 3


def test_a_throttle_is_never_retried_and_tells_how_long_to_wait_and_whom(meta, sandbox):
    sandbox.faults.add([{"action": "throttle", "code": 17, "minutes": 7}])

    with pytest.raises(RateLimited) as account:
        meta.ads()
    sandbox.faults.clear()
    sandbox.faults.add([{"action": "throttle", "code": 4, "minutes": 3}])
    with pytest.raises(RateLimited) as app:
        meta.ads("Sakura Tea")

    assert (account.value.scope, account.value.retry_after) == ("account", 420)
    assert (app.value.scope, app.value.retry_after) == ("app", 180)
    assert meta.slots == 2


def test_an_answer_too_big_is_asked_for_in_smaller_pages_from_then_on(meta, sandbox):
    sandbox.faults.add([{"action": "too_much_data", "above_limit": 130}])

    mine = keyed(meta.ads())
    calls = len(sandbox.calls.calls())
    meta.ads()

    assert mine == keyed(meta.truth())
    limits = [int(call.params["limit"]) for call in sandbox.calls.calls()]
    assert limits[:3] == [500, 250, 125]
    assert set(limits[calls:]) == {125}


def test_pages_that_became_smaller_for_one_account_stay_big_for_another(meta, sandbox):
    sandbox.faults.add([{"action": "too_much_data", "above_limit": 130, "account": sandbox.world.account("Harbor Outdoor").id}])

    meta.ads()
    meta.ads("Sakura Tea")

    assert sandbox.calls.calls()[-1].params["limit"] == "500"


def test_a_range_too_big_is_halved_until_it_fits(meta, sandbox):
    sandbox.faults.add([{"action": "too_much_data", "above_days": 2}])
    since = TODAY - timedelta(days=6)

    mine = keyed(meta.ads(since=since))

    assert mine == keyed(meta.truth(since=since))


def test_a_day_too_big_is_computed_as_an_async_job(meta, sandbox):
    sandbox.faults.add([{"action": "too_much_data", "kind": "insights"}])

    mine = keyed(meta.ads())

    assert mine == keyed(meta.truth())
    assert [call.kind for call in sandbox.calls.calls()][-1] == "job_insights"
    assert meta.slots == len(sandbox.calls.calls())


def test_a_job_that_fails_is_an_error_and_not_an_empty_day(meta, sandbox):
    sandbox.faults.add([{"action": "too_much_data", "kind": "insights"}, {"action": "job_fails"}])

    with pytest.raises(TooMuchData) as caught:
        meta.ads()

    assert_free_of(meta.secret, caught.value)


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


@pytest.mark.parametrize("version", ["v25.0", "v26.0"])
def test_current_versions_are_answered(sandbox, version):
    assert keyed(MetaRig(sandbox, version=version).ads()) == keyed(MetaRig(sandbox).truth())


def test_an_ended_version_says_which_setting_to_change(sandbox):
    meta = MetaRig(sandbox, version="v21.0")

    with pytest.raises(VersionSunset, match="ADPULSE_META_VERSION"):
        meta.ads()


@pytest.mark.parametrize(
    ("token", "expected"), [("expired", AuthExpired), ("EAAnotATokenAtAll", AuthExpired), ("unscoped", AccountRefused)]
)
def test_a_token_without_access_is_told_apart(sandbox, token, expected):
    with pytest.raises(expected):
        MetaRig(sandbox, token=token).ads()


def test_a_token_that_ends_between_two_pages_leaves_nothing_half_read(sandbox):
    meta = MetaRig(sandbox, token="expiring", page_size=50)
    taken = []

    def slot():
        taken.append(1)
        if len(taken) == 2:
            sandbox.clock.advance(3 * 3600)

    fetch = Fetch(kind=FetchKind.ADS, heat=Heat.HOT, cost=1, since=TODAY, until=TODAY)
    with pytest.raises(AuthExpired):
        meta.client.metrics(meta.connection(), fetch, slot)


def test_a_range_out_of_reach_is_a_bad_request(meta):
    old = date(2020, 1, 1)

    with pytest.raises(BadRequest):
        meta.ads(since=old, until=old + DAY)


def test_deleted_ads_are_found_by_id_and_unknown_ones_are_missing(meta, sandbox):
    account = sandbox.world.account("Harbor Outdoor")
    (deleted, *_) = [ad.id for ad in account.ads if ad.effective_status(sandbox.clock.now()) == "DELETED"]
    living = account.ads[0].id

    found = meta.client.entities_by_id(meta.connection(), Level.AD, [deleted, living, "23860000000099999"], meta.slot)

    told = dict(zip(found.column("external_id").to_pylist(), found.column("status").to_pylist(), strict=True))
    assert told == {deleted: "DELETED", living: account.ads[0].effective_status(sandbox.clock.now())}


def test_many_ids_are_looked_up_a_hundred_a_call(meta, sandbox):
    ads = [ad.id for ad in sandbox.world.account("Nordlicht Moebel").ads if ad.created_at <= sandbox.clock.now()][:250]

    found = meta.client.entities_by_id(meta.connection("Nordlicht Moebel"), Level.AD, ads, meta.slot)

    assert sorted(found.column("external_id").to_pylist()) == sorted(ads)
    assert meta.slots == 3


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
    assert meta.entities().num_rows == len([each for each in account.by_id.values() if each.created_at <= sandbox.clock.now()])
