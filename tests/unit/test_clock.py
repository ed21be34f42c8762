"""The one clock: the wall, or a sandbox's, and a clear error when that is gone."""

from datetime import UTC, datetime, timedelta

import pytest

from adpulse.clock import SandboxClock, SystemClock
from adpulse.errors import Unavailable


def test_system_clock_is_aware_utc():
    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_silent_sandbox_is_an_error_that_says_what_to_do():
    with pytest.raises(Unavailable, match="ADPULSE_SANDBOX_URL"):
        SandboxClock("http://127.0.0.1:9").now()
