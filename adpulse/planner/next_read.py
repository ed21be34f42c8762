"""When a tick could read something next: ticks before that would claim the connection for nothing. Pure. Step: telemetry."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from adpulse.frequency import Frequency, next_slot
from adpulse.model import Heat, Lane, Parts
from adpulse.planner.account import Account
from adpulse.planner.plan import plan
from adpulse.planner.windows import PartitionAges
from adpulse.platforms.registry import platform_of

LONGEST_WAIT = timedelta(hours=1)
"""After so long a tick looks again, whatever was foreseen: limits, shares and sizes of accounts change meanwhile."""


def next_useful_slot(
    now: datetime,
    account: Account,
    ages: PartitionAges,
    calls: tuple[tuple[datetime, Heat], ...],
    not_before: datetime | None = None,
) -> datetime | None:
    """The first slot of the connection's frequency at which its plan has something to read; None for manual.

    ``calls`` are the account's calls of the last hour. The slot is an hour away at most, or the next one, whatever ``not_before`` is.
    """
    frequency, interval = account.connection.frequency, account.connection.frequency.interval
    first = next_slot(frequency, now)
    if first is None or interval is None:
        return None
    lane = Lane.REALTIME if frequency is Frequency.REALTIME else Lane.SCHEDULED
    ticked = replace(account, on_demand=False, parts=Parts.BOTH, lane=lane)
    # The next tick is taken to come as late after its slot as this sync ended: where many connections share a worker, that is minutes.
    late = max(platform_of(account.connection.provider).tick_delay, now - (first - interval))

    def is_useful(number: int) -> bool:
        slot = first + number * interval
        return (not_before is None or slot >= not_before) and bool(plan(slot + late, ticked, ages, calls).fetches)

    return first + _first_useful(is_useful, (now + LONGEST_WAIT - first) // interval) * interval


def _first_useful(is_useful: Callable[[int], bool], last: int) -> int:
    """The first number for which the condition holds, or ``last``. What can be read at a slot can be read at each later one."""
    low, high = -1, 0
    while high < last and not is_useful(high):
        low, high = high, min(2 * high + 1, last)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_useful(middle) else (middle, high)
    return max(high, 0)
