"""``kill -9`` at any step of a sync loses nothing and doubles nothing: once at each here, two hundred times in the slow tests."""

import pytest
from installation import shrink
from kills.killing import ROWS_IN_MESSAGE, Killing
from kills.steps import Step

from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.running import Options


@pytest.mark.timeout(600)
def test_a_sync_that_is_killed_anywhere_is_made_up_for_by_the_next_tick(tmp_path):
    google = Options(page_rows=ROWS_IN_MESSAGE)
    with Sandbox.start(extra=1, google=google) as sandbox:
        shrink(sandbox)
        with Killing(tmp_path / "home", sandbox, seed=7) as killing:
            killing.kill_many(len(Step), checked_every=3)
            print(killing.report())

    assert killing.breaches == {}
    assert {kill.aim.step for kill in killing.kills} == killing.reached == set(Step)
