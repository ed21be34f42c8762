"""What both clients promise, over the unmodified SDKs and the wire: one suite for both platforms."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from clients import TODAY, GoogleRig, MetaRig, assert_free_of, keyed
from hypothesis import given, settings
from hypothesis import strategies as st
from repeats import first_quick

from adpulse.errors import AccountRefused, AuthExpired, RateLimited, Unavailable, VersionSunset
from adpulse.metrics import METRICS
from adpulse.metrics_request import MetricsRequest
from adpulse.missing_entities import MissingEntity
from adpulse.model import Fetch, FetchKind, Heat, Level
from adpulse.platforms.registry import PLATFORMS
from adpulse.retry import TRIES
from adpulse_sandbox import Sandbox

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
RIGS = (MetaRig, GoogleRig)
RIG_OF = {"meta": MetaRig, "google": GoogleRig}
VERSIONS = [(RIG_OF[name], version) for name, platform in PLATFORMS.items() for version in platform.versions]
ENDING = {f"{kind.__name__} {version.name}": (kind, version) for kind, version in VERSIONS if version.ends}
"""Every version whose end the platform has announced."""

EVERY = [(kind, fault) for kind in RIGS for fault in kind.FAULTS]
PASSING = [(kind, fault) for kind, fault in EVERY if fault.error is Unavailable and fault.rule["action"] != "endless"]


def named(value):
    """What pytest calls a rig or a fault."""
    return "-".join(str(each) for each in value.rule.values()) if hasattr(value, "rule") else value.__name__


def local_midnight(day, zone):
    return datetime.combine(day, time(), zone).astimezone(UTC)


def test_every_account_is_found_once_with_all_that_a_connection_needs(rig):
    found = rig.client.accounts(rig.slot)

    told = [(facts.external_id, facts.name, facts.currency, facts.timezone, facts.enabled) for facts in found]
    assert sorted(told) == sorted(rig.accounts())
    assert rig.slots == len(rig.log())


def test_an_account_that_is_not_open_is_told_as_one_that_cannot_be_synced(rig):
    (closed,) = [facts for facts in rig.client.accounts(rig.slot) if facts.name == rig.CLOSED]

    assert not closed.enabled
    assert closed.status


def test_a_credential_of_one_account_reaches_only_that_one(kind, sandbox):
    rig = kind(sandbox, token="single")

    found = rig.client.accounts(rig.slot)

    assert [facts.name for facts in found] == [rig.SMALL]
    with pytest.raises(AccountRefused):
        rig.ads(rig.ABROAD)


def test_a_credential_that_reaches_nothing_finds_nothing(kind, sandbox):
    rig = kind(sandbox, token="none")

    assert rig.client.accounts(rig.slot) == []


@pytest.mark.parametrize("token", ["expired", "EAAnotACredentialAtAll"])
def test_a_credential_that_is_not_valid_is_expired_at_once(kind, sandbox, token):
    rig = kind(sandbox, token=token)

    with pytest.raises(AuthExpired) as caught:
        rig.client.accounts(rig.slot)

    assert_free_of(rig.secrets, caught.value)
    assert (rig.slots, rig.slept) == (1, [])


def test_what_an_account_says_of_itself_is_what_discovery_said(rig):
    discovered = {facts.external_id: facts for facts in rig.client.accounts(rig.slot)}

    for name in (rig.SMALL, rig.LARGE, rig.ABROAD):
        facts = rig.client.facts(rig.connection(name), rig.slot)

        assert (facts.currency, facts.timezone, facts.enabled) == (rig.connection(name).currency, rig.connection(name).timezone, True)
        told = discovered[facts.external_id]
        assert (facts.name, facts.currency, facts.timezone, facts.status) == (told.name, told.currency, told.timezone, told.status)


def test_a_changed_currency_and_time_zone_are_told(rig):
    rig.change(rig.SMALL, currency="CHF", timezone="Pacific/Auckland")

    facts = rig.client.facts(rig.connection(), rig.slot)

    assert (facts.currency, facts.timezone) == ("CHF", "Pacific/Auckland")


@pytest.mark.parametrize("role", ["SMALL", "ABROAD"])
def test_a_full_walk_equals_the_truth_and_lists_what_is_gone_as_the_platform_does(rig, role):
    name = getattr(rig, role)

    walked = rig.entities(name).select(["level", "external_id", "parent_id", "name", "status"]).to_pylist()

    expected = [
        {key: row[key] for key in ("level", "external_id", "parent_id", "name")} | {"status": row["effective_status"]}
        for row in rig.entities_truth(name).to_pylist()
        if rig.LISTS_GONE or row["effective_status"] != rig.GONE
    ]
    order = lambda row: (row["level"], row["external_id"])  # noqa: E731 - a sort key
    assert sorted(walked, key=order) == sorted(expected, key=order)
    assert (rig.GONE in {row["status"] for row in walked}) == rig.LISTS_GONE
    assert rig.GONE in set(rig.entities_truth(name)["effective_status"].to_pylist())


def test_everything_is_inside_something_that_exists(rig):
    walked = rig.entities().to_pylist()

    ids = {row["external_id"] for row in walked}
    assert len(ids) == len(walked)
    assert {row["level"] for row in walked if row["parent_id"] is None} == {Level.CAMPAIGN}
    assert {row["parent_id"] for row in walked} - {None} <= ids


def test_an_unchanged_account_reads_the_same_every_time(rig):
    first, second = rig.entities(), rig.entities()

    assert first.equals(second)


def test_exactly_what_changed_since_is_read_again(rig):
    before = rig.sandbox.clock.now()
    rig.sandbox.clock.advance(86_400)

    changed = rig.entities(changed_since=before)

    expected = rig.changed_since(rig.SMALL, before - rig.CHANGE_OVERLAP)
    assert set(changed["external_id"].to_pylist()) == expected
    assert 0 < len(expected) < rig.entities().num_rows


def test_changes_of_the_overlap_are_read_again_and_earlier_ones_are_not(rig):
    """What a platform shows late has an instant before the last walk."""
    rig.sandbox.clock.set(rig.sandbox.clock.now() + timedelta(days=60))
    at, renamed = rig.sandbox.clock.now(), rig.rename(rig.SMALL, "Another name")
    rig.sandbox.clock.advance(600)
    end = at + rig.CHANGE_OVERLAP

    within, before = (rig.entities(changed_since=each) for each in (end - SECOND, end + SECOND))

    assert within["external_id"].to_pylist() == [renamed]
    assert before.num_rows == 0


def test_what_is_read_again_reads_like_in_a_full_walk(rig):
    before = rig.sandbox.clock.now()
    rig.sandbox.clock.advance(86_400)

    changed = {row["external_id"]: row for row in rig.entities(changed_since=before).to_pylist()}

    whole = {row["external_id"]: row for row in rig.entities().to_pylist()}
    assert changed == {external_id: whole[external_id] for external_id in changed}


def test_nothing_is_read_again_when_nothing_changed(rig):
    rig.sandbox.clock.set(rig.sandbox.clock.now() + timedelta(days=60))

    assert rig.entities(changed_since=rig.sandbox.clock.now()).num_rows == 0


def test_ads_are_looked_up_gone_or_not(rig):
    ads = [row for row in rig.entities_truth(rig.SMALL).to_pylist() if row["level"] == Level.AD]
    gone = [row for row in ads if row["effective_status"] == rig.GONE][:5]
    asked = {row["external_id"]: row["effective_status"] for row in ads[:3] + gone}

    absent = [MissingEntity(level=Level.AD, external_id=each) for each in (*asked, "999999999999")]
    found = rig.client.look_up(rig.connection(), absent, rig.slot)

    told = dict(zip(found["external_id"].to_pylist(), found["status"].to_pylist(), strict=True))
    assert told == {**asked, "999999999999": "GONE"}
    assert rig.GONE in asked.values()


def test_ninety_days_equal_the_truth_in_all_ten_metrics(rig):
    since = TODAY - 89 * DAY

    mine = keyed(rig.ads(since=since, margin="0.35"))

    others = keyed(rig.totals(rig.ABROAD, since=since))
    assert mine == keyed(rig.truth(since=since, margin="0.35"))
    assert len(mine) > 4_000
    assert [name for name in METRICS if not any(row[name] for row in (*mine.values(), *others.values()))] == []


def test_another_currency_and_time_zone_equal_the_truth(rig):
    since = TODAY - 30 * DAY

    mine = keyed(rig.ads(rig.ABROAD, since=since))

    assert mine == keyed(rig.truth(rig.ABROAD, since=since))
    assert mine


def test_a_large_account_comes_complete(rig):
    since = TODAY - DAY

    mine = keyed(rig.ads(rig.LARGE, since=since))

    assert mine == keyed(rig.truth(rig.LARGE, since=since))
    assert len(mine) > 2_000


@pytest.mark.parametrize("role", ["SMALL", "ABROAD"])
def test_campaign_totals_equal_the_truth(rig, role):
    name, since = getattr(rig, role), TODAY - 89 * DAY

    mine = keyed(rig.totals(name, since=since, margin="0.35"))

    assert mine == keyed(rig.truth(name, since=since, margin="0.35", level="campaign"))
    assert mine


SPANS = {"days": st.integers(1, 10), "back": st.integers(0, 80)}


@pytest.mark.parametrize("kind", RIGS)
@settings(max_examples=10)
@given(**SPANS)
def test_any_span_equals_the_truth(kind, standing, days, back):
    rig, until = kind(standing), TODAY - back * DAY
    since = until - (days - 1) * DAY

    assert keyed(rig.ads(rig.ABROAD, since=since, until=until)) == keyed(rig.truth(rig.ABROAD, since=since, until=until))


@pytest.mark.parametrize("kind", RIGS)
@settings(max_examples=6)
@given(**SPANS)
def test_a_span_is_its_days_together(kind, standing, days, back):
    rig, until = kind(standing), TODAY - back * DAY
    each_day = [until - n * DAY for n in range(days)]

    whole = keyed(rig.ads(rig.ABROAD, since=each_day[-1], until=until))

    together = {}
    for day in each_day:
        together |= keyed(rig.ads(rig.ABROAD, since=day, until=day))
    assert whole == together


def test_days_before_the_account_delivered_anything_have_no_rows(rig):
    day = TODAY - 600 * DAY

    assert rig.ads(since=day, until=day).num_rows == 0


def test_an_answer_that_breaks_off_midway_is_an_error_and_nothing(kind, sandbox):
    rig = kind.in_parts(sandbox)
    rig.sandbox.faults.add([kind.BREAKS_OFF.rule])

    with pytest.raises(Unavailable):
        rig.ads()

    broken = [call for call in rig.log() if call.fault]
    assert len(broken) == TRIES


def test_a_hierarchy_that_breaks_off_midway_is_an_error_and_nothing(kind, sandbox):
    rig = kind.in_parts(sandbox)
    rig.sandbox.faults.add([kind.BREAKS_OFF.rule])

    with pytest.raises(Unavailable):
        rig.entities()


@pytest.mark.parametrize("read", ["ads", "totals", "entities"])
def test_a_row_that_came_twice_counts_once(kind, sandbox, read):
    rig = kind.in_parts(sandbox)
    once = getattr(rig, read)()
    rig.sandbox.faults.add([{"action": "duplicate_row"}])

    twice = getattr(rig, read)()

    assert sorted(twice.to_pylist(), key=str) == sorted(once.to_pylist(), key=str)
    assert rig.sandbox.faults.as_json()[0]["struck"] > 0


@pytest.mark.parametrize(("kind", "fault"), PASSING, ids=named)
def test_what_was_tried_again_is_whole(kind, fault, sandbox):
    rig = kind(sandbox)
    sandbox.faults.add([{**fault.rule, "count": TRIES - 1}])

    mine = keyed(rig.totals())

    assert mine == keyed(rig.truth(level="campaign"))
    assert len(rig.slept) == TRIES - 1


@pytest.mark.parametrize("role", first_quick(["SMALL", "ABROAD", "LARGE"], 2))
@pytest.mark.parametrize("minutes", [-1, 1])
def test_at_local_midnight_today_and_yesterday_are_the_accounts(rig, role, minutes):
    name = getattr(rig, role)
    rig.sandbox.clock.set(local_midnight(TODAY + DAY, rig.zone(name)) + timedelta(minutes=minutes))
    today = rig.connection(name).today(rig.sandbox.clock.now())

    both = keyed(rig.ads(name, since=today - DAY, until=today))

    assert today == (TODAY if minutes < 0 else TODAY + DAY)
    assert both == keyed(rig.truth(name, since=today - DAY, until=today))
    assert today - DAY in {day for _, day in both}


@pytest.mark.parametrize(("season", "hours"), [(date(2026, 3, 31), 23), (date(2026, 11, 4), 25)], ids=["spring", "autumn"])
@pytest.mark.parametrize("role", ["SMALL", "LARGE"])
def test_a_day_on_which_the_clock_changes_is_one_day(kind, role, season, hours):
    with Sandbox.start(now=datetime.combine(season, time(15), UTC)) as sandbox:
        rig, name = kind(sandbox), getattr(kind, role)
        days = [season - n * DAY for n in range(1, 30)]
        length = {
            day: (local_midnight(day + DAY, rig.zone(name)) - local_midnight(day, rig.zone(name))) / timedelta(hours=1) for day in days
        }
        (changed,) = [day for day in days if length[day] != 24]

        mine = keyed(rig.ads(name, since=changed, until=changed))

        assert length[changed] == hours
        assert mine == keyed(rig.truth(name, since=changed, until=changed))
        assert mine


@pytest.mark.parametrize(("kind", "fault"), EVERY, ids=named)
def test_a_fault_that_stays_becomes_one_error_that_never_holds_a_secret(kind, fault, sandbox):
    rig = kind(sandbox)
    sandbox.faults.add([fault.rule])

    with pytest.raises(fault.error) as caught:
        rig.ads()

    assert type(caught.value) is fault.error
    assert (getattr(caught.value, "retry_after", None), getattr(caught.value, "scope", "account")) == (fault.retry_after, fault.scope)
    assert_free_of(rig.secrets, caught.value)


@pytest.mark.parametrize("read", ["accounts", "facts", "entities"])
@pytest.mark.parametrize("action", ["throttle", "expired_token", "server_error"])
def test_every_read_translates_its_errors(rig, read, action):
    rig.sandbox.faults.add([{"action": action}])
    reads = {
        "accounts": lambda: rig.client.accounts(rig.slot),
        "facts": lambda: rig.client.facts(rig.connection(), rig.slot),
        "entities": rig.entities,
    }

    with pytest.raises({"throttle": RateLimited, "expired_token": AuthExpired, "server_error": Unavailable}[action]) as caught:
        reads[read]()

    assert_free_of(rig.secrets, caught.value)


def test_a_platform_that_does_not_answer_at_all_is_unavailable(rig):
    rig.sandbox.stop()

    with pytest.raises(Unavailable) as caught:
        rig.ads()

    assert_free_of(rig.secrets, caught.value)


def test_an_account_that_does_not_exist_is_refused(rig):
    connection = rig.connection()
    object.__setattr__(connection, "external_id", "1234567890")

    with pytest.raises(AccountRefused) as caught:
        rig.client.facts(connection, rig.slot)

    assert "1234567890" in str(caught.value)


def test_an_ended_version_says_which_setting_to_change(kind, sandbox):
    rig = kind(sandbox, version=kind.ENDED_VERSION)

    with pytest.raises(VersionSunset, match=kind.VERSION_SETTING):
        rig.ads()
    with pytest.raises(VersionSunset, match=kind.VERSION_SETTING):
        rig.client.accounts(rig.slot)


@pytest.mark.parametrize(("kind", "version"), ENDING.values(), ids=ENDING)
def test_a_version_is_answered_until_the_day_on_which_it_ends(kind, version, sandbox):
    rig = kind(sandbox, version=version.name)
    midnight = datetime.combine(version.ends, time(), UTC)
    sandbox.clock.set(midnight - SECOND)
    rig.client.facts(rig.connection(), rig.slot)

    sandbox.clock.set(midnight)

    with pytest.raises(VersionSunset):
        rig.client.facts(rig.connection(), rig.slot)


def test_every_attempt_takes_its_slot_before_the_call(rig):
    rig.sandbox.faults.add([{"action": "transient", "count": TRIES - 1}])
    seen = []

    rig.client.facts(rig.connection(), lambda: seen.append(len(rig.log())))

    assert seen == list(range(TRIES))


def test_slots_are_the_calls_that_the_platform_counted(rig):
    rig.sandbox.faults.add([{"action": "transient", "count": 1}, {"action": "drop", "count": 1}])

    rig.client.accounts(rig.slot)
    rig.client.facts(rig.connection(), rig.slot)
    rig.entities(rig.LARGE)
    rig.ads(rig.LARGE)
    rig.totals()

    assert rig.slots == len(rig.log())


def test_a_refused_slot_means_no_call(rig):
    def full():
        raise RateLimited("full", retry_after=5)

    with pytest.raises(RateLimited, match="full"):
        rig.client.facts(rig.connection(), full)
    with pytest.raises(RateLimited, match="full"):
        rig.client.accounts(full)

    assert rig.sandbox.calls.calls() == []


def test_a_slot_that_is_refused_between_two_attempts_ends_it(rig):
    rig.sandbox.faults.add([{"action": "transient"}])
    taken = []

    def two():
        if len(taken) == 2:
            raise RateLimited("full", retry_after=5)
        taken.append(1)

    with pytest.raises(RateLimited, match="full"):
        rig.client.facts(rig.connection(), two)

    assert len(rig.log()) == 2


@pytest.mark.parametrize("action", ["throttle", "expired_token", "permission_lost"])
def test_what_does_not_pass_by_itself_is_never_tried_again(rig, action):
    rig.sandbox.faults.add([{"action": action}])

    with pytest.raises((RateLimited, AuthExpired, AccountRefused)):
        rig.ads()

    assert (len(rig.log()), rig.slots, rig.slept) == (1, 1, [])


@pytest.mark.parametrize("action", ["transient", "server_error", "drop"])
def test_what_may_pass_is_tried_three_times_with_growing_waits(rig, action):
    rig.sandbox.faults.add([{"action": action}])

    with pytest.raises(Unavailable):
        rig.client.facts(rig.connection(), rig.slot)

    assert (len(rig.log()), rig.slots) == (3, 3)
    assert [0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(rig.slept)] == [True, True]


def test_an_answer_names_what_its_numbers_are_of_and_what_that_belongs_to(rig):
    """As the walk does, in the same call."""
    walked = {row["external_id"]: row for row in rig.entities().to_pylist()}
    calls = len(rig.log())
    fetch = Fetch(kind=FetchKind.ADS, heat=Heat.HOT, cost=1, since=TODAY, until=TODAY)

    rows, names, refused = rig.client.metrics(rig.connection(), MetricsRequest.of(fetch), rig.slot)

    told = {row["external_id"]: row for row in names.to_pylist()}
    assert told
    assert refused.num_rows == 0
    assert set(rows["campaign_id"].to_pylist()) <= told.keys()
    assert {key: (row["level"], row["parent_id"], row["name"]) for key, row in told.items()} == {
        key: (walked[key]["level"], walked[key]["parent_id"], walked[key]["name"] or None) for key in told
    }
    assert set(rows["external_id"].to_pylist()) <= told.keys()
    assert len(told) == names.num_rows
    with_names = len(rig.log()) - calls
    rig.client.metrics(replace(rig.connection(), ad_count=1), MetricsRequest.of(replace(fetch, heat=Heat.COLD)), rig.slot)
    assert len(rig.log()) - calls == 2 * with_names
