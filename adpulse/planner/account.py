"""The input of a plan: a connection, the cost of its reads, and the calls it may make. Pure. Step: plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from adpulse.model import Connection, FetchKind, Heat, Lane, Parts
from adpulse.planner.budget import WINDOW, Budget
from adpulse.planner.change_check import REST, ChangeCheck, can_be_checked, check_calls, is_dear
from adpulse.planner.costs import cost_of_account, cost_of_days, cost_of_yesterday
from adpulse.planner.day_parts import MOST_CALLS, DayParts, draw
from adpulse.planner.demand import Demand, Rhythm, demand
from adpulse.planner.hot_days import Yesterday
from adpulse.planner.hour import QUIET, Hour
from adpulse.planner.restatement_check import least_calls, longest_check, most_calls, restatements_can_be_checked
from adpulse.planner.shares import Share
from adpulse.planner.windows import FIRST_SYNC_DAYS, HOUR, SLACK, PartitionAges
from adpulse.platforms.base import CallLimit, Costs, Size
from adpulse.platforms.registry import platform_of

CALLS_PER_TICK = 4
"""Most calls for older days where ticks are served: there they must not keep today's numbers of the next tick waiting."""

ESTIMATED_DAYS = 7
"""Most older days in one piece while the size is an estimate: a day may have had many more ads than those that were read."""

_TOTALS_FIT = 8
"""How many times the calls for the account's totals a piece must hold before room is kept for them in it."""

_SMALLEST_PART = 10
"""Calls that a part of an older day may take at least: of smaller ones a day would have very many."""

_REST_READS = 3
"""For how many reads of today it is read so at least: two checks precede them that did not pay."""

_STILL = timedelta(minutes=30)
"""An account whose numbers have not changed for so long is at rest: Meta refreshes them every 12 to 18 minutes while it delivers."""

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A connection's calls within the window of a limit that it shares, and those of them, oldest first, that were not for today."""

    calls: int = 0
    older: tuple[tuple[datetime, Heat], ...] = ()


@dataclass(frozen=True, kw_only=True)  # without slots, which have no place for what is kept of it
class Account:
    """The input of a plan. ``on_demand``: a person requested it, so nothing recent is skipped. First syncs need the background.

    ``sharing``: how many connections of the same external account have its ``limit`` an hour together, this one among them, and its
    ``burst`` limit in a shorter time, if it has one.
    ``first_sync``: days of it are missing. ``walk_due``: so is the full walk. ``yesterday_due``: yesterday's leaves are,
    within the hour; None where nobody asked. ``days_are_checked``: checks show what is restated of most older days.
    ``share`` is what the connection may call of a limit that it shares, None where there is none; ``spent`` what it did of it. ``resting``:
    reads that the numbers do not need, that failed and are not due again yet.
    ``leaves``: how many leaves each campaign has that delivered lately, by which the parts of days are drawn; None where no day is split.
    ``check``: what the last checks of today's changes have shown, if there was one. ``whole_fits``: the hour has the calls that a read of
    all of today takes.
    ``history_since``: from when on its history is to be read; None if nobody asked for more than the first sync reads.
    """

    connection: Connection
    parts: Parts
    on_demand: bool
    page_size: int
    limit: int
    burst: CallLimit | None = None
    lane: Lane = Lane.BACKGROUND
    sharing: int = 1
    first_sync: bool = False
    walk_due: bool = False
    yesterday_due: bool | None = None
    days_are_checked: bool = True
    share: Share | None = None
    spent: Spent = Spent()
    resting: frozenset[FetchKind] = frozenset()
    leaves: Mapping[str, int] | None = None
    check: ChangeCheck | None = None
    whole_fits: bool = True
    history_since: date | None = None

    @property
    def size(self) -> Size:
        """How many entities it has, as far as that is known."""
        return Size.of(self.connection)

    @cached_property
    def costs(self) -> Costs:
        """The calls that its reads take."""
        return platform_of(self.connection.provider).costs(self.size, self.page_size)

    def may_read(self, kind: FetchKind) -> bool:
        """Whether a read that the numbers do not need may be tried: a sync on demand does not wait for the pause after a failure."""
        return self.on_demand or self.parts is Parts.ENTITIES or kind not in self.resting

    @property
    def reads_history(self) -> bool:
        """Whether this leg may read the history that a person asked for: only in the background, and once the account's size is known."""
        in_its_lane = self.lane is Lane.BACKGROUND and self.parts is not Parts.ENTITIES
        return in_its_lane and self.history_since is not None and self.size.ads is not None

    @property
    def part(self) -> int:
        """Calls an hour that are this connection's part of the account's."""
        return max(self.limit // self.sharing, 1)

    @property
    def demand(self) -> Demand:
        """The calls that it needs to keep its frequency."""
        return demand(self.connection.frequency, self.costs, self.part)

    @cached_property
    def hour(self) -> Hour:
        """How its part of the hour is divided."""
        return Hour(
            frequency=self.connection.frequency,
            costs=self.costs,
            limit=self.part,
            first_sync=self.first_sync,
            walk_due=self.walk_due,
            yesterday_due=self.yesterday_due,
            burst=self.burst,
            checks_restatements=self.days_are_checked and self.may_read(FetchKind.RESTATEMENTS),
        )

    @property
    def older_calls(self) -> int:
        """Most calls for older days in this leg."""
        return self.costs.per_leg if self.lane is Lane.BACKGROUND else CALLS_PER_TICK

    @property
    def piece(self) -> int:
        """Most calls of a piece of older days: it must fit into the share, too, beside the entities that are read again and again."""
        share, piece = self.older_share, self.hour.piece
        if share is not None and share.window <= WINDOW:
            return min(piece, share.limit - self.costs.changed_walk)
        return piece

    @property
    def longest(self) -> int:
        """Most older days in one piece."""
        piece = self.piece
        totals = cost_of_account(self.costs, 1)
        if piece >= totals * _TOTALS_FIT:
            piece -= totals
        days = FIRST_SYNC_DAYS if self.connection.ad_count is not None else ESTIMATED_DAYS
        if self.checks_restatements:
            piece -= self.costs.read(FetchKind.CAMPAIGNS, self.costs.longest(days, piece))
        return self.costs.longest(days, piece)

    @property
    def most_calls(self) -> int:
        """Most calls of a read of one older day: a day of more is read in parts."""
        return min(max(self.piece, _SMALLEST_PART), MOST_CALLS)

    @property
    def is_large(self) -> bool:
        """Whether some of its days are too much for one read."""
        return not platform_of(self.connection.provider).reads_days_whole and cost_of_days(self.costs, 1) > self.most_calls

    def splits_day(self, most: int = MOST_CALLS) -> bool:
        """Whether a day is read in parts rather than in one read of so many calls."""
        return self.leaves is not None and self.is_large and cost_of_days(self.costs, 1) > most

    def parts_of_day(self, most: int) -> DayParts:
        """The parts of a day whose read begins."""
        return draw(self.leaves or {}, self._calls_of_part, self.size.campaigns or 0, most)

    def _calls_of_part(self, leaves: int, campaigns: int) -> tuple[int, int]:
        size = Size(ads=leaves, campaigns=campaigns, page_sizes=self.size.page_sizes)
        costs = platform_of(self.connection.provider).costs(size, self.page_size)
        return costs.read(FetchKind.ADS, 1), costs.read(FetchKind.CAMPAIGNS, 1)

    @property
    def is_checked(self) -> bool:
        """Whether reads of today begin with a check of what changed; those that a person requested are whole.

        While days of the first sync are missing, every call that a check does not save delays them.
        """
        is_wanted = not self.on_demand and self.may_read(FetchKind.CHECK) and can_be_checked(self.costs)
        return is_wanted and not (self.first_sync and is_dear(self.costs))

    @property
    def yesterdays(self) -> Yesterday:
        """How its leaves of yesterday are read; of many calls both days together would wait for twice as many, and today with them."""
        if self.on_demand or cost_of_yesterday(self.costs) == 0:
            return Yesterday.WITH_TODAY
        return Yesterday.ALONE if can_be_checked(self.costs) and not is_dear(self.costs) else Yesterday.BESIDE_TODAY

    @property
    def checks_restatements(self) -> bool:
        """Whether older days are checked for restatements instead of being read whole daily."""
        can_be = restatements_can_be_checked(self.costs, self.piece)
        return can_be and self.may_read(FetchKind.RESTATEMENTS) and not self.is_large

    @property
    def longest_check(self) -> int:
        """Most older days that one check covers."""
        return longest_check(self.costs, self._check_piece)

    def calls_of_check(self, days: int) -> int:
        """Most calls of a check of so many days with what it may ask for at once."""
        return min(self._check_piece, most_calls(self.costs, days))

    @property
    def _check_piece(self) -> int:
        """A quarter less than a piece, if that is enough: a check that fits only an empty hour would wait for what comes every hour."""
        return max(self.piece * 3 // 4, least_calls(self.costs))

    def reads_whole(self, now: datetime, ages: PartitionAges) -> bool:
        """Whether the next read of today is of all of it, with a check or without: hourly, and where no check was stored today."""
        today, check = self.connection.today(now), self.check
        is_known = check is not None and check.day == today and check.checked_at is not None
        age = self.hour.whole_age * (1 if self.whole_fits else 2)
        return not is_known or ages.stale(FetchKind.ADS, now, age, today) or self.rested_from_checks(now)

    def rests_from_checks(self, now: datetime) -> bool:
        """Whether all of today is read without a check for a while, as the last ones cost more than they saved."""
        check, rest = self.check, max(REST, _REST_READS * self.hour.pace)
        return self._did_not_pay and check is not None and check.checked_at is not None and now - check.checked_at < rest

    def rested_from_checks(self, now: datetime) -> bool:
        """Whether checks begin anew after such a while."""
        return self._did_not_pay and not self.rests_from_checks(now)

    @property
    def _did_not_pay(self) -> bool:
        check = self.check
        return check is not None and check.in_a_row > 1 and check.calls > self.costs.usual(FetchKind.ADS, 1)

    @property
    def check_cost(self) -> int:
        """Calls to reckon with for a check and the reads that follow from it: what the last one left, or as many as that took, or all."""
        check, whole = check_calls(self.costs), self.costs.usual(FetchKind.ADS, 1)
        if is_dear(self.costs) or self.check is None:
            return check + whole
        return check + min(max(self.check.left or self.check.calls - check, 1), whole)

    def pace(self, now: datetime) -> timedelta:
        """Least time between two reads of today; more while no change is expected."""
        if self.check is None or not self.is_checked or self._did_not_pay:
            return self.hour.pace + (QUIET if self._is_still(now) else timedelta(0))
        check = check_calls(self.costs)
        if self.check.left:
            return self.hour.pace_after(check + self.check.left)
        pace = self.hour.pace_after(self.check.calls)
        expects_change = self.check.expects_change(now) and not self._is_still(now)
        return pace if expects_change else max(pace, self.hour.pace_without_change(check))

    def _is_still(self, now: datetime) -> bool:
        """Whether its numbers have not changed for so long that it is at rest."""
        changed_at = self.connection.last_metrics_changed_at
        return changed_at is not None and now - changed_at > _STILL

    @property
    def rhythm(self) -> Rhythm | None:
        """How often its share lets it be read; None without one.

        Calls of syncs on demand beyond the share are paid back by later reads, with half of the share at most; in tenths, because
        a rhythm that changes with every call has no grid.
        """
        if self.share is None:
            return None
        beyond = max(self.spent.calls / self.share.calls - 1, 0.0)
        return self.demand.within(self.share.per_day * (1 - min(int(beyond * 10), 5) / 10))

    @property
    def stretch(self) -> float:
        """The factor by which daily and weekly reads come later because the share is too small."""
        return self.rhythm.stretch if self.rhythm else 1.0

    @property
    def changes_age(self) -> timedelta:
        """How old the entities may be: an hour, or as old as today's numbers get."""
        return max(HOUR, self.rhythm.interval) if self.rhythm and self.connection.frequency.interval else HOUR

    def hot_age(self, now: datetime) -> timedelta:
        """How old today's numbers may be when a tick comes."""
        if self.on_demand:
            return timedelta(0)
        age = max(self.pace(now), (self.connection.frequency.interval or HOUR) * 0.8)
        rhythm = self.rhythm
        if rhythm is None or rhythm.interval <= self.demand.interval:
            return age
        # Slots of a grid of its own, not an age: ticks every 5 min with a pace of 8 would else be reads every 10.
        return max(age, ((now - _EPOCH) % rhythm.interval + _INSTANT) / SLACK)

    @property
    def older_share(self) -> Budget | None:
        """The part of its share for everything but today; None without a share.

        A piece more than the rhythm needs, so that what is due finds room beside what is due at the same time.
        """
        share, rhythm = self.share, self.rhythm
        if share is None or rhythm is None:
            return None
        windows = share.limit.windows_per_day
        needed = self.demand.other_per_day(rhythm) / windows + self.costs.changed_walk + cost_of_days(self.costs, 1)
        rest = share.calls - self.demand.hot_per_day(rhythm.interval) / windows
        return Budget(calls=self.spent.older, limit=int(max(needed, rest)), hot_per_hour=0, window=share.limit.window)
