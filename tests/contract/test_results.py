"""Conversions by each ad's own results: the official SDK's answers, and what a sync stores of them, against the sandbox's truth."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from clients import TODAY, MetaRig
from installation import Installation

from adpulse import presentation
from adpulse.metrics_request import FieldGroup, MetricsRequest
from adpulse.model import FetchKind, Heat, RunState
from adpulse.platforms.meta.metrics import RULES
from adpulse.services import mapping as mappings
from adpulse.services.completeness import completeness_of
from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.result_truth import true_results

MIXED = "Ferry Line"
"""Its campaigns are optimised for leads, for reach, and for two things at once."""

DAY = TODAY - timedelta(days=3)
RESULTS = RULES.preset("results")
ACCOUNTS = ("Ferry Line", "Chat Bakery", "Kiln Pottery")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start(now=datetime(2026, 3, 20, 15, tzinfo=UTC)) as running:
        yield running


def read(rig, name, kind=FetchKind.ADS, fields=FieldGroup.ALL, mapping=RESULTS):
    connection = replace(rig.connection(name), mapping=mapping)
    request = MetricsRequest(kind=kind, heat=Heat.COLD, since=DAY, until=DAY, fields=fields)
    return rig.client.metrics(connection, request, rig.slot).rows.to_pylist()


def truth(rig, name, day=DAY, at=None):
    account = rig.sandbox.world.account(name).id
    return true_results(rig.sandbox.truth, account, day, at or rig.sandbox.clock.now())


@pytest.mark.parametrize(("token", "name"), [("full", "Harbor Outdoor"), *(("varied", name) for name in ACCOUNTS)])
def test_each_ad_counts_what_it_is_optimised_for_and_nothing_is_known_where_that_does_not_add_up(sandbox, token, name):
    rig = MetaRig(sandbox, token=token)
    counted = {row["external_id"]: row["conversions"] for row in read(rig, name)}

    assert counted == truth(rig, name)
    assert len([number for number in counted.values() if number]) > 1
    assert (None in counted.values()) is (name == MIXED)


def test_all_other_metrics_are_those_of_the_default(sandbox):
    rig = MetaRig(sandbox)
    by_results, by_default = (read(rig, "Harbor Outdoor", mapping=mapping) for mapping in (RESULTS, None))

    assert [row | {"conversions": 0} for row in by_results] == [row | {"conversions": 0} for row in by_default]
    assert by_results != by_default


def test_only_reads_of_ads_by_this_preset_ask_for_results_and_only_with_the_actions(sandbox):
    rig = MetaRig(sandbox)
    reads = [
        read(rig, "Harbor Outdoor"),
        read(rig, "Harbor Outdoor", mapping=None),
        read(rig, "Harbor Outdoor", fields=FieldGroup.DELIVERY),
        read(rig, "Harbor Outdoor", fields=FieldGroup.ACTIONS),
        read(rig, "Harbor Outdoor", FetchKind.CAMPAIGNS),
        read(rig, "Harbor Outdoor", FetchKind.ACCOUNT),
    ]

    asked = ["results" in call.params["fields"].split(",") for call in rig.log()[-len(reads) :]]
    assert asked == [True, False, False, True, False, False]
    assert {row["conversions"] for rows in reads[4:] for row in rows} == {None}


class Rig:
    """An installation in which the account of mixed aims was synced by its results."""

    def __init__(self, installation):
        self.installation = installation
        connection = installation.connect(MIXED, token="varied")
        self.choose(connection, "results")
        self.connection = installation.app.connections.get(connection.id).connection
        assert installation.sync(self.connection).state is RunState.DONE

    def choose(self, connection, preset):
        mapping = mappings.revised(connection, preset=preset, changes={})
        mappings.choose(self.installation.app, connection, mapping, dispatcher=lambda *_: None)

    def stored(self):
        query = "SELECT external_id, date, conversions FROM metric_facts WHERE connection_id = ?"
        return {(ad, day): conversions for ad, day, conversions in self.installation.rows(query, [self.connection.id])}

    def expected(self):
        """The truth of each day as of the instant at which it was read."""
        found = {}
        for (kind, day), at in self.installation.notes[self.connection.id][-1].days.items():
            if kind is FetchKind.ADS:
                found |= {(ad, day): count for ad, count in truth(self.installation, MIXED, day, at).items()}
        return found


@pytest.fixture(scope="module")
def rig(sandbox, tmp_path_factory):
    installation = Installation(tmp_path_factory.mktemp("results") / "home", sandbox)
    try:
        yield Rig(installation)
    finally:
        installation.close()


def test_a_sync_stores_the_results_of_each_ad_and_day_and_no_sum_of_a_day_hides_what_is_unknown(rig):
    stored, of_day = rig.stored(), "SELECT count(*), count(conversions), sum(spend) > 0 FROM {} WHERE connection_id = ?"

    assert stored == rig.expected()
    assert {None, 0} < set(stored.values())
    days, known, spent = rig.installation.rows(of_day.format("account_day"), [rig.connection.id])[0]
    assert (days > 80, known, spent) == (True, 0, True)
    campaigns, known, _ = rig.installation.rows(of_day.format("campaign_day"), [rig.connection.id])[0]
    assert 0 < known < campaigns
    (of_unreported,) = rig.installation.rows("SELECT count(conversions) FROM unreported WHERE connection_id = ?", [rig.connection.id])
    assert of_unreported == (0,)


def test_what_is_unknown_is_named_beside_what_days_lack(rig):
    leaf, campaign = completeness_of(rig.installation.app, rig.connection)
    unknown = Counter(day for (_, day), conversions in rig.stored().items() if conversions is None)

    assert {one.day: one.ads for one in leaf.unknown} == unknown
    assert (campaign.unknown, leaf.gaps, campaign.gaps) == ((), (), ())
    newest = f"last {max(unknown)} of {unknown[max(unknown)]} ads, as their results do not add up"
    assert newest in presentation.describe_completeness(leaf)
    fields = presentation.completeness_fields(leaf)["unknown_conversions"]
    assert fields[-1] == {"date": max(unknown).isoformat(), "ads": unknown[max(unknown)]}


def test_a_second_sync_writes_nothing_and_another_mapping_is_the_cause_of_what_becomes_known(rig):
    installation, connection = rig.installation, rig.connection
    again = installation.sync(connection, force=True)
    rig.installation.sandbox.clock.advance(60)
    before = installation.sandbox.clock.now()
    rig.choose(connection, "default")
    installation.finish(installation.work(installation.claim())[0])

    since = connection.today(before) - timedelta(days=28)
    changes = "SELECT DISTINCT cause FROM metric_changes WHERE connection_id = ? AND changed_at >= ? AND date < ?"
    assert (again.counts.inserted, again.counts.updated) == (0, 0)
    assert installation.rows(changes, [connection.id, before, connection.today(before)]) == [("mapping",)]
    assert {day for (_, day), conversions in rig.stored().items() if conversions is None and day >= since} == set()
    assert rig.installation.app.warehouse(connection.workspace_id).applied_since(again.id, 0) is None
