"""``adpulse backfill``: what it takes is said before it begins, how far it is meanwhile, and it can be stopped."""

import json
from datetime import timedelta

import pytest


@pytest.fixture
def connection(installation):
    return installation.synced("Corner Store 1")


def test_a_backfill_is_priced_begun_shown_and_stopped(adpulse, installation, connection):
    since = str(connection.today(installation.app.clock.now()) - timedelta(days=200))

    code, out, _ = adpulse("backfill", "Corner Store 1", "--since", since, "--dry-run")
    assert (code, installation.app.backfills.of(connection.id)) == (0, None)
    assert f"111 days from {since} on: at most" in out

    code, out, _ = adpulse("backfill", "Corner Store 1", "--since", since, "--json")
    assert (code, json.loads(out)["days"]) == (0, 111)
    assert str(installation.app.backfills.of(connection.id).since) == since

    code, out, _ = adpulse("backfill", "Corner Store 1")
    assert (code, f"from {since} on: 61 of 172 days" in out) == (0, True)
    assert "backfill" in adpulse("status", "Corner Store 1")[1]

    code, _, _ = adpulse("backfill", "Corner Store 1", "--stop")
    assert (code, installation.app.backfills.of(connection.id)) == (0, None)
    assert "no backfill" in adpulse("backfill", "Corner Store 1")[1]


def test_nothing_is_read_before_a_person_agrees(adpulse, installation, connection):
    since = str(connection.today(installation.app.clock.now()) - timedelta(days=200))

    code, _, _ = adpulse("backfill", "Corner Store 1", "--since", since, stdin="n\n")

    assert (code, installation.app.backfills.of(connection.id)) == (1, None)


def test_more_than_37_months_are_cut_and_less_than_the_lookback_is_wrong(adpulse, installation, connection):
    today = connection.today(installation.app.clock.now())

    _, out, _ = adpulse("backfill", "Corner Store 1", "--since", "2001-01-01", "--dry-run", "--json")
    assert 1120 <= (today - today.fromisoformat(json.loads(out)["since"])).days <= 1127

    code, _, err = adpulse("backfill", "Corner Store 1", "--since", str(today), "--dry-run")
    assert code == 2
    assert "by the syncs of Corner Store 1 anyway" in err
