"""How an account's hour is divided between reads of today and everything else. Pure. Step: plan."""

import math
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from adpulse.frequency import Frequency
from adpulse.model import FetchKind
from adpulse.planner.budget import WINDOW
from adpulse.planner.costs import cost_of_account, cost_of_days, cost_of_totals, cost_of_yesterday
from adpulse.planner.restatement_check import least_calls, restatements_can_be_checked
from adpulse.planner.windows import CATEGORIES_AGE, HOUR, SLACK, YESTERDAY_AGE
from adpulse.platforms.base import CALLS_PER_LEG, CallLimit, Costs

HOT_SHARE = 150
"""Most calls of 180 an hour that reads of today may take, so that everything else always gets some; of a larger hour the same part."""

QUIET = timedelta(minutes=1)
"""How much later today is read while no change is expected: the calls that it saves are there when everything changes at once."""

_QUIET_CHECK = timedelta(seconds=75)
"""How much later a check comes then: for an account of two pages a minute more than lies between its reads without checks."""

_LOOKUPS_FIT = 5
"""How many lookups an hour must hold before room is kept for one."""


@dataclass(frozen=True, kw_only=True)  # without slots, which have no place for what is kept of it
class Hour:
    """The ``limit`` of calls in any 60 minutes of an account, divided by its frequency and the costs of its reads.

    ``burst`` is the limit of a shorter time, where there is one. Of it today has the same part as of the hour, or one read.
    While days of the first sync are missing, today has half of it: a large account would have no history for days. While the full walk
    is due (``walk_due``), today leaves room for it, down to half of the hour. ``checks_restatements``: older days may be checked for
    restatements, where that saves calls. ``yesterday_due``: yesterday's leaves are due within the hour; None: as often as on average.
    """

    frequency: Frequency
    costs: Costs
    limit: int
    first_sync: bool = False
    walk_due: bool = False
    burst: CallLimit | None = None
    checks_restatements: bool = True
    yesterday_due: bool | None = None

    @property
    def pace(self) -> timedelta:
        """Least time between two reads of today, so that they spread over the hour instead of spending it at once."""
        return WINDOW * self._today / max(self._most_hot - self._beside, 1)

    @property
    def whole_age(self) -> timedelta:
        """How old the last read of all of today may be where only changes are read: an hour, or what half of today's calls allow for."""
        return max(HOUR, 2 * self.pace)

    def pace_after(self, calls: int) -> timedelta:
        """Least time until the next check for changes, after a check and reads that took so many calls.

        Room is kept for the hourly read of all of today and for one more, for when everything changes at once; unless the last read was
        one. It is no less than that in spite of the slack.
        """
        available = max(self._most_hot - self._beside, 1)
        kept = 0 if calls >= self._today else min(2 * self._today, available // 2)
        return WINDOW * calls / max(available - kept, 1) / SLACK

    def pace_without_change(self, check: int) -> timedelta:
        """Least time between two checks of so many calls while no change is expected."""
        return self.pace_after(check) + _QUIET_CHECK

    @property
    def hot(self) -> int:
        """Calls that are kept for reads of today; none for connections that are only read on demand."""
        return self._hot(self._most_hot)

    @property
    def piece(self) -> int:
        """Most calls of a piece of older days: it fits beside what the hour needs anyway, or it would wait for ever."""
        return self._piece(self.hot)

    @property
    def hot_burst(self) -> int:
        """Calls of ``burst`` that are kept for reads of today; some are always left to others."""
        return self._hot_burst(self.hot)

    def _hot(self, most: int) -> int:
        interval = self.frequency.interval
        if interval is None:
            return 0
        reads = -(-WINDOW // interval) if interval < WINDOW else 1
        return min(reads * self._today + self._beside, most)

    def _piece(self, hot: int) -> int:
        most = CALLS_PER_LEG if self.burst is None else min(CALLS_PER_LEG, self.burst.calls - self._hot_burst(hot))
        return min(most, self.limit // 4, self.limit - hot - self.costs.changed_walk)

    def _hot_burst(self, hot: int) -> int:
        if self.burst is None or not hot:
            return 0
        rate = math.ceil(hot * (self.burst.window / WINDOW))
        return min(max(rate, self._today), self.burst.calls * HOT_SHARE // 180)

    @cached_property
    def _most_hot(self) -> int:
        """Most calls for today: changed entities, what :attr:`_others` says, and a full walk when it is due fit beside them."""
        return self._beside_others(self._others)

    def _beside_others(self, others: int) -> int:
        available, half = self.limit - self.costs.changed_walk, self.limit // 2
        share = half if self.first_sync else max(HOT_SHARE, self.limit * HOT_SHARE // 180)
        beside_walk = max(available - self.costs.full_walk, half) if self.walk_due else available
        return max(0, min(share, available - others, beside_walk))

    @property
    def _others(self) -> int:
        """Calls an hour that older days and lookups keep: of a day with its check or a lookup, where most of older days is checked.

        Elsewhere of a day, and of another one or a lookup: with one day an hour the days that are read daily would take more than a day.
        """
        checked = max(least_calls(self.costs) + cost_of_account(self.costs, 1), self._lookup)
        piece = self._piece(self._hot(self._beside_others(checked)))
        if self.checks_restatements and restatements_can_be_checked(self.costs, piece):
            return checked
        day = min(cost_of_days(self.costs, 1), CALLS_PER_LEG)
        return day + max(day, self._lookup)

    @property
    def _lookup(self) -> int:
        """Calls reserved for looking up missing entities. A small hour reserves none; there a lookup takes what is left."""
        return self.costs.lookup if self.limit >= _LOOKUPS_FIT * self.costs.lookup else 0

    @property
    def _today(self) -> int:
        return self.costs.usual(FetchKind.ADS, 1)

    @cached_property
    def _beside(self) -> int:
        """Calls an hour beside today's leaves: yesterday's, campaign totals, and the split of conversions where it is read separately."""
        splits = HOUR / (CATEGORIES_AGE * SLACK) * self.costs.usual(FetchKind.CATEGORIES, 2)
        hourly = HOUR / YESTERDAY_AGE if self.yesterday_due is None else float(self.yesterday_due)
        yesterday = cost_of_yesterday(self.costs) * hourly
        return round(splits + (yesterday + cost_of_totals(self.costs, 2)) / SLACK)
