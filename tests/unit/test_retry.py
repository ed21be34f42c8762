from random import Random

from hypothesis import given
from hypothesis import strategies as st

from adpulse.retry import call_backoff, connection_backoff


@given(st.integers(1, 6), st.integers())
def test_a_call_waits_between_half_and_all_of_a_doubling_time(attempt, seed):
    assert 0.25 * 2 ** (attempt - 1) <= call_backoff(attempt, Random(seed)) <= 0.5 * 2 ** (attempt - 1)


def test_two_workers_do_not_come_back_at_the_same_instant():
    assert call_backoff(1, Random(1)) != call_backoff(1, Random(2))


def test_a_connection_waits_a_minute_then_longer_and_never_more_than_an_hour():
    assert [connection_backoff(failures) for failures in (0, 1, 2, 3, 7, 50)] == [60, 60, 120, 240, 3600, 3600]
