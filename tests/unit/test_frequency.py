"""Frequencies: the grid, the gate, and the words of a refusal."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpulse.errors import FrequencyRefused
from adpulse.frequency import SCHEDULED, Frequency, format_duration, next_slot, parse


@given(
    frequency=st.sampled_from(SCHEDULED),
    now=st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
)
def test_next_slot_is_the_first_grid_point_after_now(frequency, now):
    slot = next_slot(frequency, now)

    assert timedelta(0) < slot - now <= frequency.interval
    assert next_slot(frequency, slot - timedelta(microseconds=1)) == slot
    assert next_slot(frequency, slot) == slot + frequency.interval


def test_a_day_at_five_minutes_has_288_slots_however_late_each_sync_is():
    now, end, slots = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC), 0
    while (now := next_slot(Frequency.EVERY_5_MIN, now) + timedelta(seconds=slots % 200)) <= end:
        slots += 1

    assert abs(slots - 288) <= 1


def test_manual_has_no_slot():
    assert next_slot(Frequency.MANUAL, datetime(2026, 3, 1, tzinfo=UTC)) is None


def test_unknown_frequency_is_refused_with_what_is_allowed():
    with pytest.raises(
        FrequencyRefused, match=r"'weekly' is not a sync frequency\. Choose one of: manual, 5min, 10min, 30min, hourly, daily"
    ):
        parse("weekly", realtime_granted=False)


def test_realtime_is_refused_until_it_is_granted():
    with pytest.raises(FrequencyRefused, match="not granted"):
        parse("realtime", realtime_granted=False)

    assert parse("realtime", realtime_granted=True) is Frequency.REALTIME


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "0.4 s"),
        (30, "30 s"),
        (119, "119 s"),
        (120, "2 min"),
        (493, "8.2 min"),
        (3600, "60 min"),
        (9000, "2.5 h"),
        (86_400 * 3, "3 days"),
    ],
)
def test_lengths_of_time_are_told_as_people_say_them(seconds, told):
    assert format_duration(timedelta(seconds=seconds)) == told
