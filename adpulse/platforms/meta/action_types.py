"""The action types of a whole account, from one row of insights. Pure."""

from collections.abc import Mapping

from adpulse.attribution import CLICK_WINDOWS, parts
from adpulse.conversion_types import ConversionType, ConversionTypes
from adpulse.errors import Unavailable
from adpulse.platforms.meta.metrics import CLICK_FIELDS, VISITORS, ActionRow, micros
from adpulse.platforms.meta.shapes import Row
from adpulse.refused_rows import RowRefused

_DEFAULT_WINDOWS = ("7d_click", "1d_view")
"""The setting that ad sets begin with (Meta's help, "About attribution settings")."""


def action_types(answer: Row, about: str) -> ConversionTypes:
    """Every action type of the answer's only row; none of an account without delivery, which has no row.

    A row without ``actions`` says nothing about them: Meta returns "no data" for conversions where campaigns of different attribution are
    added up (reference of the edge ``insights``).

    Raises:
        Unavailable: the answer is no page of one row at most, or a value cannot be read.
    """
    rows = answer.get("data")
    if not isinstance(rows, list) or len(rows) > 1 or not all(isinstance(row, dict) for row in rows):
        raise Unavailable(f"Meta's answer for {about} is not the one row that was requested.", "malformed")
    if not rows:
        return ConversionTypes()
    try:
        row = ActionRow.of(rows[0])
        clicks = {kind: row.count(field) for kind, field in CLICK_FIELDS.items()}
        types = tuple(_type(name, row) for name in dict.fromkeys((*row.counts, *row.values)))
    except RowRefused as refused:
        raise Unavailable(f"Meta's action types of {about} cannot be read: {refused}.", "malformed") from None
    return ConversionTypes(types=types, clicks=clicks, withheld=rows[0].get("actions") is None)


def _type(name: str, row: ActionRow) -> ConversionType:
    counts, values = (
        {column: micros(number, name) for column, number in by_type.get(name, {}).items()} for by_type in (row.counts, row.values)
    )
    return ConversionType(
        names=(name,),
        count=_own(counts),
        value=_own(values),
        counts_in=_in_windows(name, counts),
        values_in=_in_windows(name, values),
    )


def _own(columns: Mapping[str, int]) -> int | None:
    """By each ad set's own setting; in Meta's default windows where the account's settings differ and it says nothing of them."""
    return columns.get("value", sum(parts(columns, _DEFAULT_WINDOWS))) if columns else None


def _in_windows(name: str, columns: Mapping[str, int]) -> Mapping[str, int]:
    """By window; views of landing pages without a window count in each after a click, as in reports."""
    in_windows = {window: number for window, number in columns.items() if window != "value"}
    return in_windows if in_windows or name not in VISITORS else dict.fromkeys(CLICK_WINDOWS, columns.get("value", 0))
