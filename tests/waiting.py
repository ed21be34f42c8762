"""Waiting for what must come: the bound only ends a test that would hang, so it is generous and says nothing about speed."""

import time

PATIENCE_SECONDS = 240
"""On a busy machine a server takes a minute to start; a whole test has 300 s."""


def until(holds, told=lambda: "", seconds=PATIENCE_SECONDS, pause=0.05):
    """What ``holds`` returns, once it is true; ``told`` describes the state for the failure's message."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"it did not happen in {seconds} s. {told()}"
        time.sleep(pause)
    return found
