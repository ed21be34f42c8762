"""Stores exchange rates in the workspaces' warehouses, where the view ``fx`` and the macro ``daily_in`` use them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from adpulse.exchange_rates import RATE_DAYS, Rate, read_rates
from storage.control.workspaces import Workspace
from storage.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """How many of a file's rates a workspace did not have like this, and the last day on which the newest counts."""

    workspace: Workspace
    changed: int
    until: date


def import_rates(warehouse: Callable[[str], Warehouse], content: bytes, workspaces: Iterable[Workspace]) -> Iterator[Imported]:
    """Store the rates of a file (:func:`adpulse.exchange_rates.read_rates`) in each workspace, one after the other.

    Rates of other days and currencies stay as they are. ``warehouse`` opens the one of a workspace's id.

    Raises:
        Usage: the file has no rates; nothing was stored.
        WarehouseBusy, WarehouseDamaged, DiskFull: the workspaces before that one have the rates.
    """
    rates = read_rates(content)
    table, newest = _table(rates), max(rate.date for rate in rates)
    for workspace in workspaces:
        changed = warehouse(workspace.id).store_rates(table)
        yield Imported(workspace=workspace, changed=changed, until=newest + timedelta(days=RATE_DAYS))


def _table(rates: list[Rate]) -> pa.Table:
    return pa.table(
        {
            "date": pa.array([rate.date for rate in rates], pa.date32()),
            "currency": pa.array([rate.currency for rate in rates], pa.string()),
            "per_euro": pa.array([rate.per_euro for rate in rates], pa.decimal128(18, 8)),
        }
    )
