"""The real worker is killed with SIGKILL while syncs run; the next one makes up for it."""

import time
from random import Random

import pytest
from installation import shrink
from kills.workers import WORKING, Workers

from adpulse.model import RunState
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.running import Options
from deployments.server import PrefectServer
from storage.control.unsettled import MAX_DEATHS

KILLS = 5
ACCOUNTS = ("Corner Store 1", "Corner Store 2", "Side Street 1")


@pytest.mark.slow  # at every step of a sync, without Prefect: test_kills.py; a worker that dies: tests/e2e/test_workers.py
@pytest.mark.timeout(900)
def test_a_worker_that_is_killed_leaves_nothing_that_the_next_one_does_not_finish(tmp_path, prefect_home):
    dice, home = Random(5), prefect_home(tmp_path / "home")
    google = Options(extra=1)
    with Sandbox.start(extra=2, google=google) as sandbox, PrefectServer(home, progress=lambda _: None) as server:
        shrink(sandbox, "Side Street 1")
        workers = Workers(home, sandbox, ADPULSE_META_PAGE_SIZE="10", ADPULSE_META_LARGEST_PAGE="10")
        workers.serve_with(server)
        connections = [workers.connect(name) for name in ACCOUNTS]
        for number in range(KILLS):
            for connection in connections:
                workers.ask(connection, force=number > 0)
            workers.start_worker()
            if number == MAX_DEATHS:  # whom all of the killed workers had is given up, and asked for again
                workers.until_it_calls(or_holds=workers.app.runs.dead_letters)
                for connection in connections:
                    workers.ask(connection, force=True)
            workers.until_it_calls()
            time.sleep(dice.uniform(0, 2))
            print(f"kill {number + 1}: syncs {workers.working()}, flow runs {workers.alive()}")
            workers.kill()
            workers.note_all()
            sandbox.clock.advance(dice.randint(30, 600))
        workers.start_worker()
        workers.all_ended()
        for connection in connections:
            workers.ask(connection)
        workers.all_ended()
        workers.until(lambda: not workers.alive())
        # Whom three of the killed workers had is suspected of it; the sync after that is done.
        ended = {run.state for run in workers.newest() if run.error_code != "worker_died"}
        code = workers.stop()
        breaches = workers.breaches()

    assert breaches == []
    assert ended == {RunState.DONE}
    assert code == 0


def open_alone(workers, connection):
    """Whether this connection's sync is under way and no other is."""
    working = {run.connection_id for run in workers.newest() if run.state in WORKING}
    return working == {connection.id} and not any(run.state is RunState.QUEUED for run in workers.newest())


@pytest.mark.slow  # whom it suspects: tests/unit/test_unsettled.py; the letter: tests/steps/test_walls.py; a process killed: test_kills.py
@pytest.mark.timeout(600)
def test_whom_three_killed_workers_in_a_row_had_is_a_dead_letter_and_who_was_settled_between_is_not(tmp_path, prefect_home):
    home = prefect_home(tmp_path / "home")
    with Sandbox.start(extra=2) as sandbox, PrefectServer(home, progress=lambda _: None) as server:
        workers = Workers(home, sandbox)
        workers.serve_with(server)
        suspect, neighbour = (workers.connect(name) for name in ("Corner Store 1", "Corner Store 2"))
        sandbox.faults.add([{"action": "slow", "seconds": 20.0, "account": suspect.external_id}])
        for _ in range(3):
            for connection in (suspect, neighbour):
                workers.ask(connection)
            workers.start_worker()
            workers.until(lambda: open_alone(workers, suspect), told=workers.told)
            workers.kill()
        sandbox.faults.clear()
        workers.start_worker()
        workers.all_ended()
        letters = [(each.connection_id, each.error_code) for each in workers.app.runs.dead_letters()]
        code = workers.stop()

    assert letters == [(suspect.id, "worker_died")]
    assert code == 0
