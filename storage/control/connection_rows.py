"""Rows of connections as the frozen connections that everything else works with."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from adpulse.frequency import Frequency
from adpulse.model import Connection, ConnectionStatus, PageSizes, Provider
from storage.control.database import columns
from storage.control.filters import filters_of
from storage.control.mappings import mapping_of
from storage.control.tables import ConnectionRow

CONNECTION_COLUMNS = tuple(column for column in ConnectionRow.__table__.columns)

_CONVERTED = frozenset({"provider", "frequency", "status", "filters", "page_sizes", "mapping"})
_PLAIN = tuple(name for name in Connection.__dataclass_fields__ if name not in _CONVERTED)
"""Fields that equal a column, by name and type."""


def connection_of(row: Row[*tuple[Any, ...]]) -> Connection:
    """The frozen connection of a row."""
    return connection_from(columns(row))


def connection_from(values: Mapping[str, Any]) -> Connection:
    """The frozen connection of a row's columns, by their names."""
    converted: dict[str, Any] = {
        "provider": Provider(values["provider"]),
        "frequency": Frequency(values["sync_frequency"]),
        "status": ConnectionStatus(values["status"]),
        "filters": filters_of(values),
        "mapping": mapping_of(values),
        "page_sizes": PageSizes(report=values["report_page"], walk=values["walk_page"]),
    }
    return Connection(**converted, **{name: values[name] for name in _PLAIN})
