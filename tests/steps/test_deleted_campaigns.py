"""A campaign that was deleted before anything of it was stored is found by its id, and its days add up with its name."""

from datetime import timedelta

import pytest

from adpulse.model import FetchKind, Heat, RunState
from adpulse.planner.room import HISTORY_CALLS
from adpulse_sandbox.meta.world import Change
from tasks.deleted_campaigns import _calls

ACCOUNT = "Optic Corner"
AN_HOUR = timedelta(minutes=61)
WITHOUT_CAMPAIGN = "SELECT count(*) FROM not_by_campaign WHERE spend <> 0"
DELETED = "SELECT external_id, name FROM entities WHERE status = 'DELETED'"


@pytest.fixture
def campaign(sandbox):
    """A campaign that spent on every day, deleted now."""
    account = sandbox.world.account(ACCOUNT)
    campaign = account.campaigns[0]
    object.__setattr__(campaign, "changes", (*campaign.changes, Change(at=sandbox.clock.now(), status="DELETED")))
    vars(account).pop("_instants", None)
    return campaign


def searched(sandbox):
    """What was asked of the account's activities, and of objects by their ids."""
    paths = [call.path.split("/") for call in sandbox.calls.calls()]
    return [path[-1] if len(path) > 1 else "object" for path in paths if path[-1] == "activities" or path[0].isdigit()]


def test_a_campaign_that_was_deleted_before_the_first_sync_is_stored_with_its_name_and_its_days_add_up(installation, sandbox, campaign):
    connection = installation.connect(ACCOUNT, token="varied")

    installation.sync(connection)

    assert searched(sandbox)[:3] == ["activities", "object", "insights"]
    assert installation.rows(DELETED) == [(campaign.id, campaign.name(sandbox.clock.now()))]
    assert installation.rows("SELECT DISTINCT campaign FROM daily WHERE campaign_id = ? AND spend > 0", [campaign.id]) == [
        (campaign.name(sandbox.clock.now()),)
    ]
    assert installation.rows(WITHOUT_CAMPAIGN) == [(0,)]
    assert installation.differences(connection) == []
    nothing_is_asked_while_the_account_has_nothing_new_of_it(installation, connection)


def nothing_is_asked_while_the_account_has_nothing_new_of_it(installation, connection):
    installation.sandbox.calls.clear()
    installation.advance_to(installation.sandbox.clock.now() + AN_HOUR)
    installation.sync(connection, force=True)

    assert "activities" not in searched(installation.sandbox)
    assert installation.differences(connection) == []


@pytest.mark.usefixtures("campaign")
def test_an_account_whose_activities_are_refused_is_synced_with_a_remainder(installation, sandbox):
    sandbox.faults.add([{"action": "permission_lost", "kind": "activities"}])
    connection = installation.connect(ACCOUNT, token="varied")

    run = installation.sync(connection)

    assert run.state is RunState.DONE
    assert installation.rows(WITHOUT_CAMPAIGN) == [(86,)]
    assert installation.app.connections.get(connection.id).warnings == ()


def test_what_cannot_be_explained_is_looked_for_once_an_hour(installation, sandbox):
    connection = installation.connect("Corner Store 1")
    more = {"action": "rewrite", "kind": "insights", "place": "data[3].spend", "value": "99999.50", "skip": 5, "count": 1}
    sandbox.faults.add([more])
    installation.sync(connection)
    assert searched(sandbox) == ["activities"]
    read = installation.app.partitions.ages(connection.id).dateless.keys()
    assert read & {FetchKind.DELETED_CAMPAIGNS, FetchKind.DELETED_BEFORE} == {FetchKind.DELETED_BEFORE}  # the difference is in older days

    sandbox.calls.clear()
    sandbox.faults.clear()
    sandbox.faults.add([more])
    installation.sync(connection, force=True)

    assert searched(sandbox) == []


def test_a_search_beside_the_history_keeps_within_the_historys_calls_of_the_hour(installation):
    connection, ledger = installation.connect("Corner Store 1"), installation.app.ledger
    for call in range(HISTORY_CALLS - 3):
        if call == HISTORY_CALLS // 2:  # the burst limit does not take all of them at once
            installation.advance_to(installation.sandbox.clock.now() + timedelta(minutes=6))
        ledger.take(connection.ledger_key, connection.scope, Heat.HISTORY)

    assert _calls(ledger, connection, Heat.HISTORY) == 3
    assert _calls(ledger, connection, Heat.COLD) > HISTORY_CALLS
