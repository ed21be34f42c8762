"""What a filter of statuses says nothing about."""

import pytest

from adpulse.gone_statuses import GONE_STATUSES
from adpulse.status_filter import StatusFilter


@pytest.mark.parametrize("chosen", StatusFilter)
def test_what_is_gone_may_be_left_out_under_any_filter(chosen):
    assert chosen.left_out[: len(GONE_STATUSES)] == GONE_STATUSES
