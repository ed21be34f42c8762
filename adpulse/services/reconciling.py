"""What the platform's totals hold beyond what is stored below them, and whether anything explains it. Reads the published copy only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from adpulse.model import Connection, Level
from storage.warehouse.analytics import read

SHARE = Decimal("0.001")
"""Of a day's spend: less than this is nobody's concern."""

_SETTLES = timedelta(days=2)
"""A day that began two days ago has ended a day ago."""

_QUERY = """
    SELECT date, level, ours, platform, remainder, deleted, leafless
    FROM reconciliation
    WHERE connection_id = ? AND metric = 'spend' AND remainder <> 0
    ORDER BY date DESC, level
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """Spend of one day, in the account's currency, that the platform reports for ``level`` as a whole and for nothing below it.

    ``deleted`` is how many entities below are known to be deleted, ``leafless`` how many campaigns have nothing below them that
    reports. ``ended``: the day ended at least a day ago.
    """

    day: date
    level: Level
    ours: Decimal
    platform: Decimal
    amount: Decimal
    deleted: int
    leafless: int
    ended: bool

    @property
    def share(self) -> Decimal | None:
        """Its part of the platform's total; None where that is zero."""
        return self.amount / self.platform if self.platform else None

    @property
    def unexplained(self) -> bool:
        """Whether it is large, of a day that ended, and nothing is known to be deleted that could be the reason."""
        large = self.share is None or abs(self.share) > SHARE
        return large and self.ended and not (self.deleted or self.leafless)

    @property
    def reason(self) -> str:
        """What explains it, for people."""
        if not self.ended:
            return "the day is still moving"
        if self.deleted:
            return f"{self.deleted} deleted {'campaigns' if self.level is Level.ACCOUNT else 'ads or ad sets'} are known"
        if self.leafless:
            return f"{self.leafless} campaigns have no ads that report"
        return "unexplained" if self.unexplained else "too small to matter"


def remainders(published: Path, connection: Connection, now: datetime) -> Sequence[Remainder]:
    """Every remainder of a connection's spend, newest first.

    Raises:
        Usage: nothing was published yet.
    """
    rows = read(published, _QUERY, [connection.id]).to_pylist()
    return [
        Remainder(
            day=row["date"],
            level=Level(row["level"]),
            ours=row["ours"],
            platform=row["platform"],
            amount=row["remainder"],
            deleted=row["deleted"],
            leafless=row["leafless"],
            ended=row["date"] <= connection.today(now) - _SETTLES,
        )
        for row in rows
    ]
