"""The action types of a whole account, from one row of insights. Pure."""

from adpulse.conversion_types import ConversionType, ConversionTypes
from adpulse.errors import Unavailable
from adpulse.platforms.meta.metrics import CLICK_FIELDS, ActionRow, micros
from adpulse.platforms.meta.shapes import Row
from adpulse.refused_rows import RowRefused


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
    count, value = (micros(numbers[name], name) if name in numbers else None for numbers in (row.counts, row.values))
    return ConversionType(names=(name,), count=count, value=value)
