"""Claiming: who is due, exactly once, on a grid that late syncs do not shift."""

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from adpulse.errors import Conflict, FrequencyRefused, LeaseLost, UnknownConnection, Usage
from adpulse.frequency import Frequency
from adpulse.model import AccountFacts, ConnectionStatus, Heat, Lane, SyncStatus
from adpulse.platforms.base import Size
from storage.control.connections import Connections
from storage.control.runs import Leg
from storage.control.working_sizes import WorkingSizes

FIVE = Frequency.EVERY_5_MIN
FACTS = AccountFacts(external_id="1", name="x", currency="USD", timezone="UTC", enabled=True, status="active")


def claim(plane, frequency=FIVE):
    return plane.leases.claim_due("meta", frequency, "worker")


def finish(plane, leases):
    for lease in leases:
        plane.runs.done(lease, Leg())


def test_a_new_scheduled_connection_is_due_at_once_and_then_at_the_next_slot(plane):
    plane.connect("1")
    finish(plane, claim(plane))
    assert claim(plane) == []

    plane.clock.advance(minutes=5)
    assert len(claim(plane)) == 1


def test_a_day_of_ticks_at_five_minutes_is_288_syncs_however_late_they_end(plane):
    connection = plane.connect("1")
    end = plane.clock.now() + timedelta(days=1)
    for tick in itertools.count():
        plane.clock.advance(seconds=150 + (7 if tick % 3 else -7))
        if plane.clock.now() >= end:
            break
        finish(plane, claim(plane))

    assert abs(plane.connections.get(connection.id).total_syncs_attempted - 288) <= 1


def test_a_leased_connection_is_not_claimed_again(plane):
    plane.connect("1")
    first = claim(plane)
    plane.clock.advance(minutes=5)

    assert (len(first), claim(plane)) == (1, [])


def test_who_spent_more_is_claimed_first(plane):
    spent = {plane.connect(str(number)).id: number * 7 % 10 for number in range(10)}
    for lease in claim(plane):
        plane.runs.done(lease, Leg(changes=1, trailing_spend=spent[lease.connection.id]))
    plane.clock.advance(minutes=5)
    finish(plane, claim(plane))  # a sync that changed nothing says nothing new about the spend
    plane.clock.advance(minutes=5)

    assert [spent[lease.connection.id] for lease in claim(plane)] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_of_those_who_spent_the_same_whoever_was_never_synced_comes_first_and_then_whoever_waits_longest(plane):
    early, late = (plane.connect(name) for name in ("1", "2"))
    first, second = claim(plane)
    for lease in (first, second) if first.connection.id == late.id else (second, first):  # the one that is stored first ends last
        finish(plane, [lease])
        plane.clock.advance(minutes=1)
    new = plane.connect("3")
    plane.clock.advance(minutes=5)

    assert [lease.connection.id for lease in claim(plane)] == [new.id, late.id, early.id]


def test_of_one_account_whoever_waits_longest_comes_first_although_the_others_have_seen_more_spend_since(plane):
    connections = [plane.connect("1", workspace_id=plane.workspaces.create(f"W{number}").id) for number in range(3)]
    other = plane.connect("2")
    spent = {connection.id: 1_000 + number for number, connection in enumerate(connections)} | {other.id: 1_001}
    leases = {lease.connection.id: lease for lease in claim(plane)}
    for connection_id in (*(connection.id for connection in connections), other.id):
        plane.runs.done(leases[connection_id], Leg(changes=1, trailing_spend=spent[connection_id]))
        plane.clock.advance(minutes=1)
    plane.clock.advance(minutes=5)

    assert [lease.connection.id for lease in claim(plane)] == [*(connection.id for connection in connections), other.id]


def test_workers_claiming_at_once_share_the_connections_without_overlap(plane):
    for number in range(30):
        plane.connect(str(number))
    with ThreadPoolExecutor(6) as pool:
        claimed = [lease.connection.id for leases in pool.map(lambda _: claim(plane), range(6)) for lease in leases]

    assert (len(claimed), max(Counter(claimed).values())) == (30, 1)


def test_what_is_not_to_be_synced_is_not_claimed(plane):
    manual, paused, cooling, other = (plane.connect(str(n), f) for n, f in enumerate(["manual", "5min", "5min", "hourly"]))
    plane.connections.set_status(paused.id, ConnectionStatus.PAUSED, None)
    plane.connections.cool_down(cooling, "account", plane.clock.now() + timedelta(minutes=3), "throttled")
    assert claim(plane) == []

    plane.clock.advance(minutes=3)
    assert [lease.connection.id for lease in claim(plane)] == [cooling.id]
    assert {manual.id, other.id}.isdisjoint({cooling.id})


def test_an_app_wide_cooldown_stops_every_connection_of_the_provider(plane):
    first, _ = plane.connect("1"), plane.connect("2")
    plane.connections.cool_down(first, "app", plane.clock.now() + timedelta(minutes=3), "app throttled")

    assert claim(plane) == []


@pytest.mark.parametrize("minutes", [(30, 3), (3, 30)])
@pytest.mark.parametrize("scope", ["account", "app"])
def test_of_two_cooldowns_the_longer_one_counts_whichever_came_first(plane, minutes, scope):
    connection, now = plane.connect("1"), plane.clock.now()
    for each in minutes:
        plane.connections.cool_down(connection, scope, now + timedelta(minutes=each), f"{each} minutes")

    view = plane.connections.get(connection.id)
    assert (view.cooldown_until - now, view.cooldown_reason) == (timedelta(minutes=30), "30 minutes")
    assert view.consecutive_throttles == 2


def test_an_expired_lease_is_adopted_with_the_same_run_and_the_old_holder_has_lost_it(plane, monkeypatch):
    plane.connect("1")
    monkeypatch.setattr("storage.control.leases.LEASE", timedelta(0))
    (dead,) = claim(plane)
    plane.clock.advance(minutes=5)
    (living,) = claim(plane)

    assert (living.run_id, living.generation) == (dead.run_id, dead.generation + 1)
    with pytest.raises(LeaseLost):
        plane.runs.done(dead, Leg())
    with pytest.raises(LeaseLost):
        plane.runs.calling(dead)


def test_leases_given_back_are_queued_again(plane):
    connection = plane.connect("1", "manual")
    plane.runs.request(connection.id)
    leases = plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "worker")
    plane.leases.release(leases)

    assert plane.connections.get(connection.id).sync_status is SyncStatus.QUEUED
    assert plane.leases.owners() == set()
    with pytest.raises(LeaseLost):
        plane.runs.calling(leases[0])
    assert [lease.run_id for lease in plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w2")] == [leases[0].run_id]


def test_the_same_account_twice_in_a_workspace_is_refused(plane):
    plane.connect("1")

    with pytest.raises(Conflict, match="1 is connected"):
        plane.connect("1")


def test_realtime_needs_the_grant_when_connecting_and_when_changing(plane):
    connection = plane.connect("1")
    with pytest.raises(FrequencyRefused, match="not granted"):
        plane.connect("2", "realtime")
    with pytest.raises(FrequencyRefused, match="manual, 5min"):
        plane.connections.set_frequency(connection.id, "realtime")

    plane.workspaces.grant_realtime("Acme")
    assert plane.connections.set_frequency(connection.id, "realtime").connection.frequency is Frequency.REALTIME


def test_changing_from_manual_makes_it_due_at_once(plane):
    connection = plane.connect("1", "manual")
    plane.connections.set_frequency(connection.id, "hourly")

    assert len(claim(plane, Frequency.HOURLY)) == 1


def test_connections_are_found_by_id_and_by_a_name_only_if_it_is_unique(plane):
    first = plane.connect("1", name="Shop")
    assert plane.connections.get("Shop").connection.id == first.id

    plane.connect("2", name="Shop")
    with pytest.raises(UnknownConnection, match=first.id):
        plane.connections.get("Shop")
    with pytest.raises(UnknownConnection, match="adpulse connections"):
        plane.connections.get("Shopp")


def test_groups_count_active_scheduled_connections(plane):
    for number, frequency in enumerate(["manual", "5min", "5min", "hourly"]):
        plane.connect(str(number), frequency)
    plane.connections.set_status(plane.connections.get("Account 3").connection.id, ConnectionStatus.PAUSED, None)

    assert plane.connections.groups() == {("meta", FIVE): 2}


def test_connecting_into_no_workspace_is_refused(plane):
    facts = AccountFacts(external_id="9", name="x", currency="USD", timezone="UTC", enabled=True, status="active")

    with pytest.raises(Usage, match="workspace"):
        Connections(plane.engine, plane.clock, wall=plane.wall).create(
            "nowhere", "meta", facts, credential_id=plane.credential, scope="meta", frequency="manual", gross_margin=1
        )


def test_who_shares_a_scope_is_told_in_groups_of_what_their_reads_cost(plane):
    sizes = [(None, None, None), (0, 0, 0), (1, 10, 0), (500, 500, 0), (501, 10, 3), (600, 20, 1)]
    for number, (ads, campaigns, groups) in enumerate(sizes):
        made = plane.connect(str(number), provider="google", scope="google:acme")
        if ads is not None:
            plane.sizes.set_walked(made.id, ad_count=ads, campaign_count=campaigns)
            plane.sizes.set_asset_groups(made.id, groups)
    plane.connect("other", provider="google", scope="google:other")
    paused = plane.connect("paused", provider="google", scope="google:acme")
    plane.connections.set_status(paused.id, ConnectionStatus.PAUSED, None)
    plane.connect("daily", "daily", provider="google", scope="google:acme")

    found = plane.connections.groups_of("google:acme", 500)

    assert Counter({(each.frequency, each.size): each.count for each in found}) == Counter(
        {
            (FIVE, Size(ads=None, campaigns=None, asset_groups=1)): 1,
            (FIVE, Size(ads=0, campaigns=0, asset_groups=0)): 1,
            (FIVE, Size(ads=500, campaigns=500, asset_groups=0)): 2,
            (FIVE, Size(ads=1000, campaigns=500, asset_groups=1)): 2,
            (Frequency.DAILY, Size(ads=None, campaigns=None, asset_groups=1)): 1,
        }
    )


@pytest.mark.parametrize("status", [ConnectionStatus.ACTIVE, ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED])
def test_nothing_leads_back_from_being_deleted(plane, status):
    connection = plane.connect("1")
    plane.connections.disconnect(connection.id, "It is being deleted.", ConnectionStatus.DELETING)

    plane.connections.set_status(connection.id, status, None)
    plane.connections.disconnect(connection.id, "Disconnected.")
    plane.connections.use_credential({connection.id: FACTS}, plane.credential, "meta")

    assert plane.connections.get(connection.id).connection.status is ConnectionStatus.DELETING
    assert claim(plane) == []


def test_a_deleted_connection_leaves_nothing_but_the_calls_that_it_made(plane):
    gone, stays = plane.connect("1"), plane.connect("2")
    for each in (gone, stays):
        plane.labels.change(each.id, lambda _: ["eu"])
        plane.runs.request(each.id)
        plane.ledger.take(each.ledger_key, "meta", Heat.HOT)

    plane.connections.delete(gone.id)

    assert [view.connection.id for view in plane.connections.all(label="eu")] == [stays.id]
    assert plane.runs.history(gone.id) == []
    assert len(plane.runs.history(stays.id)) == 1
    assert len(plane.ledger.calls(gone.ledger_key)) == 1
    assert plane.credentials.open(stays.credential_id)
    plane.connections.delete(stays.id)
    with pytest.raises(Usage):
        plane.credentials.open(stays.credential_id)


def test_sizes_of_an_account_go_with_its_last_connection(plane):
    sizes, first, other = WorkingSizes(plane.engine, plane.clock), plane.connect("1"), plane.connect("2")
    plane.workspace = plane.workspaces.create("Borealis")
    second = plane.connect("1")
    for connection in (first, other):
        sizes.note(connection.ledger_key, "days:ads", 4)

    def noted():
        return [sizes.current(connection.ledger_key, "days:ads", 30) for connection in (first, other)]

    plane.connections.delete(first.id)
    assert noted() == [4, 4]
    plane.connections.delete(second.id)
    assert noted() == [30, 4]


def test_what_is_gone_is_told_and_not_an_error_of_the_database(plane):
    for change in (
        lambda: plane.labels.change("gone", lambda _: ["eu"]),
        lambda: plane.connections.set_status("gone", ConnectionStatus.ACTIVE, None),
    ):
        with pytest.raises(UnknownConnection):
            change()
