"""Two hundred kills at every step of a sync, also while the program makes up for the kill before."""

import pytest
from installation import shrink
from kills.killing import ROWS_IN_MESSAGE, Killing

from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.running import Options

pytestmark = pytest.mark.slow
KILLS, EACH_STEP = 200, 5
ACCOUNTS = {
    "Sakura Tea": "5min",
    "Corner Store 1": "realtime",
    "Corner Store 2": "manual",
    "Alpenglow Reisen": "5min",
    "Side Street 1": "manual",
}


@pytest.mark.timeout(3000)
def test_two_hundred_kills_lose_nothing_and_double_nothing(tmp_path):
    google = Options(page_rows=ROWS_IN_MESSAGE, extra=1)
    with Sandbox.start(extra=2, google=google) as sandbox:
        shrink(sandbox)
        with Killing(tmp_path / "home", sandbox, seed=11, accounts=ACCOUNTS) as killing:
            killing.kill_many(KILLS, checked_every=5)
            print(killing.report())

    assert killing.breaches == {}
    assert killing.rarely_struck(EACH_STEP) == {}
