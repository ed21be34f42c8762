"""What Prefect shows of a flow run's connections: one task for each, with what became of it. Prefect itself does not run."""

import asyncio

import pytest

import flows.sync
from adpulse.model import Parts, RunState
from adpulse_sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start(extra=2) as running:
        yield running


@pytest.fixture
def states(monkeypatch):
    """The states in which task runs ended, by the label of each."""
    ended = {}

    async def noted(label, steps):
        ended[label] = await body(label, steps)

    async def nothing(**_):
        pass

    body = flows.sync.sync_connections.fn
    monkeypatch.setattr(flows.sync, "sync_connections", noted)
    monkeypatch.setattr(flows.sync, "acreate_table_artifact", nothing)
    monkeypatch.setattr(flows.sync.syncing.orchestrator, "request_run", lambda *_: None)
    return ended


def flow():
    return asyncio.run(flows.sync.sync(flows.sync.Request(provider="meta")))


def test_each_connection_has_a_task_of_its_own_and_a_failed_one_says_why_and_when_next(installation, sandbox, states):
    well, failing = (installation.connect(name) for name in ("Corner Store 1", "Corner Store 2"))
    for connection in (well, failing):
        installation.app.runs.request(connection.id)
    sandbox.faults.add([{"action": "server_error", "account": failing.external_id, "kind": "insights"}])

    state = flow()

    (done,), (failed,) = (installation.app.runs.history(each.id, 1) for each in (well, failing))
    assert state.is_completed()
    assert state.message.startswith("1 of 2 connections synced, ")
    assert states["Corner Store 1"].is_completed()
    assert states["Corner Store 1"].message == (
        f"Corner Store 1: {done.counts.written:,} rows written, {done.counts.unchanged:,} unchanged, {done.calls} calls"
    )
    assert failed.state is RunState.FAILED
    assert states["Corner Store 2"].is_failed()
    assert states["Corner Store 2"].message == (
        f"Corner Store 2: {failed.error} Attempt 1 failed; the next is due at {failed.until:%Y-%m-%d %H:%M:%S} UTC."
    )


def test_a_later_leg_shows_its_own_calls_and_rows(installation, states):
    connection = installation.connect("Corner Store 1")
    installation.app.runs.request(connection.id)
    flow()
    (first,) = installation.app.runs.history(connection.id, 1)
    assert first.state is RunState.POSTPONED, "a first sync goes on in the background"
    installation.advance_to(first.until)

    asyncio.run(flows.sync.sync(flows.sync.Request(provider="meta", background=True)))

    (whole,) = installation.app.runs.history(connection.id, 1)
    rows, calls = whole.counts.written - first.counts.written, whole.calls - first.calls
    assert states["Corner Store 1"].message.startswith(f"Corner Store 1: {rows:,} rows written, ")
    assert states["Corner Store 1"].message.endswith(f" unchanged, {calls} calls")


def test_a_task_that_prefect_cannot_run_fails_its_connection_alone(installation, states, monkeypatch):
    well, failing = (installation.connect(name) for name in ("Corner Store 1", "Corner Store 2"))
    for connection in (well, failing):
        installation.app.runs.request(connection.id, Parts.ENTITIES)
    noted = flows.sync.sync_connections

    async def refused(label, steps):
        if label == failing.name:
            raise RuntimeError("no task run")
        await noted(label, steps)

    monkeypatch.setattr(flows.sync, "sync_connections", refused)
    state = flow()

    (done,), (failed,) = (installation.app.runs.history(each.id, 1) for each in (well, failing))
    assert state.message.startswith("1 of 2 connections synced, ")
    assert (done.state, failed.state) == (RunState.DONE, RunState.FAILED)
    assert "RuntimeError" in failed.error
    assert set(states) == {well.name}
