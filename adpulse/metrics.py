"""The metrics: their names and order, the Arrow schema of their rows, and the profit that a margin makes. Pure."""

from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from adpulse.errors import Usage

MICROS = 1_000_000
MARGIN_UNIT = Decimal("0.000001")
"""Margins are kept with six digits."""

METRICS = ("impressions", "clicks", "spend", "conversions", "revenue", "leads", "installs", "purchases", "visitors", "profit")
"""The ten metrics, in column order. impressions and clicks are counts, the other eight micros."""

SPLIT_METRICS = ("leads", "installs", "purchases", "visitors")
"""Kinds of conversions, which Google tells in a query of its own."""

METRIC_SCHEMA = pa.schema(
    [
        pa.field("connection_id", pa.string(), nullable=False),
        pa.field("level", pa.string(), nullable=False),
        pa.field("external_id", pa.string(), nullable=False),
        pa.field("campaign_id", pa.string(), nullable=False),
        pa.field("date", pa.date32(), nullable=False),
        *(pa.field(name, pa.int64()) for name in METRICS),
    ]
)
"""One row per entity and day. Null means that the answer does not say: stored leaves keep what they have, totals stay null.

``campaign_id`` is on the row because an ad's first numbers arrive before its entity does. In account totals it is empty.
"""


def parse_margin(text: str) -> Decimal:
    """A gross margin as people write it: ``0.35`` or ``35%``.

    Raises:
        Usage: it is neither, or beyond 0 to 1, or finer than is kept.
    """
    try:
        told = Decimal(text.strip().removesuffix("%"))
        margin = told.scaleb(-2) if text.strip().endswith("%") else told
        kept = margin.quantize(MARGIN_UNIT)
    except InvalidOperation:
        margin = kept = Decimal("NaN")
    if margin.is_nan() or margin != kept or not 0 <= margin <= 1:
        raise Usage(f"'{text}' is no margin. Give a share from 0 to 1, such as 0.35, or a percentage, such as 35%; six digits at most.")
    return abs(kept)  # -0 is 0


def with_profit(rows: pa.Table, gross_margin: Decimal) -> pa.Table:
    """The rows with the profit that this margin makes: revenue times margin, rounded half-even to the micro, less spend.

    Null where the revenue is.
    """
    margin = pa.scalar(gross_margin.quantize(MARGIN_UNIT), pa.decimal128(7, 6))
    exact = pc.multiply(rows["revenue"].cast(pa.decimal128(19)), margin)
    earned = pc.round(exact, 0, "half_to_even").cast(pa.int64())
    place = rows.schema.get_field_index("profit")
    return rows.set_column(place, rows.schema.field(place), pc.subtract_checked(earned, rows["spend"]))
