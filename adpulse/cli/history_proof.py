"""Compares the history in a published warehouse with what is stored now: the course of each day ends at its sum, changes add up to rows."""

from collections.abc import Iterator
from pathlib import Path

from adpulse.metrics import METRICS
from adpulse.model import Connection
from storage.warehouse.analytics import read

_ADDITIVE = [metric.name for metric in METRICS.values() if metric.additive]
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in _ADDITIVE)
_COURSE = f"""
    WITH present AS (
        SELECT date, {_SUMS} FROM daily WHERE connection_id = ? GROUP BY date
    ), newest AS (
        SELECT * FROM intraday WHERE connection_id = ? QUALIFY row_number() OVER (PARTITION BY date ORDER BY changed_at DESC) = 1
    )
    SELECT date, {", ".join(f"coalesce(n.{name}, 0) <> coalesce(p.{name}, 0) AS {name}" for name in _ADDITIVE)}
    FROM present p FULL JOIN newest n USING (date)
    WHERE {" OR ".join(f"coalesce(n.{name}, 0) <> coalesce(p.{name}, 0)" for name in _ADDITIVE)}
    ORDER BY date
"""  # noqa: S608 - our own names
_KEY = "date, level, if(external_id = '', coalesce(campaign_id, ''), external_id) AS id"
_ROWS = f"""
    WITH present AS (
        UNPIVOT (SELECT {_KEY}, {", ".join(f"{name}::DECIMAL(38, 6) AS {name}" for name in METRICS)} FROM daily WHERE connection_id = ?)
        ON {", ".join(METRICS)} INTO NAME metric VALUE stored
    ), history AS (
        SELECT {_KEY}, metric, sum(delta)::DECIMAL(38, 6) AS added FROM changes WHERE connection_id = ? GROUP BY ALL
    )
    SELECT date, level, id, metric, coalesce(stored, 0) AS stored, coalesce(added, 0) AS added
    FROM present FULL JOIN history USING (date, level, id, metric)
    WHERE coalesce(stored, 0) <> coalesce(added, 0)
    ORDER BY ALL
"""  # noqa: S608 - our own names


def history_differences(published: Path, connection: Connection) -> Iterator[str]:
    """One sentence per day whose course ends elsewhere, and per row and metric that its changes do not add up to."""
    values = [connection.id, connection.id]
    for row in read(published, _COURSE, values).to_pylist():
        metrics = ", ".join(name for name in _ADDITIVE if row[name])
        yield f"intraday {row['date']} ends at another sum than daily has: {metrics}"
    for row in read(published, _ROWS, values).to_pylist():
        yield f"changes of {row['level']} {row['id']} {row['date']}: {row['metric']} adds up to {row['added']} instead of {row['stored']}"
