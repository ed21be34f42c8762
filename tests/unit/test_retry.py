from random import Random

from hypothesis import given
from hypothesis import strategies as st

from adpulse.retry import LONGEST_BACKOFF, backoff, call_backoff, cooldown


@given(st.integers(1, 6), st.integers())
def test_a_call_waits_between_half_and_all_of_a_doubling_time(attempt, seed):
    assert 0.25 * 2 ** (attempt - 1) <= call_backoff(attempt, Random(seed)) <= 0.5 * 2 ** (attempt - 1)


def test_two_workers_do_not_come_back_at_the_same_instant():
    assert call_backoff(1, Random(1)) != call_backoff(1, Random(2))


@given(st.integers(0, 50), st.integers())
def test_a_failure_waits_a_minute_then_longer_and_never_more_than_an_hour(failures, seed):
    doubled = 60 * 2 ** max(failures - 1, 0)

    assert min(doubled, LONGEST_BACKOFF / 1.1) <= backoff(failures, Random(seed)) <= min(doubled * 1.1, LONGEST_BACKOFF)


def test_what_failed_together_does_not_come_back_together():
    assert len({backoff(failures, Random(seed)) for failures in (1, 50) for seed in range(20)}) == 40


@given(st.integers(0, 100))
def test_a_cooldown_begins_with_a_minute_doubles_and_never_exceeds_a_quarter_of_an_hour(throttles):
    assert cooldown(throttles) == min(60 * 2**throttles, 900)
