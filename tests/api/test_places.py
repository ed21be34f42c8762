"""What a workspace makes wait takes none of the others' places, and is refused at once when it has all of its own."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from adpulse.api.access import Caller
from adpulse.api.places import Places
from adpulse.api.problems import Refused
from adpulse.role import Role
from storage.warehouse import alert_query

ENDLESS = "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c WHERE (a.range + b.range * c.range) % 7 = 3"


@pytest.fixture
def team(team, copied):
    return copied(team)


@pytest.fixture
def others(others, copied):
    return copied(others)


@pytest.fixture
def run(ask):
    """Runs an alert of a team."""

    def send(team, alert):
        return ask("POST", f"/workspaces/{team.workspace.id}/alerts/{alert.id}/run", team.editor)

    return send


@pytest.fixture
def endless(team, run, monkeypatch):
    """The team's alert that does not end; it is being asked until the test ends, whose own processes are the queries."""
    monkeypatch.setattr(alert_query, "SECONDS", 600)
    alert = team.app.alerts.create(team.workspace.id, "endless", ENDLESS)
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(run, team, alert)
        _until(_queries)
        yield alert
        ended = answer.done()
        for pid in _queries():
            os.kill(pid, signal.SIGKILL)
        assert not ended
        assert answer.result(60).status_code == 400


def test_a_workspace_asks_one_alert_at_a_time_and_a_second_is_refused_at_once(team, run, ask, endless):
    refused = [run(team, endless) for _ in range(20)]
    adding = ask("POST", f"/workspaces/{team.workspace.id}/alerts", team.editor, json={"name": "more", "query": "SELECT 1"})

    assert {each.status_code for each in [*refused, adding]} == {429}
    assert {each.headers["retry-after"] for each in refused} == {"5"}
    assert refused[0].json()["type"] == "urn:adpulse:too-many-requests"
    assert refused[0].json()["detail"] == (
        "This workspace has as many alert queries under way as it may have at once (1). Try again in 5 s."
    )
    assert len(_queries()) == 1


@pytest.mark.usefixtures("endless")
def test_another_workspaces_alert_is_answered_meanwhile_and_its_other_routes_too(others, team, run, ask):
    found = run(others, others.alert)
    listed = ask("GET", "/connections/", others.viewer)
    own = ask("GET", f"/workspaces/{team.workspace.id}/alerts", team.viewer)

    assert (found.status_code, found.json()["rows"]) == (200, [[1]])
    assert (listed.status_code, own.status_code) == (200, 200)


def test_the_place_is_free_again_after_a_query_that_failed(team, run):
    wrong = team.app.alerts.create(team.workspace.id, "wrong", "SELECT * FROM nothing")

    assert [run(team, wrong).status_code for _ in range(3)] == [400] * 3
    assert run(team, team.alert).status_code == 200


def test_names_that_take_long_to_resolve_hold_up_only_whoever_gave_them(team, others, ask, monkeypatch):
    """A name server that an editor chose may take its time, in threads that changing routes do not need."""
    answered, waiting = threading.Event(), threading.Semaphore(0)
    resolve = socket.getaddrinfo

    def slow(host, *options, **more):
        if host == "slow.example":
            waiting.release()
            answered.wait(60)
            raise OSError
        return resolve(host, *options, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    def add(team, host):
        body = {"name": f"to {host}", "url": f"https://{host}/hooks"}
        return ask("POST", f"/workspaces/{team.workspace.id}/webhooks", team.editor, json=body)

    with ThreadPoolExecutor(4) as threads:
        slow_ones = [threads.submit(add, team, "slow.example") for _ in range(4)]
        for _ in slow_ones:
            waiting.acquire(timeout=30)
        refused = add(team, "slow.example")
        paused = ask("PATCH", f"/connections/{team.connection.id}/sync-frequency", team.editor, json={"sync_frequency": "daily"})
        made = add(others, "1.1.1.1")
        answered.set()

    assert (refused.status_code, made.status_code, paused.status_code) == (429, 201, 200)
    assert {each.result().status_code for each in slow_ones} == {400}


def _caller(workspace_id):
    return Caller(id="key", role=Role.EDITOR, workspace_id=workspace_id, app=None)


def test_workspaces_that_find_no_thread_wait_for_their_turn_and_only_so_many_of_them():
    places, free, served = Places("queries", threads=1, per_workspace=1, waiting=1), threading.Event(), []

    @places
    def answer(caller):
        free.wait(30)
        served.append(caller.workspace_id)

    async def storm():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: answer(caller=_caller("first")))
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(lambda: answer(caller=_caller("second")))
            await anyio.lowlevel.checkpoint()
            for late, why in (("second", "as it may have at once"), ("third", "as the installation allows")):
                with pytest.raises(Refused, match=why):
                    await answer(caller=_caller(late))
            free.set()
        await answer(caller=_caller("third"))

    anyio.run(storm)

    assert served == ["first", "second", "third"]


def test_what_an_operator_asks_for_counts_for_the_workspace_it_is_about():
    places, free = Places("queries", threads=2, per_workspace=1, waiting=0), threading.Event()

    @places
    def answer(caller, workspace_id):  # noqa: ARG001 - as routes have them
        free.wait(30)

    async def ask_twice():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: answer(caller=_caller(None), workspace_id="theirs"))
            await anyio.lowlevel.checkpoint()
            with pytest.raises(Refused, match="This workspace"):
                await answer(caller=_caller("theirs"), workspace_id="theirs")
            free.set()

    anyio.run(ask_twice)


def _queries():
    """The processes that answer queries for this one."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for each in children for pid in each.read_text().split()]
    return [pid for pid in pids if b"alert_child" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _until(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("It did not happen.")
