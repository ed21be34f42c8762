"""The real worker is killed with SIGKILL while syncs run; the next one makes up for it."""

import time
from random import Random

import pytest
from installation import shrink
from kills.workers import Workers

from adpulse.model import RunState
from adpulse.sandbox import Sandbox
from adpulse.sandbox.google.running import Options
from deployments.server import PrefectServer

KILLS = 5
ACCOUNTS = ("Corner Store 1", "Corner Store 2", "Side Street 1")


@pytest.mark.timeout(600)
def test_a_worker_that_is_killed_leaves_nothing_that_the_next_one_does_not_finish(tmp_path):
    dice, home = Random(5), tmp_path / "home"
    google = Options(extra=1)
    with Sandbox.start(extra=2, google=google) as sandbox, PrefectServer(home, progress=lambda _: None) as server:
        shrink(sandbox, "Side Street 1")
        workers = Workers(home, sandbox, ADPULSE_META_PAGE_SIZE="10")
        workers.serve_with(server)
        connections = [workers.connect(name) for name in ACCOUNTS]
        for number in range(KILLS):
            for connection in connections:
                workers.ask(connection, force=number > 0)
            workers.start_worker()
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
        ended = {run.state for run in workers.newest()}
        code = workers.stop()
        breaches = workers.breaches()

    assert breaches == []
    assert ended == {RunState.DONE}
    assert code == 0
