"""How many platform calls fit now: a sliding window, such as the account's hour, shared between hot and cold reads. Pure. Step: plan."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adpulse.model import Heat
from adpulse.platforms.base import CallLimit

WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimit:
    """How many calls an account may make in any hour, and in the shorter time that its platform counts as well, if it does."""

    per_hour: int
    burst: CallLimit | None = None

    @property
    def sustained(self) -> int:
        """Calls an hour that both windows allow for, hour after hour."""
        return self.per_hour if self.burst is None else min(self.per_hour, self.burst.calls * (WINDOW // self.burst.window))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The calls within the last ``window``, oldest first, and what they may sum up to.

    ``hot_per_hour`` is what the connection's frequency needs for today alone in a window; colder reads share the rest.
    """

    calls: tuple[tuple[datetime, Heat], ...]
    limit: int
    hot_per_hour: int
    window: timedelta = WINDOW

    def with_calls(self, now: datetime, heat: Heat, cost: int) -> "Budget":
        """The budget once ``cost`` more calls were made."""
        return replace(self, calls=self.calls + ((now, heat),) * cost)

    def fits_at(self, now: datetime, heat: Heat, cost: int) -> datetime:
        """The first instant from ``now`` on at which ``cost`` calls of this heat fit, if nothing else is called.

        A read too big for its share is let through when its share is otherwise unused, and one too big
        for the whole window when the window is empty: the ledger still stops it at the limit.
        """
        instants = [at for at, _ in self.calls]
        moment = self._room_at(now, instants, cost, self.limit)
        if heat is Heat.HOT:
            return moment
        cold = [at for at, call_heat in self.calls if call_heat is not Heat.HOT]
        return max(moment, self._room_at(now, cold, cost, self.limit - self.hot_per_hour))

    def _room_at(self, now: datetime, calls: list[datetime], cost: int, limit: int) -> datetime:
        """When enough of ``calls`` have left the window for ``cost`` more to stay within ``limit``."""
        leaving = sorted(at + leaves_after(self.window) for at in calls if at + self.window >= now)
        surplus = min(len(leaving), len(leaving) + cost - max(limit, 0))
        return leaving[surplus - 1] if surplus > 0 else now


def leaves_after(window: timedelta) -> timedelta:
    """How long a call counts: until the end of the window, that instant included, as no closed window may hold more than the limit."""
    return window + timedelta(milliseconds=1)
