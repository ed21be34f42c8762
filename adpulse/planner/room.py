"""The calls that still fit into everything that limits an account, while a plan is made. Pure. Step: plan."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from adpulse.frequency import format_duration
from adpulse.model import Fetch, Heat
from adpulse.planner.account import Account
from adpulse.planner.budget import WINDOW, Budget

HISTORY_CALLS = 60
"""Most calls of an account in any hour for the history that a person asked for."""

_PURPOSES = {
    Heat.HOT: "today's numbers",
    Heat.COLD: "corrections of older days",
    Heat.BACKFILL: "the first sync",
    Heat.HISTORY: "older days of the history",
}


def history_fits_at(now: datetime, calls: Iterable[tuple[datetime, Heat]], cost: int) -> datetime:
    """When a read of the history fits its own part of the hour, by the account's ``calls``."""
    own = Budget(calls=tuple(call for call in calls if call[1] is Heat.HISTORY), limit=HISTORY_CALLS, hot_per_hour=0)
    return own.fits_at(now, Heat.HISTORY, cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The calls that still fit into the account's windows and, for everything but today, into the connection's share of a limit."""

    account: Account
    hour: Budget
    burst: Budget | None
    share: Budget | None

    @classmethod
    def of(cls, account: Account, calls: tuple[tuple[datetime, Heat], ...]) -> "Room":
        """The room beside the account's calls of the last hour."""
        hot, burst = account.hour.hot * account.sharing, None
        if account.burst is not None:
            limit, window, hot_burst = account.burst.calls, account.burst.window, account.hour.hot_burst * account.sharing
            burst = Budget(calls=calls, limit=limit, hot_per_hour=min(hot_burst, limit - 1), window=window)
        return cls(
            account=account,
            hour=Budget(calls=calls, limit=account.limit, hot_per_hour=hot),
            burst=burst,
            share=account.older_share,
        )

    def waits(self, now: datetime, piece: tuple[Fetch, ...], *, is_spare: bool = False) -> tuple[datetime, str] | None:
        """When the piece fits and what it waits for until then; None if it fits now.

        ``is_spare``: it is read beyond what keeps the lookback fresh. Where several connections share the account's hour, all of these
        reads have the part of one in it: else they would take, over and over, the calls that another connection's daily reads wait for.
        """
        if is_spare:
            older = (self.hour.limit - self.hour.hot_per_hour) // self.account.sharing
            return replace(self, hour=replace(self.hour, hot_per_hour=self.hour.limit - older)).waits(now, piece)
        cost, first = sum(fetch.cost for fetch in piece), piece[0]
        purpose = _PURPOSES[first.heat]
        at, limited_by = max(self._moments(now, first, cost), key=lambda moment: moment[0])
        return None if at <= now else (at, f"{purpose} wait for {limited_by}")

    def _moments(self, now: datetime, first: Fetch, cost: int) -> Iterator[tuple[datetime, str]]:
        """When each of the limits has room, and what it is called."""
        yield self.hour.fits_at(now, first.heat, cost), f"the account's call budget of {self.account.limit} an hour"
        if self.burst is not None:
            # A read that is larger than its part of the window begins when that part is free, and goes on with what frees meanwhile.
            hot = self.burst.hot_per_hour
            part = hot if first.heat is Heat.HOT and hot else self.burst.limit - hot
            limit = f"{self.burst.limit} in {format_duration(self.burst.window)}"
            yield self.burst.fits_at(now, first.heat, min(cost, part)), f"the account's call budget of {limit}"
        if self.share is not None and self.account.share is not None and self._is_shared(first):
            limit_of_scope = self.account.share.limit
            shared_by = f"the share of the {limit_of_scope.owner}'s {limit_of_scope.rate}"
            yield self.share.fits_at(now, first.heat, cost), shared_by

    def waits_for_history(self, now: datetime, piece: tuple[Fetch, ...], reserved: int) -> tuple[datetime, str] | None:
        """The same of a piece of history, beside which ``reserved`` calls must fit; and all of history fits its own part of the hour."""
        cost, first = sum(fetch.cost for fetch in piece), piece[0]
        if cost + reserved > self.hour.limit - self.hour.hot_per_hour:
            return now + WINDOW, f"{_PURPOSES[first.heat]} wait until today and the lookback leave calls"
        moments = [*self._moments(now, first, cost + reserved)]
        moments.append((history_fits_at(now, self.hour.calls, cost), f"their {HISTORY_CALLS} calls an hour"))
        at, limited_by = max(moments, key=lambda moment: moment[0])
        return None if at <= now else (at, f"{_PURPOSES[first.heat]} wait for {limited_by}")

    def after(self, now: datetime, piece: tuple[Fetch, ...]) -> "Room":
        """The room once the piece was read."""
        cost, heat = sum(fetch.cost for fetch in piece), piece[0].heat
        share = self.share.with_calls(now, heat, cost) if self.share and heat is not Heat.HOT else self.share
        burst = self.burst.with_calls(now, heat, cost) if self.burst else None
        return replace(self, hour=self.hour.with_calls(now, heat, cost), burst=burst, share=share)

    def _is_shared(self, fetch: Fetch) -> bool:
        """Whether the read counts against the share. Today has a pace instead, and entities on demand are read at once."""
        return fetch.heat is not Heat.HOT and (fetch.kind.has_dates or not self.account.on_demand)
