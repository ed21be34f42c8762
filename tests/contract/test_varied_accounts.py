"""Accounts that report otherwise than the standard ones: what a sync stores of each equals the truth, and a second one writes nothing.

One installation connects all of them with one token of each platform; the tests look at what it stored.
"""

from dataclasses import dataclass, replace
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
QUICK = ("Lantern Books", "Table Reservations", "Quiet Headlines")
CELLS = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ACCOUNTS]
"""Quick: purchases of several types, leads of messages, and Google's ads without names. Messages: test_mappings.py."""


class Accounts:
    """Every varied account, each connected and synced when it is first needed; by the account's name its connection."""

    def __init__(self, installation):
        self.installation = installation
        self.reached, self.connections, self._synced = {}, {}, {}
        for provider in ("meta", "google"):
            secret = installation.secret(provider, "varied")
            reached = discover(installation.app, provider, secret)
            self.reached |= {account.name: (provider, secret, replace(reached, accounts=[account])) for account in reached.accounts}

    def connect(self, name):
        provider, secret, reached = self.reached[name]
        workspace = self.installation.workspace.id
        (view,) = connecting.connect(self.installation.app, workspace, provider, secret, reached, "manual")
        self.connections[name] = view.connection

    def synced(self, name):
        """An account's first two syncs, which are made once."""
        if name not in self._synced:
            self.connect(name)
            first, differences, changes = self.sync(name), self.compare(name), self.count_changes(name)
            second = self.sync(name, force=True)
            self._synced[name] = Synced(first, differences, changes, second, self.count_changes(name))
        return self._synced[name]

    def sync(self, name, *, force=False):
        return self.installation.sync(self.connections[name], force=force)

    def compare(self, name):
        return self.installation.differences(self.connections[name])

    def count_changes(self, name):
        tables = ("metric_changes", "entity_changes")
        queries = [f"SELECT count(*) FROM {table} WHERE connection_id = ?" for table in tables]
        return [self.installation.rows(query, [self.connections[name].id]) for query in queries]


@dataclass(frozen=True)
class Synced:
    """The runs of two syncs at one moment, what differed from the truth after the first, and the changes after each."""

    first: object
    differences: list
    changes: list
    second: object
    changes_after_second: list


@pytest.fixture(scope="module")
def varied():
    with Sandbox.start(now=EVERY_VERSION) as running:
        yield running


@pytest.fixture(scope="module")
def accounts(varied, tmp_path_factory):
    made = Installation(tmp_path_factory.mktemp("varied") / "home", varied)
    try:
        yield Accounts(made)
    finally:
        made.close()


def test_one_credential_reaches_them_and_no_other_does(accounts, varied):
    meta_ids = set(varied.world.token("varied").accounts)
    google_ids = set(varied.google.world.credentials["varied"].customers)
    others = [token.accounts for token in varied.world.tokens.values() if token.label != "varied"]
    others += [credential.customers for credential in varied.google.world.credentials.values() if credential.label != "varied"]

    assert sorted(accounts.reached) == sorted(ACCOUNTS)
    assert {reached.accounts[0].external_id for _, _, reached in accounts.reached.values()} == meta_ids | google_ids
    assert not any((meta_ids | google_ids) & set(reached) for reached in others)


@pytest.mark.parametrize("name", CELLS)
def test_a_sync_stores_the_truth_of_an_account_to_the_micro(accounts, name):
    synced = accounts.synced(name)

    assert synced.first.state is RunState.DONE
    assert synced.first.counts.inserted > 0
    assert synced.differences == []


@pytest.mark.parametrize("name", CELLS)
def test_a_second_sync_of_an_account_writes_nothing(accounts, name):
    synced = accounts.synced(name)

    counts = synced.second.counts
    assert counts.fetched > 0
    assert (counts.inserted, counts.updated, counts.entities_changed) == (0, 0, 0)
    assert synced.changes_after_second == synced.changes


@pytest.fixture(scope="module")
def next_day(accounts):
    """The accounts a day after each of them was synced."""
    for name in ACCOUNTS:
        accounts.synced(name)
    accounts.installation.sandbox.clock.advance(86_400)
    return accounts


@pytest.mark.timeout(900)  # the first of them syncs every account twice
@pytest.mark.slow  # a second day of one account of each platform: tests/contract/test_syncs.py
@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_day_later_an_account_equals_the_truth_whether_or_not_its_reports_have_rows_of_deleted_ads(next_day, name):
    run = next_day.sync(name)

    assert run.state is RunState.DONE
    assert run.counts.inserted > 0
    assert next_day.compare(name) == []


def test_ads_without_names_are_called_by_their_first_headline_else_by_type_and_id(accounts):
    accounts.synced("Quiet Headlines")
    connection = accounts.connections["Quiet Headlines"]
    query = "SELECT external_id, name, attributes->>'type' FROM entities WHERE connection_id = ? AND level = 'ad'"

    ads = {external_id: (name, kind) for external_id, name, kind in accounts.installation.rows(query, [connection.id])}

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
def test_a_google_credential_that_cannot_work_says_what_is_missing(accounts, credential, said):
    with pytest.raises(AdpulseError, match=said):
        discover(accounts.installation.app, "google", accounts.installation.secret("google", credential))
