"""Accounts that report otherwise than the standard ones: what a sync stores of each equals the truth, and a second one writes nothing.

One installation connects all of them with one token of each platform; the tests look at what it stored.
"""

from datetime import UTC, datetime

import pytest
from installation import Installation

from adpulse.errors import AdpulseError
from adpulse.model import RunState
from adpulse.services import connecting
from adpulse.services.discovering import discover
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google import world as google
from adpulse_sandbox.meta import specs as meta

EVERY_VERSION = datetime(2026, 11, 20, 15, tzinfo=UTC)
"""Leads from messages have a name of their own only from v26 of the Google Ads API on."""

ACCOUNTS = [spec.name for spec in (*meta.VARIED, *google.VARIED)]


class Synced:
    """Every varied account, synced; by the account's name its connection and the runs of its syncs."""

    def __init__(self, installation):
        self.installation = installation
        self.connections = {}
        for provider in ("meta", "google"):
            secret = installation.secret(provider, "varied")
            reached = discover(installation.app, provider, secret)
            for view in connecting.connect(installation.app, installation.workspace.id, provider, secret, reached, "manual"):
                self.connections[view.connection.name] = view.connection
        self.first, self.differences = self.finish(), self.compare()
        self.changes = self.count_changes()
        self.second = self.again(force=True)
        self.changes_after_second = self.count_changes()

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
    with Sandbox.start(now=EVERY_VERSION) as running:
        yield running


@pytest.fixture(scope="module")
def synced(varied, tmp_path_factory):
    made = Installation(tmp_path_factory.mktemp("varied") / "home", varied)
    try:
        yield Synced(made)
    finally:
        made.close()


def test_one_credential_reaches_them_and_no_other_does(synced, varied):
    meta_ids = set(varied.world.token("varied").accounts)
    google_ids = set(varied.google.world.credentials["varied"].customers)
    others = [token.accounts for token in varied.world.tokens.values() if token.label != "varied"]
    others += [credential.customers for credential in varied.google.world.credentials.values() if credential.label != "varied"]

    assert sorted(synced.connections) == sorted(ACCOUNTS)
    assert {connection.external_id for connection in synced.connections.values()} == meta_ids | google_ids
    assert not any((meta_ids | google_ids) & set(reached) for reached in others)


@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_sync_stores_the_truth_of_an_account_to_the_micro(synced, name):
    assert synced.first[name].state is RunState.DONE
    assert synced.first[name].counts.inserted > 0
    assert synced.differences[name] == []


@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_second_sync_of_an_account_writes_nothing(synced, name):
    counts = synced.second[name].counts

    assert counts.fetched > 0
    assert (counts.inserted, counts.updated, counts.entities_changed) == (0, 0, 0)
    assert synced.changes_after_second == synced.changes


@pytest.fixture(scope="module")
def next_day(synced):
    """The runs of a day later, and what then differs from the truth, by the account's name."""
    synced.installation.sandbox.clock.advance(86_400)
    return synced.again(), synced.compare()


@pytest.mark.slow  # a second day of one account of each platform: tests/contract/test_syncs.py
@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_day_later_an_account_equals_the_truth_whether_or_not_its_reports_have_rows_of_deleted_ads(next_day, name):
    runs, differences = next_day

    assert runs[name].state is RunState.DONE
    assert runs[name].counts.inserted > 0
    assert differences[name] == []


def test_ads_without_names_are_called_by_their_first_headline_else_by_type_and_id(synced):
    connection = synced.connections["Quiet Headlines"]
    query = "SELECT external_id, name, attributes->>'type' FROM entities WHERE connection_id = ? AND level = 'ad'"

    ads = {external_id: (name, kind) for external_id, name, kind in synced.installation.rows(query, [connection.id])}

    kinds = {kind for _, kind in ads.values()}
    assert kinds == {"RESPONSIVE_SEARCH_AD", "DEMAND_GEN_MULTI_ASSET_AD", "SHOPPING_PRODUCT_AD"}
    for external_id, (name, kind) in ads.items():
        if kind == "RESPONSIVE_SEARCH_AD":
            assert name.startswith("Headline ")
        else:
            assert name == f"{kind.replace('_', ' ').capitalize()} {external_id}"


@pytest.mark.parametrize(
    ("credential", "said"), [("api_disabled", "not enabled"), ("scope_missing", "permission")], ids=["API not enabled", "scope missing"]
)
def test_a_google_credential_that_cannot_work_says_what_is_missing(synced, credential, said):
    with pytest.raises(AdpulseError, match=said):
        discover(synced.installation.app, "google", synced.installation.secret("google", credential))
