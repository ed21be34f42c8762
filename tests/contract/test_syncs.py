"""What a sync stores of either platform, through all of its steps; traps are numbered as in the project's list."""

from dataclasses import replace
from datetime import timedelta

import pytest
from clients import TODAY, GoogleRig, MetaRig, keyed
from repeats import first_quick

from adpulse.errors import Conflict
from adpulse.metrics import METRICS
from adpulse.model import ConnectionStatus, RunState
from adpulse.services import connecting
from adpulse.services.discovering import discover
from storage.warehouse.analytics import read

DAY = timedelta(days=1)
GOOGLE_QUICKLY = [pytest.param(GoogleRig, id="google"), pytest.param(MetaRig, id="meta", marks=pytest.mark.slow)]
"""Where no code of a platform's own is behind the rule, or where another quick test has Meta's."""

STORED = "SELECT level, external_id, date, impressions, spend, conversions FROM metric_facts"


def without_waiting(installation, connection):
    """What a client would wait between two tries is not waited."""
    installation.app.client(connection)._sleep = lambda _: None
    return connection


def test_a_first_sync_stores_what_the_platform_told(rig, installation):
    connection = installation.connect(rig.ABROAD)

    run = installation.sync(connection)

    assert run.state is RunState.DONE
    assert installation.differences(connection) == []


def test_trap_03_an_answer_that_breaks_off_writes_nothing_of_it(rig, installation):
    connection = without_waiting(installation, installation.connect(rig.ABROAD))
    rig.sandbox.faults.add([{"action": "drop_midway"}])

    (run,) = installation.leg(connection)

    assert run.state is RunState.FAILED
    assert (run.counts.inserted, run.counts.entities_changed) == (0, 0)
    rig.sandbox.faults.clear()
    assert installation.sync(connection).state is RunState.DONE
    assert installation.differences(connection) == []


def test_trap_05_a_second_sync_of_the_same_numbers_writes_nothing(rig, installation):
    connection = installation.synced(rig.SMALL)
    before = sorted(installation.rows("SELECT * FROM metric_changes"))

    run = installation.sync(connection, force=True)

    assert run.counts.fetched > 0
    assert (run.counts.inserted, run.counts.updated) == (0, 0)
    assert sorted(installation.rows("SELECT * FROM metric_changes")) == before


def test_trap_07_late_conversions_and_retractions_are_both_written(rig, installation):
    connection = installation.synced(rig.SMALL)
    rig.sandbox.clock.advance(86_400)

    installation.sync(connection)

    moved = installation.rows("SELECT age_days, delta FROM restatements WHERE metric = 'conversions'")
    assert any(age >= 3 and delta > 0 for age, delta in moved)
    assert any(delta < 0 for _, delta in moved)
    assert installation.differences(connection) == []
    assert installation.history_differences(connection) == []


def test_trap_09_what_is_gone_keeps_its_numbers(rig, installation):
    connection = installation.synced(rig.SMALL)
    ads = [row for row in rig.entities_truth(rig.SMALL).to_pylist() if row["level"] == "ad"]
    still = {row["external_id"] for row in ads if row["effective_status"] in ("ARCHIVED", "REMOVED")}

    with_numbers = {row[0] for row in installation.rows("SELECT DISTINCT external_id FROM metric_facts WHERE impressions > 0")}

    assert still & with_numbers
    assert installation.differences(connection) == []


@pytest.mark.parametrize(("kind", "name"), [(MetaRig, MetaRig.SMALL), (GoogleRig, GoogleRig.ABROAD)])
def test_trap_11_what_leaves_do_not_tell_is_a_row_of_its_own(kind, name, sandbox, installation):
    installation.synced(name)

    hidden = installation.rows("SELECT count(*), sum(spend) FROM daily WHERE level = 'unreported'")
    whole = installation.rows("SELECT CAST(sum(spend) * 1000000 AS BIGINT) FROM daily")
    totals = installation.rows("SELECT sum(spend)::BIGINT FROM platform_totals WHERE level = 'campaign'")

    since = kind(sandbox).truth(name, since=TODAY - 89 * DAY, level="campaign")
    assert installation.rows("SELECT count(*) FROM not_by_campaign WHERE spend <> 0") == [(0,)]
    assert hidden[0][0] > 0
    assert hidden[0][1] > 0
    assert whole == totals
    assert totals[0][0] == sum(since["spend"].to_pylist())


@pytest.mark.slow
def test_a_campaign_that_was_deleted_before_the_first_sync_is_in_the_total_of_each_day_by_its_name(sandbox, installation):
    connection = installation.synced("Nordlicht Moebel")
    account, now = sandbox.world.account("Nordlicht Moebel"), sandbox.clock.now()
    gone = {campaign.id: campaign.name(now) for campaign in account.campaigns if campaign.effective_status(now) == "DELETED"}
    truth = sandbox.truth.account_totals(account.id, TODAY - 89 * DAY, TODAY, now)

    days = dict(installation.rows("SELECT date, (sum(spend) * 1000000)::BIGINT FROM daily GROUP BY date"))
    hidden = installation.rows("SELECT count(*) FROM daily WHERE name = 'not reported by campaign' AND campaign_id IS NULL AND spend <> 0")
    named = {
        (campaign_id, name): spend
        for campaign_id, name, spend in installation.rows("SELECT campaign_id, campaign, sum(spend) FROM daily GROUP BY ALL")
    }

    assert gone
    assert not gone.keys() & {row[0] for row in installation.rows("SELECT DISTINCT campaign_id FROM metric_facts")}
    assert hidden == [(0,)]
    assert all(named[key] > 10_000 for key in gone.items())
    assert days == dict(zip(truth["date"].to_pylist(), truth["spend"].to_pylist(), strict=True))
    assert installation.differences(connection) == []


def test_trap_14_another_currency_stops_the_sync_and_keeps_the_data(rig, installation):
    connection = installation.synced(rig.SMALL)
    before = installation.rows("SELECT count(*), sum(spend) FROM metric_facts")
    rig.sandbox.clock.advance(86_400)
    rig.change(rig.SMALL, currency="CAD")

    (run,) = installation.leg(connection)

    assert (run.state, run.error_code) == (RunState.DEAD, "currency_changed")
    view = installation.app.connections.get(connection.id)
    assert view.connection.status is ConnectionStatus.CURRENCY_CHANGED
    assert "CAD" in view.status_reason
    assert installation.rows("SELECT count(*), sum(spend) FROM metric_facts") == before


@pytest.mark.parametrize("kind", GOOGLE_QUICKLY)
@pytest.mark.parametrize("noticed", first_quick([True, False]))
def test_trap_14_an_account_in_another_currency_is_connected_beside_its_history(rig, installation, noticed):
    old = installation.synced(rig.SMALL)
    before = installation.rows(f"SELECT count(*), sum(spend) FROM metric_facts WHERE connection_id = '{old.id}'")
    rig.sandbox.clock.advance(86_400)
    rig.change(rig.SMALL, currency="CAD")
    if noticed:
        installation.leg(old)

    app, secret = installation.app, installation.secret(old.provider)
    reached = discover(app, old.provider, secret)
    chosen = replace(reached, accounts=[each for each in reached.accounts if each.external_id == old.external_id])
    (made,) = connecting.connect(app, installation.workspace.id, old.provider, secret, chosen, "manual")
    with pytest.raises(Conflict, match="connected already"):
        connecting.connect(app, installation.workspace.id, old.provider, secret, chosen, "manual")
    installation.sync(made.connection)

    assert app.connections.get(old.id).connection.status is ConnectionStatus.CURRENCY_CHANGED
    assert installation.rows(f"SELECT count(*), sum(spend) FROM metric_facts WHERE connection_id = '{old.id}'") == before
    assert installation.rows("SELECT DISTINCT connection_id, currency FROM daily ORDER BY currency") == [
        (made.connection.id, "CAD"),
        (old.id, old.currency),
    ]


def test_trap_14_another_time_zone_reads_every_day_again(rig, installation):
    connection = installation.synced(rig.ABROAD)
    rig.sandbox.clock.advance(86_400)
    rig.change(rig.ABROAD, timezone="America/New_York")

    installation.sync(connection)

    truth = keyed(rig.truth(rig.ABROAD, since=TODAY - 87 * DAY))
    stored = keyed(read(installation.published(), f"SELECT external_id, date, campaign_id, {', '.join(METRICS)} FROM metric_facts"))
    assert installation.app.connections.get(connection.id).connection.timezone == "America/New_York"
    assert {key: stored.get(key) for key in truth} == truth


def test_trap_15_a_new_name_is_no_change_of_metrics(rig, installation):
    connection = installation.synced(rig.SMALL)
    changed_at = installation.app.connections.get(connection.id).last_metrics_changed_at
    rig.sandbox.clock.advance(10)
    renamed = rig.rename(rig.SMALL, "Another name")
    rig.sandbox.clock.advance(200)

    run = installation.sync(connection)

    assert (run.counts.entities_changed, run.counts.inserted, run.counts.updated) == (1, 0, 0)
    assert installation.app.connections.get(connection.id).last_metrics_changed_at == changed_at
    assert installation.rows("SELECT name FROM entities WHERE external_id = ?", [renamed]) == [("Another name",)]


def test_a_credential_that_is_revoked_stops_the_sync_and_keeps_the_data(rig, installation):
    connection = installation.synced(rig.ABROAD)
    before = installation.rows(f"{STORED} ORDER BY ALL")
    rig.sandbox.faults.add([{"action": "expired_token"}])

    (run,) = installation.leg(connection)

    assert run.state is RunState.DEAD
    assert installation.app.connections.get(connection.id).connection.status is ConnectionStatus.NEEDS_REAUTH
    assert installation.rows(f"{STORED} ORDER BY ALL") == before


@pytest.mark.parametrize("kind", GOOGLE_QUICKLY)  # Meta's: tests/steps/test_steps.py
def test_calls_and_slots_of_whole_syncs_are_the_same_number(rig, installation):
    connection = installation.connect(rig.ABROAD)
    discovery = len(rig.log())

    installation.sync(connection)
    rig.sandbox.clock.advance(60)
    installation.sync(connection)

    spent = installation.app.ledger.calls(connection.ledger_key)
    recent = [call for call in rig.log()[discovery:] if call.at > rig.sandbox.clock.now() - timedelta(hours=1)]
    assert len(spent) == len(recent)
