"""An exported report as numbers per campaign, day and metric. Pure.

Rows of one campaign and day are added up, so an export of ads or of devices will do as well. Totals rows are left out: Ads Manager's
first row has no names, Google Ads' last rows say ``Total: …`` and have no day.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property, partial

from adpulse.errors import Usage
from adpulse.metrics import METRICS, Unit
from adpulse.verification.columns import (
    ATTRIBUTION,
    CAMPAIGN,
    CAMPAIGN_ID,
    CURRENCY,
    DAY,
    LOWEST,
    SINCE,
    UNTIL,
    ColumnNames,
    Columns,
    normal,
    resolve,
)
from adpulse.verification.dates import DateOrder, Place, order_of, parse_day
from adpulse.verification.numbers import Notation, NumberCell, notation_of
from adpulse.verification.table import TOTAL, Line, read_table

Key = tuple[str, date]
"""A campaign, by its id or else by its name, and a day."""

_BLANK = frozenset({"", "-", "--", "—"})
_ROUNDED_ID = re.compile(r"\d+(?:[.,]\d+)?E\+?\d+", re.IGNORECASE | re.ASCII)
_ALL = frozenset({"all", "alle"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What the rows of one campaign and day say together."""

    rows: int
    values: Mapping[str, Decimal]
    """By metric, in units; without the metrics of which no row says anything."""

    name: str
    """The campaign's name, if the file has it."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """What an export says."""

    columns: Columns
    sums: Mapping[Key, Sum]
    decimals: Mapping[str, int]
    """Most digits after the decimal sign in each metric's column."""

    totals: int
    """How many totals rows were left out."""

    currencies: frozenset[str]
    attribution: tuple[str, ...]
    """The attribution settings that the rows name."""

    @property
    def by_id(self) -> bool:
        """Whether campaigns are known by id, and not by name."""
        return CAMPAIGN_ID in self.columns.places

    @cached_property
    def days(self) -> tuple[date, date]:
        """The first day and the last one."""
        days = {day for _, day in self.sums}
        return min(days), max(days)

    @cached_property
    def told(self) -> frozenset[tuple[str, str]]:
        """The campaigns and metrics of which any row says something.

        There a blank cell is a zero. Elsewhere it may be one, or the platform withholds the numbers, as Meta does those of campaigns
        whose ad sets attribute differently.
        """
        return frozenset((campaign, metric) for (campaign, _), total in self.sums.items() for metric in total.values)

    @cached_property
    def campaigns(self) -> Mapping[str, str]:
        """The name of each campaign, by its key."""
        return {campaign: total.name for (campaign, _), total in self.sums.items()}


def read_export(
    content: bytes,
    names: ColumnNames,
    chosen: Mapping[str, str],
    notation: Notation | None = None,
    order: DateOrder | None = None,
) -> Export:
    """Read an exported file.

    Args:
        content: the file.
        names: the names that the platform's columns may have.
        chosen: the names that a person said, by what the column holds.
        notation: how the numbers are written, if a person said so.
        order: the same of days with slashes.

    Raises:
        Usage: it is no such file, or something in it could be misread; the message says what to do.
    """
    known = {normal(name) for accepted in (*names.values(), chosen.values()) for name in accepted}
    table = read_table(content, lambda cell: normal(cell) in known)
    columns = resolve(table.header, names, chosen)
    below_campaigns = any(_cell(line, columns, LOWEST) for line in table.lines)
    lines = [line for line in table.lines if not _is_total(line, columns, below_campaigns=below_campaigns)]
    if not lines:
        raise Usage("The file has a header, but no row of a campaign and a day.")
    cells = {metric: partial(_cells, lines, columns, metric) for metric in columns.metrics}
    found = notation_of((cell for column in cells.values() for cell in column()), notation)
    values = {metric: [cell.value(found) for cell in column()] for metric, column in cells.items()}
    return Export(
        columns=columns,
        sums=_summed(_keys(lines, columns, order_of(_days(lines, columns), order)), lines, columns, values),
        decimals={metric: _decimals(column(), found) for metric, column in cells.items()},
        totals=len(table.lines) - len(lines),
        currencies=columns.currencies | _distinct(lines, columns, CURRENCY),
        attribution=tuple(sorted(_distinct(lines, columns, ATTRIBUTION))),
    )


def _cell(line: Line, columns: Columns, field: str) -> str:
    """What a row says there; empty where it says nothing, or there is no such column."""
    text = line.cells[columns.places[field]] if field in columns.places else ""
    return "" if text in _BLANK else text


def _is_total(line: Line, columns: Columns, *, below_campaigns: bool) -> bool:
    """Whether a row is the sum of others; ``below_campaigns``: the file's rows are of something below campaigns."""
    day = _cell(line, columns, DAY if DAY in columns.places else SINCE)
    campaign, campaign_id = _cell(line, columns, CAMPAIGN), _cell(line, columns, CAMPAIGN_ID)
    if not day or TOTAL.fullmatch(day) or not (campaign or campaign_id):
        return True
    if not campaign_id and TOTAL.fullmatch(campaign):
        return True
    lowest = _cell(line, columns, LOWEST).casefold()
    return below_campaigns and (not lowest or lowest in _ALL)


def _cells(lines: list[Line], columns: Columns, metric: str) -> Iterator[NumberCell]:
    """A column's cells, made anew each time: a large file has millions."""
    place, name, whole = columns.places[metric], columns.name(metric), METRICS[metric].unit is Unit.COUNT
    for line in lines:
        yield NumberCell(text=line.cells[place], column=name, line=line.number, whole=whole)


def _decimals(column: Iterator[NumberCell], notation: Notation) -> int:
    return max((len(cell.bare.rpartition(notation.value)[2]) for cell in column if notation.value in cell.bare), default=0)


def _distinct(lines: list[Line], columns: Columns, field: str) -> frozenset[str]:
    return frozenset(text for line in lines if (text := _cell(line, columns, field)))


def _summed(keys: Iterator[Key], lines: list[Line], columns: Columns, values: Mapping[str, list[Decimal | None]]) -> Mapping[Key, Sum]:
    places = defaultdict[Key, list[int]](list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return {
        key: Sum(
            rows=len(own),
            values={metric: sum(numbers, Decimal(0)) for metric, column in values.items() if (numbers := _numbers(column, own))},
            name=_cell(lines[own[-1]], columns, CAMPAIGN),
        )
        for key, own in places.items()
    }


def _numbers(column: list[Decimal | None], places: list[int]) -> list[Decimal]:
    return [number for place in places if (number := column[place]) is not None]


def _keys(lines: list[Line], columns: Columns, order: DateOrder) -> Iterator[Key]:
    for line in lines:
        campaign = _campaign_id(line, columns) if CAMPAIGN_ID in columns.places else _cell(line, columns, CAMPAIGN)
        yield campaign, _day(line, columns, order)


def _campaign_id(line: Line, columns: Columns) -> str:
    text = _cell(line, columns, CAMPAIGN_ID)
    if not text:
        raise Usage(f"Line {line.number} has no id in the column '{columns.name(CAMPAIGN_ID)}'. Export the file again.")
    if _ROUNDED_ID.fullmatch(text):
        raise Usage(f"The id '{text}' in line {line.number} was rounded by a spreadsheet program. Use the file as it was exported.")
    return text


def _days(lines: list[Line], columns: Columns) -> Iterator[Place]:
    """Every cell that should hold a day."""
    fields = [field for field in (DAY, SINCE, UNTIL) if field in columns.places]
    return ((_cell(line, columns, field), line.number) for line in lines for field in fields)


def _day(line: Line, columns: Columns, order: DateOrder) -> date:
    if DAY in columns.places:
        return parse_day((_cell(line, columns, DAY), line.number), order)
    since = parse_day((_cell(line, columns, SINCE), line.number), order)
    until = parse_day((_cell(line, columns, UNTIL), line.number), order) if UNTIL in columns.places else None
    if until != since:
        raise Usage(f"Line {line.number} is of more days than {since}. Export the report with the breakdown by day.")
    return since
