"""Which column of an export is what: by the names that a platform declares, or as a person says. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from adpulse.errors import Usage
from adpulse.metrics import METRICS, PROFIT
from adpulse.verification.table import listed

DAY, SINCE, UNTIL = "day", "since", "until"
CAMPAIGN, CAMPAIGN_ID = "campaign", "campaign_id"
CURRENCY, ATTRIBUTION = "currency", "attribution"
LOWEST = "lowest"
"""The name of what a row is about, below campaigns: where it is blank, the row is a sum of others."""

FIELDS = (DAY, SINCE, UNTIL, CAMPAIGN, CAMPAIGN_ID, CURRENCY, ATTRIBUTION, LOWEST)
COMPARED = tuple(name for name in METRICS if name != PROFIT.name)
"""The metrics that an export can have: profit is calculated here."""

ColumnNames = Mapping[str, Sequence[str]]
"""The names that a column may have, by what it holds: one of ``FIELDS`` or a metric."""

_CURRENCY = re.compile(r"\s*\(([A-Z]{3})\)$")


def normal(name: str) -> str:
    """A header without currency, case and double spaces: older exports write ``Amount Spent (EUR)``, newer ones ``Amount spent (EUR)``."""
    return " ".join(_CURRENCY.sub("", name.strip()).split()).casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where each thing is, in a header."""

    header: tuple[str, ...]
    places: Mapping[str, int]

    def name(self, field: str) -> str:
        """The column's name as the file has it."""
        return self.header[self.places[field]]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the file has, in the catalogue's order."""
        return tuple(name for name in COMPARED if name in self.places)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Names of the columns that mean nothing here."""
        used = set(self.places.values())
        return tuple(name for place, name in enumerate(self.header) if place not in used and name)

    @property
    def currencies(self) -> frozenset[str]:
        """The currencies that the names of the metrics' columns say."""
        found = (_CURRENCY.search(self.name(metric)) for metric in self.metrics)
        return frozenset(match[1] for match in found if match)


def choices(given: Sequence[str]) -> Mapping[str, str]:
    """What ``--column WHAT=NAME`` says, by what.

    Raises:
        Usage: one has no such form, or names nothing that a column can hold.
    """
    chosen = {}
    for text in given:
        field, sign, name = text.partition("=")
        if not sign or field not in (*FIELDS, *COMPARED) or not name.strip():
            raise Usage(
                f"'{text}' does not say what a column holds. Write WHAT=NAME, WHAT being one of: {', '.join((*FIELDS, *COMPARED))}."
            )
        chosen[field] = name.strip()
    return MappingProxyType(chosen)


def resolve(header: tuple[str, ...], names: ColumnNames, chosen: Mapping[str, str]) -> Columns:
    """Find each column.

    Raises:
        Usage: a chosen column is not there, two columns may be the same, or what a comparison needs is missing.
    """
    places: dict[str, int] = {}
    for field in (*FIELDS, *COMPARED):
        found = _chosen(header, chosen[field]) if field in chosen else _places(header, names.get(field, ()))
        if len(found) > 1 and field != LOWEST:
            both = " and ".join(f"'{header[place]}'" for place in found)
            raise Usage(f"Both {both} may be '{field}'. Say which with --column {field}=NAME, or export only one of them.")
        if found:
            places[field] = found[0]
    columns = Columns(header=header, places=MappingProxyType(places))
    _require(columns, names)
    return columns


def _places(header: tuple[str, ...], accepted: Sequence[str]) -> list[int]:
    """Where these names are, in the order of the names."""
    return [place for name in map(normal, accepted) for place, own in enumerate(header) if normal(own) == name]


def _chosen(header: tuple[str, ...], name: str) -> list[int]:
    """Where the column is that a person named; spelled exactly so, if there is one."""
    found = [place for place, own in enumerate(header) if own == name] or _places(header, [name])
    if not found:
        raise Usage(f"There is no column '{name}'. The file has: {listed(header)}.")
    return found


def _require(columns: Columns, names: ColumnNames) -> None:
    needed = {
        "the day": (DAY, SINCE),
        "the campaign": (CAMPAIGN, CAMPAIGN_ID),
        "a metric": COMPARED,
    }
    for what, fields in needed.items():
        if not any(field in columns.places for field in fields):
            known = tuple(name for field in fields for name in names.get(field, ()))
            raise Usage(
                f"No column holds {what}: {listed(known) or 'no name is known'}. The file has: {listed(columns.header)}. "
                f"Export the report with it, broken down by day, or say which it is: --column {fields[0]}=NAME"
            )
