"""``kill -9`` at any step of a sync loses nothing and doubles nothing."""

import pytest
from kills.killing import Killing

from adpulse.sandbox import Sandbox

KILLS = 20


@pytest.mark.timeout(600)
def test_a_sync_that_is_killed_anywhere_is_made_up_for_by_the_next_tick(tmp_path):
    with Sandbox.start(extra=1) as sandbox, Killing(tmp_path / "home", sandbox, seed=7) as killing:
        killing.kill_many(KILLS, checked_every=1)
        print(killing.report())

    assert killing.breaches == {}
    assert len(killing.kills) == KILLS
