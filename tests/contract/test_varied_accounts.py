"""Accounts that report otherwise than the standard ones: what a sync stores of each equals the truth, and a second one writes nothing.

One installation connects all of them with one token of each platform; the tests look at what it stored.
"""

from datetime import timedelta

import pytest
from installation import Installation

from adpulse.model import RunState
from adpulse.services import connecting
from adpulse.services.discovering import discover
from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.specs import VARIED

DAY = timedelta(days=1)
META = [spec.name for spec in VARIED]
NOTHING_COUNTED = ("Chat Bakery", "Course Portal", "Ring Plumbing", "Studio Fit")


class Synced:
    """Every varied account, synced; by the account's name its connection and the runs of its syncs."""

    def __init__(self, installation):
        self.installation = installation
        self.connections = {}
        for provider in ("meta",):
            secret = installation.secret(provider, "varied")
            reached = discover(installation.app, provider, secret)
            for view in connecting.connect(installation.app, installation.workspace.id, provider, secret, reached, "manual"):
                self.connections[view.connection.name] = view.connection
        self.first, self.differences = self.finish(), self.compare()
        self.changes = self.count_changes()
        self.second = self.again(force=True)
        self.changes_after_second = self.count_changes()
        installation.sandbox.clock.advance(86_400)
        self.next_day, self.differences_of_next_day = self.again(), self.compare()

    def again(self, *, force=False):
        for connection in self.connections.values():
            self.installation.app.runs.request(connection.id, force=force)
        return self.finish()

    def compare(self):
        return {name: self.installation.differences(connection) for name, connection in self.connections.items()}

    def finish(self):
        """Every run that waits, once it is closed, by its account's name."""
        work, claim = self.installation.work, self.installation.claim
        runs = {run.connection_id: run for run in work(claim())}
        while waiting := [run.until for run in runs.values() if run.state is RunState.POSTPONED]:
            self.installation.advance_to(min(waiting))
            runs |= {run.connection_id: run for run in work(claim())}
        return {name: runs[connection.id] for name, connection in self.connections.items()}

    def count_changes(self):
        rows = self.installation.rows("SELECT connection_id, count(*) FROM metric_changes GROUP BY ALL")
        entities = self.installation.rows("SELECT connection_id, count(*) FROM entity_changes GROUP BY ALL")
        return sorted(rows), sorted(entities)


@pytest.fixture(scope="module")
def varied():
    with Sandbox.start() as running:
        yield running


@pytest.fixture(scope="module")
def synced(varied, tmp_path_factory):
    made = Installation(tmp_path_factory.mktemp("varied") / "home", varied)
    try:
        yield Synced(made)
    finally:
        made.close()


def test_the_token_reaches_the_varied_accounts_and_no_other_token_does(synced, varied):
    ids = {account.id for account in varied.world.accounts.values() if account.spec in VARIED}

    assert sorted(synced.connections) == sorted(META)
    assert not ids & set(varied.world.token("full").accounts)
    assert set(varied.world.token("varied").accounts) == ids


@pytest.mark.parametrize("name", META)
def test_a_sync_stores_the_truth_of_an_account_to_the_micro(synced, name):
    assert synced.first[name].state is RunState.DONE
    assert synced.first[name].counts.inserted > 0
    assert synced.differences[name] == []


@pytest.mark.parametrize("name", META)
def test_a_second_sync_of_an_account_writes_nothing(synced, name):
    counts = synced.second[name].counts

    assert counts.fetched > 0
    assert (counts.inserted, counts.updated, counts.entities_changed) == (0, 0, 0)
    assert synced.changes_after_second == synced.changes


@pytest.mark.parametrize("name", META)
def test_a_day_later_an_account_equals_the_truth_whether_or_not_its_reports_have_rows_of_deleted_ads(synced, name):
    assert synced.next_day[name].state is RunState.DONE
    assert synced.next_day[name].counts.inserted > 0
    assert synced.differences_of_next_day[name] == []
