"""The Google client against the sandbox, over the unmodified google-ads SDK and gRPC: what no other platform has."""

import base64
import hashlib
import importlib.metadata
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clients import TODAY, GoogleRig, assert_free_of, keyed
from google_sdk import Ads, fields_of

from adpulse.discovered_accounts import DiscoveredAccounts
from adpulse.errors import AccountRefused, AuthExpired, RateLimited, TooMuchData, Unavailable, Usage, VersionSunset
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.platforms.base import Size
from adpulse.platforms.google import client as google_client
from adpulse.platforms.google.costs import GoogleCosts
from adpulse.platforms.google.platform import GOOGLE
from adpulse.platforms.google.queries import ADS, CAMPAIGNS, HIERARCHY, PROFILE, change_range, gaql
from adpulse.services import connecting
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google import oauth

DAY = timedelta(days=1)
VERSIONS = tuple(version.name for version in GOOGLE.versions)


def queries(rig, customer=None):
    """What a customer was asked, in order."""
    return [call.params["query"] for call in rig.log() if customer in (None, call.account)]


def asked_for(rig):
    """From which resources, in order."""
    return [query.split(" FROM ")[1].split()[0] for query in queries(rig)]


def read(rig, kind, since=TODAY, until=TODAY, **facts):
    fetch = Fetch(kind=kind, heat=Heat.HOT, cost=1, since=since, until=until)
    return rig.client.metrics(rig.connection(**facts), MetricsRequest.of(fetch), rig.slot).rows


def test_clients_two_levels_below_are_reached_through_the_manager_that_the_user_reaches(google):
    top = google.sandbox.google.world.customer(google.MANAGER).id

    found = {facts.name: facts for facts in google.client.accounts(google.slot)}

    through = {name: facts.login_customer_id for name, facts in found.items()}
    assert through == {
        google.MANAGER: None,
        google.SUB_MANAGER: top,
        google.SMALL: None,
        google.ABROAD: top,
        google.LARGE: top,
        google.CLOSED: top,
    }


def test_what_discovery_tells_of_a_client_is_enough_to_read_it(google):
    for facts in google.client.accounts(google.slot):
        if facts.enabled:
            connection = replace(google.connection(facts.name), login_customer_id=facts.login_customer_id)

            assert google.client.facts(connection, google.slot) == facts


def test_a_client_that_is_also_reached_directly_needs_no_manager(google):
    direct = replace(google.connection(), login_customer_id=None)

    assert google.client.facts(direct, google.slot).name == google.SMALL
    assert "login-customer-id" not in google.log()[-1].params


def test_without_its_manager_a_client_is_refused(google):
    with pytest.raises(AccountRefused, match="manager above it"):
        google.client.facts(replace(google.connection(google.ABROAD), login_customer_id=None), google.slot)


def test_managers_and_closed_customers_are_told_as_what_they_are(google):
    found = {facts.name: (facts.manager, facts.enabled, facts.status) for facts in google.client.accounts(google.slot)}

    assert found[google.MANAGER] == found[google.SUB_MANAGER] == (True, False, "manager account")
    assert found[google.CLOSED] == (False, False, "canceled")
    assert found[google.SMALL] == (False, True, "enabled")


def test_a_closed_customer_that_only_the_user_knows_is_told_as_closed_and_hides_no_other(google):
    world = google.sandbox.google.world
    world.credentials["full"] = replace(
        world.credentials["full"], customers=(world.customer(google.CLOSED).id, world.customer(google.SMALL).id)
    )

    found = {facts.external_id: (facts.enabled, facts.status) for facts in google.client.accounts(google.slot)}

    assert found == {
        world.customer(google.SMALL).id: (True, "enabled"),
        world.customer(google.CLOSED).id: (False, "closed or not enabled"),
    }


def test_a_manager_is_not_asked_for_numbers_that_it_does_not_have(google):
    with pytest.raises(AccountRefused, match="manager account") as caught:
        google.ads(google.MANAGER)

    assert caught.value.code == "REQUESTED_METRICS_FOR_MANAGER"
    assert google.slots == 1


def test_a_manager_is_not_connected_and_its_clients_are_named_as_the_way(installation, google):
    (manager,) = [facts for facts in google.client.accounts(google.slot) if facts.name == google.MANAGER]

    chosen = DiscoveredAccounts(accounts=[manager], scope="google")

    with pytest.raises(Usage, match="manager account, which has no numbers of its own"):
        connecting.connect(installation.app, "Acme", "google", installation.secret("google"), chosen, "manual")

    assert installation.app.connections.all(installation.workspace.id) == []


def test_a_project_for_test_accounts_is_told_what_it_lacks(sandbox):
    rig = GoogleRig(sandbox, token="test_only")

    with pytest.raises(AccountRefused, match="access level"):
        rig.client.accounts(rig.slot)


@pytest.mark.parametrize("kind", ["service_account", "authorized_user"])
def test_credentials_as_json_reach_what_the_refresh_token_reaches(sandbox, kind):
    told_by = {
        "service_account": oauth.service_account(sandbox.google.token_url),
        "authorized_user": {
            "type": "authorized_user",
            "client_id": oauth.CLIENT_ID,
            "client_secret": oauth.CLIENT_SECRET,
            "refresh_token": sandbox.google.world.credentials["full"].refresh_token,
        },
    }
    rig = GoogleRig(sandbox, token=json.dumps(told_by[kind]))

    assert {facts.name for facts in rig.client.accounts(rig.slot)} == {name for _, name, *_ in rig.accounts()}
    assert keyed(rig.ads()) == keyed(rig.truth())


def test_a_revoked_refresh_token_is_expired_at_once(sandbox):
    rig = GoogleRig(sandbox, token="revoked")

    with pytest.raises(AuthExpired) as caught:
        rig.ads()

    assert (rig.slots, rig.slept, rig.log()) == (1, [], [])
    assert_free_of(rig.secrets, caught.value)


def test_a_refresh_token_that_is_revoked_while_it_is_used_is_expired_at_once(google):
    google.ads()
    slots = google.slots
    google.sandbox.faults.add([{"action": "revoked_token", "kind": "token"}])
    google.client._credentials.expiry = datetime.now(UTC).replace(tzinfo=None)

    with pytest.raises(AuthExpired) as caught:
        google.ads()

    assert (google.slots - slots, google.slept) == (1, [])
    assert_free_of(google.secrets, caught.value)


def test_an_access_token_is_asked_for_once_and_kept(google):
    google.ads()
    google.entities()
    google.client.accounts(google.slot)

    assert [call.kind for call in google.sandbox.calls.calls()].count("token") == 1


def test_a_token_endpoint_that_is_not_there_is_an_outage(google):
    *_, tokens = google.sandbox.google.servers
    tokens.shutdown()
    tokens.server_close()

    with pytest.raises(Unavailable, match="token endpoint") as caught:
        google.ads()

    assert (google.slots, len(google.slept)) == (3, 2)
    assert_free_of(google.secrets, caught.value)


def test_a_token_endpoint_that_fails_is_an_outage(google):
    google.sandbox.faults.add([{"action": "server_error", "kind": "token"}])

    with pytest.raises(Unavailable, match="token endpoint"):
        google.client._authorise("customer 1")


def test_a_single_day_above_the_message_limit_is_too_much_data(google):
    google.sandbox.faults.add([{"action": "oversized"}])

    with pytest.raises(TooMuchData):
        google.totals()

    assert (google.slots, google.slept) == (1, [])


def test_a_query_that_is_too_heavy_says_for_how_long_to_leave_the_customer_alone_if_no_smaller_one_is_answered(google):
    google.sandbox.faults.add([{"action": "too_much_data"}])

    with pytest.raises(TooMuchData) as caught:
        google.totals(since=TODAY - 2 * DAY)

    assert caught.value.pause == 3600
    assert (google.slots, google.slept) == (1, [])


@pytest.mark.parametrize(
    ("rule", "scope"),
    [
        ({"scope": "ACCOUNT"}, "account"),
        ({"scope": "DEVELOPER"}, "app"),
        ({"scope": "ACCOUNT", "reason": "RESOURCE_EXHAUSTED"}, "account"),
        ({"scope": "DEVELOPER", "reason": "RESOURCE_EXHAUSTED"}, "app"),
    ],
)
def test_a_quota_pauses_whom_it_is_of_for_as_long_as_google_says(google, rule, scope):
    google.sandbox.faults.add([{"action": "throttle", "minutes": 11, **rule}])

    with pytest.raises(RateLimited) as caught:
        google.ads()

    assert (caught.value.scope, caught.value.retry_after) == (scope, 660)
    assert caught.value.code == rule.get("reason", "RESOURCE_TEMPORARILY_EXHAUSTED")


@pytest.mark.parametrize(
    ("count", "resources"), [(0, ["ad_group_ad"]), (None, ["ad_group_ad", "asset_group"]), (12, ["ad_group_ad", "asset_group"])]
)
@pytest.mark.parametrize("kind", [FetchKind.ADS, FetchKind.CATEGORIES])
def test_asset_groups_are_asked_for_unless_there_are_none(google, kind, count, resources):
    read(google, kind, asset_group_count=count)

    assert asked_for(google) == resources


def test_a_range_of_any_length_is_one_operation_for_each_kind_of_row(google):
    read(google, FetchKind.ADS, since=TODAY - 89 * DAY)
    read(google, FetchKind.CATEGORIES, since=TODAY - 89 * DAY)
    read(google, FetchKind.CAMPAIGNS, since=TODAY - 89 * DAY)

    assert asked_for(google) == ["ad_group_ad", "asset_group"] * 2 + ["campaign"] * 2


def test_a_full_walk_is_an_operation_for_each_kind_of_entity(google):
    google.entities(google.LARGE)

    assert asked_for(google) == ["campaign", "ad_group", "ad_group_ad", "asset_group"]


def test_removed_entities_are_never_filtered_out(google):
    google.entities()
    google.ads()
    google.totals()

    assert [query for query in queries(google) if "status" in query.partition(" WHERE ")[2]] == []


def test_only_the_kinds_that_changed_are_read_again(google):
    before = google.sandbox.clock.now() + 60 * DAY
    google.sandbox.clock.set(before)
    renamed = google.rename(google.SMALL, "Another name")
    google.sandbox.clock.advance(300)

    changed = google.entities(changed_since=before).to_pylist()

    assert [(row["external_id"], row["name"]) for row in changed] == [(renamed, "Another name")]
    assert asked_for(google) == ["change_status", "ad_group_ad"]


def budgets(table):
    return {row["external_id"]: json.loads(row["attributes"])["budget_micros"] for row in table.to_pylist() if row["level"] == "campaign"}


def test_a_new_budget_is_found_although_its_campaign_did_not_change(google):
    google.sandbox.clock.set(google.sandbox.clock.now() + 60 * DAY)
    before, campaign = google.sandbox.clock.now(), google.campaigns(google.SMALL)[0]
    old = budgets(google.entities())
    google.set_budget(campaign, 77_000_000)
    google.sandbox.clock.advance(300)
    google.sandbox.calls.clear()

    changed = google.entities(changed_since=before)

    assert budgets(changed) == old | {str(campaign.id): 77_000_000}
    assert asked_for(google) == ["change_status", "campaign"]


def test_a_new_amount_of_a_shared_budget_is_found_for_every_campaign_that_spends_it(google):
    google.sandbox.clock.set(google.sandbox.clock.now() + 60 * DAY)
    before, (campaign, other, *_) = google.sandbox.clock.now(), google.campaigns(google.SMALL)
    google.share_budget(campaign, other)
    google.set_budget(campaign, 88_000_000)
    google.sandbox.clock.advance(300)

    changed = budgets(google.entities(changed_since=before))

    assert changed[str(campaign.id)] == changed[str(other.id)] == 88_000_000


def test_what_changed_is_asked_for_until_tomorrow_with_googles_largest_limit(google):
    """A range that ends later is not documented, and one that is infinite, or without a limit, is refused."""
    google.sandbox.clock.set(datetime(2026, 7, 1, 12, 0, tzinfo=UTC))

    google.entities(changed_since=datetime(2026, 7, 1, 11, 0, tzinfo=UTC))

    types = "'CAMPAIGN', 'AD_GROUP', 'AD_GROUP_AD', 'ASSET_GROUP', 'CAMPAIGN_BUDGET'"
    assert queries(google)[0].partition(" WHERE ")[2] == (
        "change_status.last_change_date_time BETWEEN '2026-07-01 12:55:00' AND '2026-07-02 14:00:00' "
        f"AND change_status.resource_type IN ({types}) LIMIT 10000 PARAMETERS omit_unselected_resource_names = true"
    )


@pytest.mark.parametrize("most", [1, 10_000])
def test_what_changed_never_takes_more_operations_than_planned(google, monkeypatch, most):
    """With everything changed, a budget too, and with more changes than Google returns at once."""
    before = google.sandbox.clock.now()
    google.set_budget(google.campaigns(google.SMALL)[0], 77_000_000)
    google.sandbox.clock.advance(86_400)
    monkeypatch.setattr(google_client, "MOST_CHANGES", most)

    google.entities(changed_since=before)

    assert len(queries(google)) <= GoogleCosts(size=Size(ads=None)).changed_walk


def test_a_change_that_shows_late_is_found_by_the_overlap(google):
    google.sandbox.clock.set(google.sandbox.clock.now() + 60 * DAY)
    renamed = google.rename(google.SMALL, "Another name")
    google.sandbox.clock.advance(60)
    first = google.sandbox.clock.now()
    unseen = google.entities(changed_since=first - timedelta(minutes=2))
    google.sandbox.clock.advance(150)

    seen = google.entities(changed_since=first)

    assert unseen.num_rows == 0
    assert seen["external_id"].to_pylist() == [renamed]


def test_as_many_changes_as_google_tells_at_once_are_not_all(google, monkeypatch):
    before = google.sandbox.clock.now()
    google.sandbox.clock.advance(86_400)
    told_ = len(google.changed_since(google.SMALL, before - google.CHANGE_OVERLAP))
    monkeypatch.setattr(google_client, "MOST_CHANGES", told_)

    changed = google.entities(changed_since=before)

    assert changed.equals(google.entities())
    assert queries(google)[0].endswith(f"LIMIT {told_} PARAMETERS omit_unselected_resource_names = true")


def test_one_change_fewer_than_google_tells_at_once_are_all(google, monkeypatch):
    before = google.sandbox.clock.now()
    google.sandbox.clock.advance(86_400)
    expected = google.changed_since(google.SMALL, before - google.CHANGE_OVERLAP)
    monkeypatch.setattr(google_client, "MOST_CHANGES", len(expected) + 1)

    assert set(google.entities(changed_since=before)["external_id"].to_pylist()) == expected


def test_more_changed_entities_than_a_query_should_name_are_picked_from_all(google, monkeypatch):
    before = google.sandbox.clock.now()
    google.sandbox.clock.advance(86_400)
    named = google.entities(changed_since=before)
    monkeypatch.setattr(google_client, "MOST_IDS", 1)

    picked = google.entities(changed_since=before)

    assert sorted(picked.to_pylist(), key=str) == sorted(named.to_pylist(), key=str)
    assert " WHERE " not in queries(google)[-1]


@pytest.mark.parametrize(
    ("name", "night"),
    [("Alpenglow Reisen", datetime(2026, 10, 25, 1, 0, tzinfo=UTC)), ("Pacific Trail Outfitters", datetime(2026, 11, 1, 9, 0, tzinfo=UTC))],
)
def test_where_the_clock_is_put_back_both_hours_are_asked_for(google, name, night):
    """``night`` is the instant at which the hour begins for the second time."""
    connection = google.connection(name)
    zone = connection.zone
    for minutes in range(-180, 181, 10):
        since = night + timedelta(minutes=minutes)

        for later in range(0, 300, 5):
            now = since + timedelta(minutes=later)
            begin, end = change_range(since, now, connection)
            assert begin <= f"{now.astimezone(zone):%Y-%m-%d %H:%M:%S}" <= end, (since, now)
        earliest = since - timedelta(hours=1, minutes=5)
        assert begin >= f"{earliest.astimezone(zone).replace(tzinfo=None) - timedelta(hours=1):%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize("name", ["Alpenglow Reisen", "Pacific Trail Outfitters"])
def test_the_range_of_changes_begins_five_minutes_early_and_ends_a_day_after_now(google, name):
    connection = google.connection(name)
    since = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    now = since + timedelta(hours=7)

    begin, end = change_range(since, now, connection)

    assert begin == f"{(since - timedelta(minutes=5)).astimezone(connection.zone):%Y-%m-%d %H:%M:%S}"
    assert end == f"{(now + DAY).astimezone(connection.zone):%Y-%m-%d %H:%M:%S}"


def test_a_change_in_the_hour_that_comes_twice_is_read():
    with Sandbox.start(now=datetime(2026, 10, 25, 0, 50, tzinfo=UTC)) as sandbox:
        rig = GoogleRig(sandbox)
        before = sandbox.clock.now()
        sandbox.clock.advance(1_200)
        renamed = rig.rename(rig.SMALL, "Renamed in the second hour")
        sandbox.clock.advance(240)

        assert renamed in rig.entities(changed_since=before)["external_id"].to_pylist()


def reference(ads, text, fields):
    """The rows as the SDK's plain path gives them."""
    rows = [fields_of(row) for batch in ads.stream(text) for row in batch.results]
    return [{name: texts(value) for name, value in row.items() if name in fields and meant(value)} for row in rows]


def texts(value):
    """Of a list of messages with a text, such as headlines, their texts."""
    return [getattr(element, "text", element) for element in value] if isinstance(value, list) else value


def meant(value):
    """Whether a value says anything: the default of its type says as much as nothing."""
    return bool(value) and value != "UNSPECIFIED"


REPORT = [
    *ADS.fields.values(),
    ADS.within,
    "segments.date",
    "metrics.impressions",
    "metrics.clicks",
    "metrics.cost_micros",
    "metrics.conversions",
]
SPLIT = [*CAMPAIGNS.fields.values(), "segments.date", "segments.conversion_action_category", "metrics.conversions"]
LAST_WEEK = "segments.date BETWEEN '2026-03-13' AND '2026-03-20'"
SELECTED = {
    "customer": ("customer", [f"customer.{name}" for name in PROFILE], ""),
    **{kind.resource: (kind.resource, list(kind.fields.values()), "") for kind in HIERARCHY.values()},
    "report": ("ad_group_ad", REPORT, LAST_WEEK),
    "split": ("campaign", SPLIT, LAST_WEEK),
    "one field": ("campaign", ["campaign.id"], ""),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_slim_decoder_reads_what_the_sdk_reads(sandbox, version):
    sandbox.clock.set(datetime(2026, 11, 20, 15, tzinfo=UTC))
    rig, ads = GoogleRig(sandbox, version=version), Ads(sandbox.google, version=version)
    for resource, fields, where in SELECTED.values():
        selected = list(dict.fromkeys(fields))
        text = gaql(resource, selected, where)

        mine = rig.client._rows_of(ads.customer.id, ads.sdk.login_customer_id, text, selected, rig.slot).to_pylist()

        theirs = reference(ads, text, selected)
        assert [{name: value for name, value in row.items() if meant(value)} for row in mine] == theirs, resource
        assert len(theirs) > 0, resource


def test_an_answer_without_rows_has_its_columns_all_the_same(google):
    text = gaql("campaign", ["campaign.id", "campaign.name"], "campaign.id = 1")

    found = google.client._rows_of(
        google.connection().external_id, google.connection().login_customer_id, text, ("campaign.id", "campaign.name"), google.slot
    )

    assert (found.num_rows, found.column_names) == (0, ["campaign.id", "campaign.name"])


@pytest.mark.parametrize("version", ["v22", "v99", "twenty-six"])
def test_a_version_that_the_sdk_does_not_have_names_the_setting(sandbox, version):
    rig = GoogleRig(sandbox, version=version)

    with pytest.raises(VersionSunset, match="ADPULSE_GOOGLE_VERSION"):
        rig.entities()

    assert (rig.log(), rig.slept) == ([], [])


def test_the_sdk_is_the_one_from_the_package_index():
    recorded = [path for path in importlib.metadata.files("google-ads") if path.hash and path.match("google/ads/googleads/*.py")]
    recorded += [path for path in importlib.metadata.files("google-ads") if path.match("google/ads/googleads/interceptors/*.py")]

    for path in recorded:
        digest = hashlib.sha256(Path(path.locate()).read_bytes()).digest()
        assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == path.hash.value, path
    assert len(recorded) > 5


def test_sixteen_threads_share_a_client(google):
    names = [google.SMALL, google.ABROAD] * 16
    truth = {name: keyed(google.truth(name, level="campaign")) for name in set(names)}

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda name: keyed(google.totals(name)), names))

    assert found == [truth[name] for name in names]
    assert [call.kind for call in google.sandbox.calls.calls()].count("token") == 1


def test_a_call_that_takes_too_long_is_given_up(sandbox):
    rig = GoogleRig(sandbox, timeout=4.0)
    rig.client.facts(rig.connection(), rig.slot)
    rig.slept.clear()  # a busy machine may be too slow for the timeout as well
    sandbox.faults.add([{"action": "slow", "seconds": 8.0, "count": 1}])

    assert keyed(rig.totals()) == keyed(rig.truth(level="campaign"))
    assert rig.slept


def test_the_secret_of_a_credential_is_nowhere_in_a_client(google):
    assert not [secret for secret in google.secrets if secret in f"{google.client!r}{google.connection()!r}"]
