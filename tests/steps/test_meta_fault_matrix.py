"""Every fault the sandbox can make of Meta's, at every place of a sync: what becomes of the run, and that recovery ends at the truth.

The account was synced before; its facts, its entities and today's numbers are due, older days are not.
``pytest -s`` prints what was seen as a table, ``-m "slow or not slow"`` fills it.
"""

from datetime import timedelta

import pytest
from installation import Installation
from steps.matrix import (
    AGAIN,
    ALL,
    BLOCKED,
    ENTITIES,
    FACTS,
    FINE,
    GRANT,
    HOLE,
    LATER,
    LETTER,
    LOGIN,
    LOOP,
    NONE,
    PATIENCE,
    PAUSE,
    REST,
    SAME,
    TOKEN,
    Place,
    Stored,
    cells,
    in_order_again,
    recover,
    told_and_waited_for,
    whole_or_not_at_all,
)

from adpulse.model import Parts, RunState
from adpulse_sandbox import Sandbox
from adpulse_sandbox.faults import ACTIONS

SMALLEST = {"action": "too_much_data", "kind": "insights"}
"""No page of metrics is small enough, so each day becomes a report."""

PLACES = {
    "account facts": Place(aim={"kind": "node"}, optional=True),
    "entities, page 2": Place(aim={"kind": "ads", "skip": 1}, before=FACTS, optional=True),
    "metrics, page 1": Place(aim={"kind": "insights", "page": 1}, before=ENTITIES),
    "metrics, page 2": Place(aim={"kind": "insights", "skip": 1}, before=ENTITIES),
    "async report": Place(aim={"kind": "insights_job"}, before=ENTITIES, also=[SMALLEST]),
}
HINT = {"minutes": 7}

MATRIX = (
    # fault, how, the code told, then how it ends: facts, entities, page 1, page 2, report
    ("throttle", {"code": 4} | HINT, None, ALL, ALL, ALL, ALL, ALL),
    ("throttle", {"code": 17} | HINT, None, REST, REST, REST, REST, REST),
    ("throttle", {"code": 32} | HINT, None, SAME, SAME, REST, SAME, SAME),
    ("throttle", {"code": 613} | HINT, None, SAME, SAME, REST, SAME, SAME),
    ("throttle", {"code": 80004} | HINT, None, NONE, NONE, REST, SAME, SAME),  # of facts and entities it is a warning: test_entity_failures
    ("throttle", {"code": 17, "minutes": 0}, None, SAME, SAME, PAUSE, SAME, SAME),
    ("expired_token", {}, "190/463", TOKEN, TOKEN, TOKEN, TOKEN, TOKEN),
    ("permission_lost", {}, "200", GRANT, GRANT, GRANT, GRANT, GRANT),
    ("checkpoint", {}, "190/459", SAME, SAME, LOGIN, SAME, SAME),
    ("blocked", {}, "368", SAME, SAME, BLOCKED, SAME, SAME),
    ("app_blocked", {}, "200", SAME, SAME, BLOCKED, SAME, SAME),
    ("transient", {"code": 1}, "1", SAME, SAME, AGAIN, SAME, SAME),
    ("transient", {"code": 2}, "2", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN),
    ("server_error", {}, "http-503", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("drop", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("drop_midway", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("truncated", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN),
    ("html", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("html_success", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("no_error_body", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("slow", {"seconds": 2 * PATIENCE}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("slow", {"seconds": 0.1, "count": 1}, None, SAME, SAME, SAME, FINE, SAME),
    ("empty_page", {"count": 1}, None, NONE, FINE, FINE, FINE, FINE),
    ("endless", {}, "paging", NONE, LOOP, LOOP, LOOP, SAME),
    ("duplicate_row", {}, None, NONE, FINE, FINE, FINE, FINE),
    ("too_much_data", {"above_limit": 25}, None, NONE, FINE, FINE, FINE, NONE),
    ("too_much_data", {"above_days": 1}, None, NONE, NONE, FINE, FINE, NONE),
    ("too_much_data", {"code": 1}, "1", SAME, LETTER, FINE, SAME, SAME),
    ("too_much_data", {}, "100/1487534", LETTER, LETTER, FINE, FINE, HOLE),
    ("job_fails", {}, "async", NONE, NONE, NONE, NONE, NONE),  # not in the leg that begins it: test_ladder
    ("refused", {}, "100", LETTER, LETTER, LETTER, SAME, SAME),
    ("filter_refused", {}, None, NONE, NONE, FINE, FINE, FINE),
    ("field_refused", {}, None, NONE, NONE, NONE, NONE, NONE),  # only where conversions are results: test_refused_filters
    ("broken_creative", {}, None, NONE, FINE, NONE, NONE, NONE),
    ("auto_upgrade", {}, None, NONE, SAME, FINE, SAME, SAME),  # of the account's facts it is a warning: test_entity_failures
    ("rewrite", {"place": "data[0].campaign_name", "value": 7}, None, NONE, NONE, FINE, FINE, FINE),
    ("null_batch_item", {}, None, SAME, SAME, SAME, FINE, SAME),  # we make no batches
)


@pytest.fixture(scope="module")
def sandbox():
    """One for all cells."""
    with Sandbox.start(extra=2, extra_ads=(30, 6)) as running:
        yield running


def synced_before(installation):
    """Two accounts, the first of them synced a day ago, its metrics again three hours ago; what is stored of it."""
    connection = installation.connect("Corner Store 1")
    installation.connect("Corner Store 2")
    assert installation.sync(connection).state is RunState.DONE
    installation.sandbox.clock.set(LATER - timedelta(hours=3))
    installation.app.runs.request(connection.id, Parts.METRICS)
    assert installation.finish(*installation.work(installation.claim())).state is RunState.DONE
    return Stored.of(installation, connection)


@pytest.fixture
def installation(sandbox, tmp_path):
    """One that was synced before, when the next sync is due."""
    sandbox.faults.clear()
    made = Installation(tmp_path / "home", sandbox, ADPULSE_META_PAGE_SIZE="26", ADPULSE_META_LARGEST_PAGE="26")
    made.before = made.begin_as(synced_before)
    sandbox.clock.set(LATER)
    for view in made.app.connections.all():
        made.app.client(view.connection)._sleep = lambda _: None
    yield made
    made.close()


def test_every_fault_of_the_sandbox_has_its_line():
    assert {line[0] for line in MATRIX} == set(ACTIONS)


@pytest.mark.parametrize("cell", list(cells(MATRIX, PLACES)))
def test_a_fault_leads_where_the_error_tables_say_and_recovery_to_the_truth(installation, seen, cell):
    ours = installation.app.connections.get("Corner Store 1").connection
    installation.sandbox.faults.add(cell.rules)

    (run,) = strike(installation, ours, cell)

    told_and_waited_for(installation, run, cell, {"Corner Store 2": True})
    if cell.ending.state:
        whole_or_not_at_all(cell.place.before, installation.before, Stored.of(installation, ours), LATER)
    in_order_again(installation, ours, recover(installation, ours, run, cell.ending))
    seen.add(cell)


def strike(installation, connection, cell):
    """One leg under the fault; a slow answer is one that takes longer than our patience, not the test's."""
    session = installation.app.client(connection)._session._opened[0]._session
    patient = session.timeout
    session.timeout = PATIENCE if cell.ending.tries == AGAIN.tries and cell.fault.startswith("slow") else patient
    try:
        return installation.leg(connection)
    finally:
        session.timeout = patient
