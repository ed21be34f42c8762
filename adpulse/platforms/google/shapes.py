"""The shapes of Google's answers: which rows can be stored, and why the others cannot. Pure. Step: normalise.

Protobuf keeps the types, so what is odd is a field that is not set (its default), a number that is none, or a day that was not requested.
"""

from collections.abc import Iterable
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adpulse.errors import Unreadable
from adpulse.metrics import MICROS
from adpulse.platforms.google.queries import Report
from adpulse.refused_rows import LARGEST, RefusedRow
from adpulse.refused_table import refused_table

Days = tuple[date, date]
"""The first and the last day that were requested."""

DATE = "segments.date"
_COUNTS = ("metrics.impressions", "metrics.clicks")


def accepted(report: Report, answer: pa.Table, metrics: Iterable[str], days: Days, about: str) -> tuple[pa.Table, pa.Table]:
    """The rows of a report that can be stored, and the refused ones (``refused_table.SCHEMA``).

    Args:
        report: what the rows are of.
        answer: a column per selected field; the dates become dates.
        metrics: the fields with numbers.
        days: the first and the last day that were requested.
        about: the account, for messages.

    Raises:
        Unreadable: a row without an id, or of a day that was not requested.
    """
    dates = _dates(answer[DATE], days, about)
    if pc.any(pc.less_equal(answer[report.fields["id"]], 0)).as_py():
        raise Unreadable(f"Google sent a row without {report.fields['id']} in a report of {about}.", "malformed")
    rows = answer.set_column(answer.schema.get_field_index(DATE), DATE, dates)
    reasons = np.full(rows.num_rows, "", dtype=object)
    for field in dict.fromkeys((report.fields.get("campaign", report.within), report.within)):
        reasons[rows[field].to_numpy() <= 0] = f"{field}: missing"
    for field in metrics:
        reasons[~_is_number(rows[field].to_numpy(), field)] = f"{field}: not a {'count' if field in _COUNTS else 'number'}"
    odd = reasons != ""
    if not odd.any():
        return rows, refused_table(())
    return rows.filter(pa.array(~odd)), refused_table(_refused(report, rows.filter(pa.array(odd)), reasons[odd]))


def _refused(report: Report, rows: pa.Table, reasons: Iterable[str]) -> Iterable[RefusedRow]:
    id_field = report.fields["id"]
    ids, campaigns, dates = (rows[name].to_pylist() for name in (id_field, report.fields.get("campaign", id_field), DATE))
    for external_id, campaign_id, day, reason in zip(ids, campaigns, dates, reasons, strict=True):
        campaign = str(campaign_id) if campaign_id > 0 else None
        yield RefusedRow(level=report.level.value, external_id=str(external_id), campaign_id=campaign, day=day, reason=reason)


def _is_number(values: np.ndarray, field: str) -> np.ndarray:
    """Whether each value is finite, not too large, and not negative where it counts."""
    largest = LARGEST / MICROS if values.dtype.kind == "f" else LARGEST
    least = 0 if field in _COUNTS else -largest
    return (values >= least) & (values <= largest)  # not a number is neither


def _dates(column: pa.ChunkedArray, days: Days, about: str) -> pa.ChunkedArray:
    try:
        dates = column.cast(pa.date32())
    except pa.ArrowInvalid:
        raise Unreadable(f"Google sent a row of no day (the field {DATE}) in a report of {about}.", "malformed") from None
    span = pc.min_max(dates).as_py()
    if column.length() and (span["min"] is None or span["min"] < days[0] or span["max"] > days[1] or dates.null_count):
        message = (
            f"Google sent rows of {span['min']} to {span['max']}, though {days[0]} to {days[1]} were requested, in a report of {about}."
        )
        raise Unreadable(message, "malformed")
    return dates
