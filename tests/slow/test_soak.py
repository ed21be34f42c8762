"""Days of faults, kills, jumps of the clock and impatient people leave every number true; ``make soak`` lives a month."""

import os

import pytest
from kills.soaking import Soaking

from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.running import Options

DAYS = int(os.environ.get("DAYS", "1"))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_whatever_happens_for_days_all_numbers_are_true_and_no_limit_is_passed(tmp_path, prefect_home):
    with Sandbox.start(extra=5, google=Options(extra=3)) as sandbox, Soaking(prefect_home(tmp_path / "home"), sandbox, seed=19) as soaking:
        soaking.connect_all()
        soaking.soak(DAYS)
        print(dict(soaking.happened))
        code = soaking.stop()

    assert soaking.found == []
    assert code == 0
