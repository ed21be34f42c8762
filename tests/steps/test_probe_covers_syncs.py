"""Whatever a sync asks a platform, `adpulse probe` asks it too: compared by the sandbox's log of calls, which knows no table of ours."""

import json
import re
from datetime import timedelta

import pytest
from installation import Installation, shrink
from probing_rig import Probing

from adpulse.campaign_range import CampaignRange
from adpulse.metrics_request import MetricsRequest
from adpulse.missing_entities import MissingEntity
from adpulse.model import Heat, Level, RunState
from adpulse.platforms.registry import platform_of
from adpulse_sandbox import Sandbox

ACCOUNTS = {"meta": "Corner Store 1", "google": "Alpenglow Reisen"}
REFUSED = {
    "meta": (
        {"action": "filter_refused", "value": "DELETED"},
        {"action": "broken_creative", "kind": "ads"},
        {"action": "too_much_data", "kind": "insights"},
    ),
    "google": (
        {"action": "transient", "reason": "DEADLINE_EXCEEDED", "kind": "search_stream", "resource": "ad_group_ad"},
        {"action": "transient", "reason": "DEADLINE_EXCEEDED", "kind": "search_stream", "resource": "campaign"},
    ),
}
"""Faults after which a sync asks otherwise."""


SELDOM = {
    "meta": {
        ("GET", "app"),
        ("POST", "act_#/insights"),
        ("GET", "#/insights"),
        ("act_#/ads", "id", "IN"),
        ("act_#/campaigns", "updated_time", "GREATER_THAN"),
        ("act_#/insights", "campaign.id", "NOT_IN"),
    },
    "google": {
        ("ad_group_ad", "campaign.id NOT IN ()"),
        ("campaign", "campaign.id IN ()"),
        ("change_status", False, "change_status.resource_type"),
    },
}
"""What a sync seldom asks: without these it would show little."""


@pytest.fixture
def sandbox():
    with Sandbox.start(extra=2, extra_ads=(8, 3)) as running:
        shrink(running)
        yield running


@pytest.fixture
def installation(sandbox, tmp_path):
    made = Installation(tmp_path / "home", sandbox)
    yield made
    made.close()


def parts(call):
    """What of a call a platform may refuse: its path and the names of its parameters, fields, and conditions, without ids and days."""
    path = re.sub(r"\d{5,}", "#", call.path)
    yield call.method, path
    for name, value in call.params.items():
        if name == "filtering":
            yield from ((path, each["field"], each["operator"]) for each in json.loads(value))
        elif name == "fields":  # of an object by its id they are those of its edge
            yield from (("fields", each) for each in re.sub(r"\{.*?\}", "{}", value).split(","))
        elif name == "query":
            yield from parts_of_query(value)
        else:
            yield path, name, value if name in ("effective_status", "level", "time_increment") else ""


def parts_of_query(text):
    selected, resource, conditions = re.fullmatch(r"SELECT (.*) FROM (\w+)(?: WHERE (.*?))?(?: LIMIT \d+)? PARAMETERS .*", text).groups()
    fields = selected.split(", ")
    split = "segments.conversion_action_category" in fields
    yield from ((resource, split, field) for field in fields)
    for condition in re.split(r" AND (?!')", conditions or ""):
        yield resource, re.sub(r"'[^']*'|\d+|, ", "", condition)


def asked(sandbox):
    return {part for call in sandbox.calls.calls() if call.kind != "token" for part in parts(call)}


def sync_in_every_way(installation, platform):
    """A first sync, later ones, and some after each fault that makes it ask otherwise."""
    sandbox, connection = installation.sandbox, installation.connect(ACCOUNTS[platform])
    client = installation.app.client(connection)
    client._sleep = lambda _: None
    installation.sync(connection)
    installation.advance_to(sandbox.clock.now() + timedelta(hours=1))
    installation.sync(connection)
    for rule in REFUSED[platform]:
        installation.advance_to(sandbox.clock.now() + timedelta(days=1, hours=1))
        sandbox.faults.add([{"platform": platform} | rule])
        some_legs(installation, connection)
        sandbox.faults.clear()
    ask_rarely(installation, connection, client)


def ask_rarely(installation, connection, client):
    """What a sync seldom meets: entities that are absent, a part of the campaigns, a token of another app's."""
    listed = installation.rows("SELECT level, external_id FROM entities WHERE level IN ('campaign', 'ad')")
    absent = [MissingEntity(level=Level(level), external_id=external_id) for level, external_id in listed[:20]]
    client.look_up(connection, [*absent, MissingEntity(level=Level.AD, external_id="120000000000000")], lambda: None)
    campaign = next(each.external_id for each in absent if each.level is Level.CAMPAIGN)
    day = connection.today(installation.sandbox.clock.now())
    for part in (CampaignRange(only=(campaign,)), CampaignRange(without=(campaign,))):
        for kind in platform_of(connection.provider).metric_kinds:
            request = MetricsRequest(kind=kind, heat=Heat.COLD, since=day, until=day, campaigns=part)
            client.metrics(connection, request, lambda: None)
    if connection.provider == "meta":
        client._issuer(lambda: None)


def some_legs(installation, connection):
    """As many as it takes to ask in every smaller way; what is never answered does not end."""
    (run,) = installation.leg(connection, force=True)
    for _ in range(6):
        if run.state is not RunState.POSTPONED:
            break
        installation.advance_to(run.until)
        (run,) = installation.work(installation.claim())


def probed(probe):
    """What a probe asks; of Meta with the account found, and with the account given, which leaves calls for a report's rows."""
    accounts = [None, *([probe.sandbox.world.account("Harbor Outdoor").id] if probe.platform == "meta" else [])]
    together = set()
    for account in accounts:
        probe.run(account)
        together |= asked(probe.sandbox)
    return together


@pytest.mark.parametrize("platform", [pytest.param("meta", marks=pytest.mark.slow), "google"])  # as Google's, and twice as long
def test_nothing_that_a_sync_asks_is_left_out_of_a_probe(installation, sandbox, tmp_path, platform):
    sync_in_every_way(installation, platform)
    of_syncs = asked(sandbox)

    assert of_syncs - probed(Probing(platform, sandbox, tmp_path / "out")) == set()
    assert SELDOM[platform] <= of_syncs
