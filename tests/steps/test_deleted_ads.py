"""An ad that is deleted between two walks leaves the report with its history, which stays, whatever goes wrong when it is looked up."""

from datetime import timedelta

import pytest
from repeats import first_quick

from adpulse.frequency import Frequency
from adpulse.model import Heat, Parts

ACCOUNT = "Harbor Outdoor"
MINUTE = timedelta(minutes=1)


def lookup_fails(installation, _):
    installation.sandbox.faults.add([{"action": "transient", "kind": "ads", "code": 2}])


def lookup_is_throttled(installation, _):
    installation.sandbox.faults.add([{"action": "throttle", "kind": "ads", "code": 17}])


def hour_is_used_up(installation, connection):
    """But for the one page of today."""
    for _ in range(179 - len(installation.app.ledger.calls(connection.ledger_key))):
        installation.app.ledger.take(connection.ledger_key, connection.scope, Heat.HOT)


def totals_fail(installation, _):
    """After the ads were read, so that nobody is looked up."""
    installation.sandbox.faults.add([{"action": "server_error", "kind": "insights", "skip": 1}])


def synced_until_a_minute_before(installation):
    """A realtime connection, synced first and again a minute before the next ads are deleted; the connection, and that instant."""
    account, now = installation.sandbox.world.account(ACCOUNT), installation.app.clock.now()
    deleted_at = min(at for at, _ in account.deletions if at > now + timedelta(hours=2))
    installation.app.workspaces.grant_realtime(installation.workspace.id)
    connection = installation.connect(ACCOUNT, Frequency.REALTIME.value)
    installation.finish(*installation.tick())
    installation.advance_to(deleted_at - MINUTE)
    installation.finish(*installation.tick())
    return connection, deleted_at


@pytest.mark.parametrize("goes_wrong", first_quick([lookup_fails, totals_fail, lookup_is_throttled, hour_is_used_up]))
def test_a_deleted_ads_numbers_stay_when_it_cannot_be_looked_up(installation, goes_wrong):
    connection, deleted_at = installation.begin_as(synced_until_a_minute_before)
    app, account = installation.app, installation.sandbox.world.account(ACCOUNT)
    app.client(connection)._sleep = lambda _: None
    gone = {account.ads[number].id for at, number in account.deletions if at == deleted_at}

    def stored():
        rows = installation.rows("SELECT external_id, date, spend FROM metric_facts WHERE spend > 0")
        return {(external_id, day): spend for external_id, day, spend in rows if external_id in gone}

    before = stored()
    installation.advance_to(deleted_at + 2 * MINUTE)
    if goes_wrong is totals_fail:
        app.runs.request(connection.id, Parts.METRICS)  # today's totals are due as well, and no walk tells of the ad
    goes_wrong(installation, connection)
    installation.work(installation.claim()) or installation.tick()
    installation.sandbox.faults.clear()

    assert before
    assert stored() == before
    for hours in (2, 30):
        installation.advance_to(deleted_at + timedelta(hours=hours))
        for run in installation.work(installation.claim()) or installation.tick():
            installation.finish(run)
        assert stored() == before
    statuses = dict(installation.rows("SELECT external_id, status FROM entities"))
    assert {statuses[each] for each in gone} == {"DELETED"}
    assert installation.differences(connection) == []


def test_a_full_sync_asks_nothing_that_meta_refuses_and_equals_the_truth(installation):
    connection, now = installation.connect(ACCOUNT), installation.app.clock.now()
    account = installation.sandbox.world.account(ACCOUNT)
    world = {(each.level, each.effective_status(now)) for each in account.by_id.values() if each.created_at <= now}

    installation.sync(connection)

    assert {("ad", "DELETED"), ("ad", "ARCHIVED"), ("ad", "PAUSED")} <= world
    calls = [call for call in installation.sandbox.calls.calls() if call.account == account.id]
    assert {call.status for call in calls} == {200}
    assert not [call for call in calls if "ids" in call.params]
    assert installation.differences(connection) == []


def test_a_deleted_ad_is_looked_up_once_and_keeps_its_name(installation):
    _, deleted_at = installation.begin_as(synced_until_a_minute_before)
    account, first = installation.sandbox.world.account(ACCOUNT), installation.sandbox.world.beginning
    gone = {account.ads[number].id: account.ads[number].name(first) for at, number in account.deletions if at == deleted_at}

    for minutes in (2, 4, 6):
        installation.advance_to(deleted_at + minutes * MINUTE)
        installation.finish(*installation.tick())

    by_id = [call.path for call in installation.sandbox.calls.calls() if call.kind == "node" and call.path.isdecimal()]
    assert by_id
    assert len(by_id) == len(set(by_id))
    names = {row[0]: row[1] for row in installation.rows("SELECT external_id, name FROM entities WHERE status = 'DELETED'")}
    assert {each: names.get(each) for each in gone} == gone
