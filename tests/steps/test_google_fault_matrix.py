"""Every fault the sandbox can make of Google's, at every place of a sync: what becomes of the run, and that recovery ends at the truth.

The account was synced before. Its facts, its entities and today's numbers are due; for the place that asks what changed, only
that and today's numbers. ``pytest -s`` prints what was seen as a table, ``-m "slow or not slow"`` fills it.
"""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from google.auth import _exponential_backoff as token_backoff
from installation import Installation, shrink
from steps.matrix import (
    AGAIN,
    ALL,
    BESIDE,
    ENTITIES,
    FACTS,
    FINE,
    GRANT,
    HOLE,
    LATER,
    LETTER,
    LOOP,
    NONE,
    PATIENCE,
    PAUSE,
    REST,
    TOKEN,
    Ending,
    Place,
    Stored,
    cells,
    in_order_again,
    recover,
    told_and_waited_for,
    whole_or_not_at_all,
)

from adpulse.errors import Usage
from adpulse.model import ConnectionStatus, FetchKind, Parts, RunState
from adpulse.platforms.registry import platform_of
from adpulse.services import changing, connecting, syncing
from adpulse_sandbox import Sandbox
from adpulse_sandbox.faults import GOOGLE_ACTIONS
from adpulse_sandbox.google.running import Options
from adpulse_sandbox.meta.world import BEGINNING

ACCOUNT = "Alpenglow Reisen"
SAME_PROJECT, OTHER_PROJECT, OTHER_PLATFORM = "Side Street 1", "Side Street 2", "Corner Store 1"
OLDER, REREAD, CHANGED = (BEGINNING + timedelta(hours=hours) for hours in (5, 18, 20))
"""When the first sync reads older days, which are not due again with the rest; when today is read again; when changes are asked for."""

CLOSED = Ending(told="disabled", state=RunState.DEAD, status=ConnectionStatus.DISABLED, tries=1)
MONEY = Ending(told="currency changed", state=RunState.DEAD, status=ConnectionStatus.CURRENCY_CHANGED)
LONG = Ending(told="account rests 60 min", state=RunState.POSTPONED, rests="account", seconds=3600)
ANEW = Ending(told="every day again")


NUMBERS = {"above_days": 0}
"""Only queries of days have a length."""

PLACES = {
    "account facts": Place(aim={"resource": "customer"}, optional=True),
    "entities": Place(aim={"resource": "ad_group"}, before=FACTS, optional=True),
    "changes": Place(aim={"resource": "change_status"}, at=CHANGED, optional=True),
    "ads": Place(aim={"resource": "ad_group_ad", **NUMBERS}, before=ENTITIES),
    "asset groups": Place(aim={"resource": "asset_group", **NUMBERS}, before=ENTITIES),
    "categories": Place(aim={"resource": "ad_group_ad", "skip": 1, **NUMBERS}, before=ENTITIES | {FetchKind.ADS}),
    "campaigns": Place(aim={"resource": "campaign", **NUMBERS}, before=ENTITIES | {FetchKind.ADS, FetchKind.CATEGORIES}),
    "token": Place(aim={"kind": "token"}),
}
HINT = {"minutes": 7}
QUOTA, SHORT = {"reason": "RESOURCE_EXHAUSTED"}, {"reason": "RESOURCE_TEMPORARILY_EXHAUSTED"}
PROJECT = {"scope": "DEVELOPER"}
HEAVY = "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION"
MATRIX = (
    # fault, how, the code told, then how it ends: facts, entities, changes, ads, asset groups, categories, campaigns, token
    ("throttle", QUOTA | PROJECT | HINT, None, ALL, ALL, ALL, ALL, ALL, ALL, ALL, NONE),
    ("throttle", SHORT | PROJECT | HINT, None, ALL, ALL, ALL, ALL, ALL, ALL, ALL, NONE),
    ("throttle", QUOTA | HINT, None, REST, REST, REST, REST, REST, REST, REST, NONE),
    ("throttle", SHORT | HINT, None, REST, REST, REST, REST, REST, REST, REST, NONE),
    ("throttle", {"minutes": 0}, None, NONE, NONE, NONE, PAUSE, NONE, NONE, NONE, NONE),
    ("expired_token", {}, "OAUTH_TOKEN_EXPIRED", TOKEN, TOKEN, TOKEN, TOKEN, TOKEN, TOKEN, TOKEN, NONE),
    ("revoked_token", {}, "OAUTH_TOKEN_REVOKED", TOKEN, TOKEN, TOKEN, TOKEN, TOKEN, TOKEN, TOKEN, NONE),
    ("revoked_token", {}, "invalid_grant", NONE, NONE, NONE, NONE, NONE, NONE, NONE, TOKEN),
    ("permission_lost", {}, "USER_PERMISSION_DENIED", GRANT, GRANT, GRANT, GRANT, GRANT, GRANT, GRANT, NONE),
    ("customer_closed", {}, "CUSTOMER_NOT_ENABLED", CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, NONE),
    ("transient", {"reason": "TRANSIENT_ERROR"}, "TRANSIENT_ERROR", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, NONE),
    ("transient", {"reason": "INTERNAL_ERROR"}, "INTERNAL_ERROR", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, NONE),
    ("transient", {"reason": "DEADLINE_EXCEEDED"}, "DEADLINE_EXCEEDED", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, NONE),
    ("server_error", {}, "UNAVAILABLE", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, NONE),
    ("server_error", {}, "token", NONE, NONE, NONE, NONE, NONE, NONE, NONE, LOOP),
    ("drop", {}, "UNAVAILABLE", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, NONE),
    ("drop_midway", {}, "UNAVAILABLE", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, NONE),
    ("slow", {"seconds": 2 * PATIENCE}, "DEADLINE_EXCEEDED", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, NONE),
    ("slow", {"seconds": 0.1, "count": 1}, None, FINE, FINE, FINE, FINE, FINE, FINE, FINE, FINE),
    ("duplicate_row", {}, None, FINE, FINE, FINE, FINE, FINE, FINE, FINE, NONE),
    ("too_much_data", {"above_days": 1}, None, NONE, NONE, NONE, FINE, FINE, FINE, FINE, NONE),
    ("too_much_data", {}, None, LONG, LONG, LONG, LONG, LONG, LONG, LONG, NONE),
    ("oversized", {"above_days": 1, "count": 1}, None, NONE, NONE, NONE, FINE, FINE, FINE, FINE, NONE),
    ("oversized", {}, "message too big", LETTER, LETTER, NONE, HOLE, HOLE, BESIDE, BESIDE, NONE),
    ("currency_changed", {}, "currency_changed", NONE, NONE, MONEY, NONE, NONE, NONE, NONE, NONE),  # told with the next facts
    ("rewrite", {"place": "results[0].campaign.name", "value": ""}, None, NONE, NONE, NONE, FINE, FINE, FINE, FINE, NONE),
    ("time_zone_changed", {}, None, NONE, NONE, ANEW, NONE, NONE, NONE, NONE, NONE),
)


@pytest.fixture(scope="module")
def sandbox():
    """One for all cells, with a small customer."""
    with Sandbox.start(extra=1, google=Options(extra=2)) as running, pytest.MonkeyPatch.context() as patch:
        shrink(running, ACCOUNT)
        patch.setattr(token_backoff, "time", SimpleNamespace(sleep=lambda _: None))  # the SDK's own retries
        yield running


def synced_before(installation):
    """An account that was synced, its metrics once more 18 hours later, and others beside it that have nothing to do; what is stored."""
    clock, connection = installation.sandbox.clock, installation.connect(ACCOUNT)
    for name, credential in ((SAME_PROJECT, "full"), (OTHER_PROJECT, "service account"), (OTHER_PLATFORM, "full")):
        installation.connect(name, token=credential)
    (run,) = installation.leg(connection)
    clock.set(OLDER)
    assert installation.finish(run).state is RunState.DONE
    clock.set(REREAD)
    installation.app.runs.request(connection.id, Parts.METRICS)
    assert installation.finish(*installation.work(installation.claim())).state is RunState.DONE
    return Stored.of(installation, connection)


@pytest.fixture
def installation(sandbox, tmp_path):
    """One that was synced before, when the next sync is due."""
    spec = sandbox.google.world.customer(ACCOUNT).spec
    sandbox.faults.clear()
    made = Installation(tmp_path / "home", sandbox)
    made.before = made.begin_as(synced_before)
    made.app.client(made.app.connections.get(ACCOUNT).connection)._sleep = lambda _: None
    yield made
    becomes(sandbox, spec)
    made.close()


def becomes(sandbox, spec):
    """The customer is like this now."""
    sandbox.google.world.change(spec.id, spec)
    sandbox.google.truth.forget()


def test_every_fault_of_googles_half_has_its_line():
    assert {line[0] for line in MATRIX} == set(GOOGLE_ACTIONS)


@pytest.mark.parametrize("cell", list(cells(MATRIX, PLACES)))
def test_a_fault_leads_where_the_error_table_says_and_recovery_to_the_truth(installation, seen, cell):
    sandbox = installation.sandbox
    spec = sandbox.google.world.customer(ACCOUNT).spec
    ours = installation.app.connections.get(ACCOUNT).connection
    sandbox.clock.set(cell.place.at)
    sandbox.faults.add(cell.rules)

    (run,) = strike(installation, ours, cell)
    before, read, at = installation.before, cell.place.before, cell.place.at
    if cell.ending in (MONEY, ANEW):  # nobody knows of it before the facts are asked for again
        assert run.state is RunState.DONE
        before, read, at = Stored.of(installation, ours), set(), LATER
        sandbox.clock.set(LATER)
        (run,) = installation.leg(ours)

    told_and_waited_for(installation, run, cell, {SAME_PROJECT: True, OTHER_PROJECT: False, OTHER_PLATFORM: False})
    if cell.ending.state:
        whole_or_not_at_all(read, before, Stored.of(installation, ours), at)
        if read - ENTITIES:
            assert installation.differences(ours) == []
    seen.add(cell)
    if cell.ending is MONEY:
        stays_as_it_was(installation, ours)
        return
    if cell.ending.status is ConnectionStatus.DISABLED:
        becomes(sandbox, spec)
    in_order_again(installation, ours, recover(installation, ours, run, cell.ending))
    if cell.ending is ANEW:
        every_day_is_of_the_new_zone(installation, ours)


def strike(installation, connection, cell):
    """One leg under the fault; a slow answer is one that takes longer than our patience, not the test's."""
    client = installation.app.client(connection)
    patient = client._endpoint
    if cell.fault.startswith("slow") and (cell.ending.state or cell.ending.warned):
        client._endpoint = replace(patient, timeout=PATIENCE)
    try:
        return installation.leg(connection)
    finally:
        client._endpoint = patient


def stays_as_it_was(installation, connection):
    """Nothing that a person can do mixes the new money with the old, and nothing is asked of the platform any more."""
    app, asked = installation.app, len(installation.sandbox.calls.calls(connection.external_id))
    for deed in (changing.resume, syncing.request_sync):
        with pytest.raises(Usage, match="as a new connection"):
            deed(app, connection.id)
    with pytest.raises(Usage, match="as a new connection"):
        connecting.reconnect(app, connection.id, installation.secret(connection.provider))
    assert installation.claim() == []
    assert len(installation.sandbox.calls.calls(connection.external_id)) == asked


def every_day_is_of_the_new_zone(installation, connection):
    """What was read of days with other borders was read again."""
    view = installation.app.connections.get(connection.id)
    ages = installation.app.partitions.ages(connection.id)
    assert view.connection.timezone == "Pacific/Auckland"
    assert {kind for kind, _ in ages.days} == {*platform_of(connection.provider).metric_kinds, FetchKind.ACCOUNT}
    assert min(ages.days.values()) >= LATER
