"""An account without a name, currency or known time zone costs itself: the others are listed, and a connected one goes on with what was."""

import re

import pytest
from installation import shrink
from repeats import first_quick

from adpulse.errors import Usage
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, RunState
from adpulse.services import authorising, connecting
from adpulse.services.discovering import discover
from adpulse_sandbox import Sandbox

META, GOOGLE = "Corner Store 1", "Alpenglow Reisen"
LISTS = {"meta": {"kind": "me/adaccounts", "count": 1}, "google": {"resource": "customer_client"}}
NODES = {"meta": {"kind": "node"}, "google": {"resource": "customer"}}
PLACES = {
    "meta": {"list": "data[0].", "node": "", "name": "name", "currency": "currency", "zone": "timezone_name"},
    "google": {
        "list": "results[0].customer_client.",
        "node": "results[0].customer.",
        "name": "descriptive_name",
        "currency": "currency_code",
        "zone": "time_zone",
    },
}


@pytest.fixture
def sandbox():
    with Sandbox.start(extra=2) as running:
        shrink(running, GOOGLE)
        yield running


def rewrite(installation, aim, place, value=None, **how):
    installation.sandbox.faults.add([{"action": "rewrite", "place": place, "value": value, **aim, **how}])


def listed(installation, provider):
    return discover(installation.app, provider, installation.secret(provider))


def odd_list(installation, provider, field, value=None, **how):
    """The accounts as they are, and as they are when a field of the first of them is odd."""
    right = listed(installation, provider)
    rewrite(installation, LISTS[provider], f"{PLACES[provider]['list']}{PLACES[provider][field]}", value, **how)
    return right, listed(installation, provider)


def changed(right, odd):
    """An account that is told otherwise, as it is now; of Google's managers every list begins with the manager itself."""
    before = {facts.external_id: facts for facts in right.accounts}
    return next(facts for facts in odd.accounts if facts != before[facts.external_id] and not facts.manager)


@pytest.mark.parametrize("provider", ["meta", "google"])
@pytest.mark.parametrize(
    ("field", "value", "condition"),
    [
        ("currency", "", "without a currency"),
        ("zone", "Mars/Olympus", "in the unknown time zone 'Mars/Olympus'"),
        ("zone", "", "without a time zone"),
    ],
)
def test_an_account_that_cannot_be_read_is_listed_with_the_reason_and_cannot_be_picked(installation, provider, field, value, condition):
    right, odd = odd_list(installation, provider, field, value)
    everyone = {facts.external_id for facts in right.accounts}

    facts = changed(right, odd)

    assert {each.external_id for each in odd.accounts} == everyone
    assert (facts.can_be_synced, facts.condition.endswith(condition)) == (False, True)
    with pytest.raises(Usage, match=re.escape(f"({facts.external_id}) is {condition} at ")):
        connecting.require_connectable(installation.app, installation.workspace.id, provider, [facts], "manual")


@pytest.mark.parametrize(("field", "condition"), [("currency", "without a currency"), ("zone", "without a time zone")])
def test_the_others_of_a_grant_can_be_picked(installation, field, condition):
    rewrite(installation, LISTS["meta"], f"data[0].{PLACES['meta'][field]}", remove=True)
    grant = authorising.grant_of(installation.app, installation.workspace.id, "meta", installation.secret("meta"))

    (odd,) = [facts for facts in grant.accounts if facts.flaw]
    ids = authorising.connectable_accounts(installation.app.connections, grant)

    assert odd.flaw == condition
    assert odd.external_id not in ids
    assert len(ids) == sum(facts.can_be_synced for facts in grant.accounts) > 0


@pytest.mark.parametrize("provider", ["meta", "google"])
def test_an_account_without_a_name_is_called_by_its_id(installation, provider):
    right, odd = odd_list(installation, provider, "name", remove=True)

    facts = changed(right, odd)

    assert facts.name.removeprefix("Customer ") == facts.external_id
    assert facts.can_be_synced == next(each for each in right.accounts if each.external_id == facts.external_id).can_be_synced


def test_an_account_without_an_id_is_left_out_and_the_others_are_listed(installation, caplog):
    right = listed(installation, "meta")
    rewrite(installation, LISTS["meta"], "data[0]", {"name": "Nobody"})

    odd = listed(installation, "meta")

    assert len(odd.accounts) == len(right.accounts) - 1
    assert "an account is left out of a list: account_id: missing" in caplog.text


@pytest.mark.parametrize(("name", "provider"), first_quick([(META, "meta"), (GOOGLE, "google")]))
@pytest.mark.parametrize(
    ("field", "value", "said"),
    first_quick([("zone", "Mars/Olympus", "in the unknown time zone 'Mars/Olympus'"), ("currency", "", "without a currency")]),
)
def test_a_connected_account_goes_on_with_its_last_good_zone_and_currency_and_warns(installation, name, provider, field, value, said):
    connection = installation.connect(name, Frequency.HOURLY.value)
    installation.sync(connection)
    installation.sandbox.clock.advance(86_400)
    places = PLACES[provider]
    rewrite(installation, NODES[provider], f"{places['node']}{places[field]}", value)

    run = installation.sync(connection)

    view = installation.app.connections.get(connection.id)
    (warning,) = view.warnings
    assert (run.state, view.connection.status) == (RunState.DONE, ConnectionStatus.ACTIVE)
    assert (view.connection.timezone, view.connection.currency) == (connection.timezone, connection.currency)
    assert f"({connection.external_id}) is {said}; it goes on in {connection.currency} and {connection.timezone}." in warning.message
    assert installation.differences(view.connection) == []

    installation.sandbox.faults.clear()
    installation.sandbox.clock.advance(86_400)
    installation.sync(connection)

    assert installation.app.connections.get(connection.id).warnings == ()


@pytest.mark.parametrize(
    ("name", "provider", "place", "value"),
    first_quick(
        [
            (META, "meta", "account_status", 4711),
            (META, "meta", "account_status", None),
            (GOOGLE, "google", "results[0].customer.status", 99),
        ]
    ),
)
def test_a_status_that_nobody_knows_is_no_reason_to_stop(installation, name, provider, place, value):
    connection = installation.connect(name)
    rewrite(installation, NODES[provider], place, value)

    run = installation.sync(connection)

    assert run.state is RunState.DONE
    assert installation.app.connections.get(connection.id).connection.status is ConnectionStatus.ACTIVE
    assert installation.differences(connection) == []
