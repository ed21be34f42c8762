"""A person changes a connection's margin: its stored profits follow without a call, also while somebody syncs it."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

import flows.sync
from adpulse.errors import LeaseLost
from adpulse.model import Lane, RunState
from adpulse.planner.plan import Plan
from adpulse.services import changing
from tasks.batch import Batch
from tasks.diff import stage_changes
from tasks.entities import read_entities
from tasks.metrics import read_metrics
from tasks.planning import prepare
from tasks.settling import settle
from tasks.upsert import apply_changes

MARGIN = Decimal("0.333333")
OF_CAUSE = "SELECT count(*) FROM metric_changes WHERE cause = 'margin'"


@pytest.fixture
def connection(installation):
    return installation.synced("Corner Store 1")


def changed(installation, connection, margin=MARGIN):
    """The connection once its margin was changed."""
    changing.set_margin(installation.app, connection.id, margin)
    return installation.app.connections.get(connection.id).connection


def test_every_stored_profit_follows_with_the_next_sync(installation, connection):
    ((before,),) = installation.rows("SELECT count(*) FROM metric_facts WHERE revenue > 0")

    now = changed(installation, connection)
    (run,) = installation.work(installation.claim())

    assert run.state is RunState.DONE
    assert installation.differences(now) == []
    assert installation.rows(OF_CAUSE) == [(before,)]
    assert installation.rows("SELECT gross_margin FROM connections") == [(MARGIN,)]


def test_it_needs_no_call(installation, sandbox, connection):
    now = changed(installation, connection)
    sandbox.faults.add([{"action": "expired_token"}])

    installation.work(installation.claim())

    assert installation.differences(now) == []


def test_whoever_syncs_it_meanwhile_begins_again_with_the_new_margin(installation, sandbox, connection):
    sandbox.clock.advance(3600)
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    made = prepare(installation.app, lease)
    batch = Batch(label="test", workspace_id=connection.workspace_id, runs=((lease.run_id, lease.generation),))
    read_entities(installation.app, lease)
    read_metrics(installation.app, lease)
    stage_changes(batch)

    now = changed(installation, connection)

    assert apply_changes(batch) == []
    settle(installation.app, lease, made, None)
    (run,) = installation.work(installation.claim())
    assert (run.id, run.state) == (lease.run_id, RunState.DONE)
    assert installation.differences(now) == []


def test_a_margin_that_is_taken_back_leaves_no_profit_of_the_one_between(installation, sandbox, connection):
    sandbox.clock.advance(3600)
    changed(installation, connection)
    (lease,) = installation.claim()
    prepare(installation.app, lease)
    read_entities(installation.app, lease)
    read_metrics(installation.app, lease)

    now = changed(installation, connection, connection.gross_margin)
    with pytest.raises(LeaseLost):
        installation.app.runs.calling(lease)
    installation.work(installation.claim())

    assert installation.differences(now) == []
    assert installation.rows(OF_CAUSE) == [(0,)]


@pytest.mark.parametrize(("lane", "follows"), [(Lane.ON_DEMAND, True), (Lane.BACKGROUND, True), (Lane.SCHEDULED, False)])
def test_what_was_asked_for_is_compared_even_when_no_call_fits_and_a_tick_is_not(installation, connection, lane, follows):
    changed(installation, connection)
    (lease,) = installation.claim()
    member = flows.sync.Sync(lease=replace(lease, lane=lane), plan=Plan(fetches=()))
    installation.app.staging.save_plan(lease.run_id, lease.generation, member.plan)

    asyncio.run(flows.sync._steps(flows.sync._batch([member], None), [member]))

    assert (installation.rows(OF_CAUSE)[0][0] > 0) is follows
