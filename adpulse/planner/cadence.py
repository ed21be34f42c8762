"""How often a connection is really read, and what makes that less often than chosen. Pure. Step: plan."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from adpulse.frequency import Frequency, format_duration
from adpulse.model import FetchKind
from adpulse.planner.change_check import can_be_checked, check_calls, is_dear
from adpulse.planner.demand import Rhythm, demand
from adpulse.planner.hour import QUIET, Hour
from adpulse.planner.shares import Share
from adpulse.platforms.base import Costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often today is read (None: only on demand), the calls that takes, and what limits it if that is less often than chosen.

    ``interval`` is that of reads of all of today. ``of_changes`` is how often what changed is read while it is few campaigns; None where
    that is no oftener, or reads do not begin with a check of what changed. ``at_rest`` is how often it is read while nothing changes: no
    oftener than ``interval``.
    """

    chosen: timedelta | None
    interval: timedelta | None
    limited_by: str | None
    calls_per_hour: float
    of_changes: timedelta | None = None
    at_rest: timedelta | None = None

    @property
    def longest(self) -> timedelta | None:
        """The longest time between two reads that is no fault, where it is longer than chosen."""
        return self.at_rest if self.at_rest and self.chosen and self.at_rest > self.chosen else None

    @property
    def reason(self) -> str | None:
        """The whole sentence, for example ``every 8 min instead of 5 min: …``; None when the frequency is kept."""
        if self.limited_by is None or self.interval is None or self.chosen is None:
            return None
        changes = f"; what changed in few campaigns is read every {format_duration(self.of_changes)}" if self.of_changes else ""
        return f"every {format_duration(self.interval)} instead of {format_duration(self.chosen)}: {self.limited_by}{changes}"


@lru_cache(maxsize=4096)  # of thousands of connections most are alike
def cadence(frequency: Frequency, costs: Costs, limit: int, share: Share | None) -> Cadence:
    """The cadence of a connection whose account may make ``limit`` calls an hour and which has this share of a limit, if any."""
    chosen = frequency.interval
    if chosen is None:
        return Cadence(chosen=None, interval=None, limited_by=None, calls_per_hour=0.0)
    needs = demand(frequency, costs, limit)
    hour, whole = Hour(frequency=frequency, costs=costs, limit=limit), costs.usual(FetchKind.ADS, 1)
    is_checked, check = can_be_checked(costs), check_calls(costs)
    paced = max(hour.pace, hour.pace_after(check + whole)) if is_checked and not is_dear(costs) else hour.pace
    rhythm = needs.within(share.per_day) if share else Rhythm(interval=chosen)
    interval = max(rhythm.interval, paced)
    limited_by = _shared(share) if share and rhythm.interval > paced else _own(costs, limit)
    calls_per_day = needs.per_day(Rhythm(interval=interval, stretch=rhythm.stretch))
    slower = limited_by if interval > chosen else None
    few = max(rhythm.interval, hour.pace_after(check + 1))
    of_changes = few if is_checked and few < interval else None
    at_rest = max(interval, hour.pace_without_change(check) if is_checked else hour.pace + QUIET)
    return Cadence(
        chosen=chosen, interval=interval, limited_by=slower, calls_per_hour=calls_per_day / 24, of_changes=of_changes, at_rest=at_rest
    )


def _shared(share: Share) -> str:
    limit = f"the {share.limit.owner}'s {share.limit.rate}"
    return f"{share.connections:,} connections share {limit}" if share.connections > 1 else f"even alone it has no more than {limit}"


def _own(costs: Costs, limit: int) -> str:
    calls = costs.usual(FetchKind.ADS, 1)
    if calls > limit:
        return f"not possible within the account's {limit} calls an hour, as one read takes {calls}"
    return f"one read takes {calls} call{'s' if calls != 1 else ''} of the account's {limit} an hour"
