"""Which connections a list holds, and in which order: a place in it holds for whoever asks for what follows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, true, tuple_

from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Provider
from storage.control.tables import ConnectionLabelRow, ConnectionRow, Instant

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for no instant: what never happened comes first."""

Place = tuple[str | datetime, ...]
"""The values that a connection is ordered by; the last one is its id."""


class Order(StrEnum):
    """By name; by when a sync completed last, the longest ago first; by status. The name orders those that are alike."""

    NAME = "name"
    LAST_COMPLETED = "last_completed"
    STATUS = "status"


_KEYS: dict[Order, tuple[ColumnElement[Any], ...]] = {
    Order.NAME: (),
    Order.LAST_COMPLETED: (func.coalesce(ConnectionRow.last_sync_completed_at, literal(NEVER, Instant), type_=Instant),),
    Order.STATUS: (ConnectionRow.__table__.c.status,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which connections; None is any. ``search`` is a part of the name or of the account's id."""

    workspace_id: str | None = None
    provider: Provider | None = None
    status: ConnectionStatus | None = None
    frequency: Frequency | None = None
    label: str | None = None
    search: str | None = None

    def condition(self) -> ColumnElement[bool]:
        """True of those."""
        same = {
            ConnectionRow.workspace_id: self.workspace_id,
            ConnectionRow.provider: self.provider,
            ConnectionRow.status: self.status,
            ConnectionRow.sync_frequency: self.frequency,
        }
        told = [column == value for column, value in same.items() if value is not None]
        if self.label is not None:
            told.append(labelled(self.label))
        if self.search is not None:
            told.append(
                or_(*(column.icontains(self.search, autoescape=True) for column in (ConnectionRow.name, ConnectionRow.external_id)))
            )
        return and_(true(), *told)


def labelled(label: str) -> ColumnElement[bool]:
    """True of connections that have this label."""
    return ConnectionRow.id.in_(select(ConnectionLabelRow.connection_id).where(ConnectionLabelRow.label == label))


def ordered(found: Select[Any], order: Order = Order.NAME, after: Place | None = None) -> Select[Any]:
    """The connections of a query in this order; those that follow a place."""
    keys = (*_KEYS[order], ConnectionRow.name, ConnectionRow.id)
    if after:
        found = found.where(tuple_(*keys) > after)
    return found.order_by(*keys)
