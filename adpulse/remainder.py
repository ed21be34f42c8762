"""What a platform's total of a day holds beyond what is stored below it, and whether anything explains it. Pure."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adpulse.model import Level

SHARE = Decimal("0.001")
"""Of a day's spend: less than this is too small to matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """Spend of one day, in the account's currency, that the platform reports for ``level`` as a whole and for nothing below it.

    ``deleted`` is how many entities below are known to be deleted and left out of reports, ``leafless`` the part of it that is of
    campaigns with nothing below them that reports. Less than zero: more is stored than the platform reports.
    ``ended``: the day ended at least a day ago.
    """

    day: date
    level: Level
    ours: Decimal
    platform: Decimal
    amount: Decimal
    deleted: int
    leafless: Decimal
    ended: bool

    @property
    def share(self) -> Decimal | None:
        """Its part of the platform's total; None where that is zero."""
        return self.amount / self.platform if self.platform else None

    @property
    def unexplained(self) -> bool:
        """Whether it is large, of a day that ended, and nothing is known that could be the reason."""
        return self.ended and self._is_large and not (self.deleted and self.amount > 0)

    @property
    def reason(self) -> str:
        """What explains it, for people."""
        if not self.ended:
            return "the day is still moving"
        if not self._is_large:
            return "of campaigns without ads that report" if self.leafless else "too small to matter"
        if self.unexplained:
            return "unexplained"
        below = "campaign" if self.level is Level.ACCOUNT else "entity below campaigns"
        return f"a {below} is known to be deleted" if self.deleted == 1 else f"deleted and known: {self.deleted}"

    @property
    def _is_large(self) -> bool:
        """Whether what campaigns without leaves do not explain is more than a small part of the platform's total."""
        rest = abs(self.amount - self.leafless)
        return rest > SHARE * abs(self.platform) if self.platform else rest != 0


def as_fields(remainder: Remainder) -> dict[str, Any]:
    """A remainder as JSON: amounts and the share are exact decimals as text."""
    return {
        "date": remainder.day.isoformat(),
        "level": remainder.level.value,
        "ours": str(remainder.ours),
        "platform": str(remainder.platform),
        "remainder": str(remainder.amount),
        "share": None if remainder.share is None else f"{remainder.share:.6f}",
        "deleted": remainder.deleted,
        "leafless": str(remainder.leafless),
        "unexplained": remainder.unexplained,
    }
