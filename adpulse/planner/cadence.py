"""How often a connection is really read, and what makes that less often than chosen. Pure. Step: plan."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from adpulse.frequency import Frequency, format_duration
from adpulse.model import FetchKind
from adpulse.planner.demand import Rhythm, demand
from adpulse.planner.hour import Hour
from adpulse.planner.shares import Share
from adpulse.platforms.base import Costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often today is read (None: only on demand), the calls that takes, and what limits it if that is less often than chosen."""

    chosen: timedelta | None
    interval: timedelta | None
    limited_by: str | None
    calls_per_hour: float

    @property
    def reason(self) -> str | None:
        """The whole sentence, for example ``every 8 min instead of 5 min: …``; None when the frequency is kept."""
        if self.limited_by is None or self.interval is None or self.chosen is None:
            return None
        return f"every {format_duration(self.interval)} instead of {format_duration(self.chosen)}: {self.limited_by}"


@lru_cache(maxsize=4096)  # of thousands of connections most are alike
def cadence(frequency: Frequency, costs: Costs, limit: int, share: Share | None) -> Cadence:
    """The cadence of a connection whose account may make ``limit`` calls an hour and which has this share of a limit, if any."""
    chosen = frequency.interval
    if chosen is None:
        return Cadence(chosen=None, interval=None, limited_by=None, calls_per_hour=0.0)
    needs = demand(frequency, costs, limit)
    paced = Hour(frequency=frequency, costs=costs, limit=limit).pace
    rhythm = needs.within(share.per_day) if share else Rhythm(interval=chosen)
    interval = max(rhythm.interval, paced)
    limited_by = _shared(share) if share and rhythm.interval > paced else _own(costs, limit)
    calls_per_day = needs.per_day(Rhythm(interval=interval, stretch=rhythm.stretch))
    slower = limited_by if interval > chosen else None
    return Cadence(chosen=chosen, interval=interval, limited_by=slower, calls_per_hour=calls_per_day / 24)


def _shared(share: Share) -> str:
    limit = f"the {share.limit.owner}'s {share.limit.rate}"
    return f"{share.connections:,} connections share {limit}" if share.connections > 1 else f"even alone it has no more than {limit}"


def _own(costs: Costs, limit: int) -> str:
    calls = costs.usual(FetchKind.ADS, 1)
    if calls > limit:
        return f"not possible within the account's {limit} calls an hour, as one read takes {calls}"
    return f"one read takes {calls} call{'s' if calls != 1 else ''} of the account's {limit} an hour"
