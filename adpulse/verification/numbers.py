"""Numbers as the platforms' pages write them: ``1,234.50``, ``1.234,50``, ``9 876,54``, ``--``. Pure.

Which sign is the decimal one depends on the language of the person's account and on who saved the file last, so it is decided by
what the file holds and never by one cell: ``1.234`` alone may be either number.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache

from adpulse.errors import Usage

LONGEST = 30
"""No number of an export has more characters; a longer one is not a number."""

_EMPTY = frozenset({"", "-", "--", "—"})
"""What stands for nothing: blank in Ads Manager's exports, `` --`` in Google Ads'."""

_SPACES = " \u00a0\u2009\u202f'\u2019"
"""What separates thousands beside the sign that is not the decimal one: French and Norwegian have spaces, Swiss German an apostrophe."""


def _pattern(decimal: str, group: str) -> re.Pattern[str]:
    """A number; its groups may be of two digits except the last (``1,23,456``, as India writes), and begin with no zero."""
    grouped = rf"[1-9]\d{{0,2}}(?P<group>[{group}{_SPACES}])(?:\d{{2,3}}(?P=group))*\d{{3}}"
    return re.compile(rf"(?P<sign>-?)(?P<whole>{grouped}|\d+)(?:{re.escape(decimal)}(?P<part>\d+))?", re.ASCII)


class Notation(Enum):
    """Which sign is the decimal one; the other one separates thousands."""

    POINT = "."
    COMMA = ","

    def parse(self, text: str, *, whole: bool = False) -> Decimal | None:
        """The number in this notation; None if it is not written so. A ``whole`` number has no decimals but ``.0`` and ``.00``."""
        match = _PATTERNS[self].fullmatch(text)
        if match is None:
            return None
        part = match["part"] or ""
        if whole and part not in ("", "0", "00"):
            return None
        digits = re.sub(r"\D", "", match["whole"], flags=re.ASCII)
        return Decimal(f"{match['sign']}{digits}.{part or '0'}")


_PATTERNS = {Notation.POINT: _pattern(".", ","), Notation.COMMA: _pattern(",", ".")}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCell:
    """A cell that should hold a number, and where it is, for messages. ``whole``: it counts something, so it has no decimals."""

    text: str
    column: str
    line: int
    whole: bool

    @property
    def bare(self) -> str:
        """Without what stands around a number: spaces, currency signs; the minus is a hyphen. Empty where it says nothing."""
        return _bare(self.text)

    @property
    def place(self) -> str:
        """Where it is."""
        return f"line {self.line}, column '{self.column}'"

    def value(self, notation: Notation) -> Decimal | None:
        """The number; None where the cell says nothing."""
        return notation.parse(self.bare, whole=self.whole) if self.bare else None


@lru_cache(maxsize=100_000)
def _bare(text: str) -> str:
    stripped = "".join(" " if unicodedata.category(sign) == "Sc" else sign for sign in text).strip(_SPACES)
    return "" if stripped in _EMPTY else stripped.replace("\u2212", "-")


def notation_of(cells: Iterable[NumberCell], chosen: Notation | None = None) -> Notation:
    """The notation in which all these cells are numbers.

    Args:
        cells: every cell that should hold a number.
        chosen: the notation that a person named; then nothing is ambiguous.

    Raises:
        Usage: a cell is no number, cells contradict each other, or the file reads as different numbers in both notations.
    """
    possible = {chosen} if chosen else set(Notation)
    decisive: dict[Notation, NumberCell] = {}
    ambiguous: NumberCell | None = None
    for cell in cells:
        bare = cell.bare
        if not bare:
            continue
        values = {notation: notation.parse(bare, whole=cell.whole) for notation in Notation} if len(bare) <= LONGEST else {}
        readable = {notation for notation, value in values.items() if value is not None}
        if not readable or (chosen and chosen not in readable):
            raise Usage(_not_a_number(cell, chosen))
        if len(readable) == 1:
            decisive.setdefault(next(iter(readable)), cell)
        elif len(set(values.values())) > 1:
            ambiguous = ambiguous or cell
        possible &= readable
        if not possible:
            first, second = decisive.values()
            raise Usage(
                f"The numbers are written in two ways: '{first.bare}' in {first.place}, and '{second.bare}' in {second.place}. "
                "Export the file again, without saving it in another program."
            )
    if len(possible) > 1 and ambiguous:
        raise Usage(
            f"'{ambiguous.bare}' in {ambiguous.place} may be two numbers, and no other number of the file says which. "
            "Give --decimal . or --decimal , to say which sign comes before the decimals."
        )
    return Notation.POINT if Notation.POINT in possible else Notation.COMMA


def _not_a_number(cell: NumberCell, chosen: Notation | None) -> str:
    text = cell.bare if len(cell.bare) <= LONGEST else f"{cell.bare[:LONGEST]}…"
    if text.endswith("%"):
        return f"'{text}' in {cell.place} is a percentage, and no metric of adpulse is one. Choose another column with --column."
    kind = "a whole number" if cell.whole else "a number"
    how = f" with '{chosen.value}' before the decimals" if chosen else ""
    return f"'{text}' in {cell.place} is not {kind}{how}. If the column means something else, choose another one with --column."
