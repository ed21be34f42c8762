"""Lists of connections: which ones, in which order, and from which place on."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, true, tuple_

from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Provider
from storage.control.tables import ConnectionLabelRow, ConnectionRow, Instant

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for no instant in the order, so that what never happened comes first."""

Place = tuple[str | datetime, ...]
"""The values by which a connection is ordered, the last one its id. It stays valid while connections come and go."""


class Order(StrEnum):
    """By name, by the last completed sync with the oldest first, or by status; the name decides among equals."""

    NAME = "name"
    LAST_COMPLETED = "last_completed"
    STATUS = "status"


_KEYS: dict[Order, tuple[ColumnElement[Any], ...]] = {
    Order.NAME: (),
    Order.LAST_COMPLETED: (func.coalesce(ConnectionRow.last_sync_completed_at, literal(NEVER, Instant), type_=Instant),),
    Order.STATUS: (ConnectionRow.__table__.c.status,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Which connections a list contains; None is any. ``search`` is a part of the name or of the account's id."""

    ids: Collection[str] | None = None
    workspace_id: str | None = None
    provider: Provider | None = None
    status: ConnectionStatus | None = None
    frequency: Frequency | None = None
    label: str | None = None
    search: str | None = None

    def condition(self) -> ColumnElement[bool]:
        """The SQL condition for these connections."""
        equal = {
            ConnectionRow.workspace_id: self.workspace_id,
            ConnectionRow.provider: self.provider,
            ConnectionRow.status: self.status,
            ConnectionRow.sync_frequency: self.frequency,
        }
        conditions = [column == value for column, value in equal.items() if value is not None]
        if self.ids is not None:
            conditions.append(ConnectionRow.id.in_(self.ids))
        if self.label is not None:
            conditions.append(labelled(self.label))
        if self.search is not None:
            conditions.append(
                # Escaped: a percent sign or an underscore that somebody types is no wildcard.
                or_(*(column.icontains(self.search, autoescape=True) for column in (ConnectionRow.name, ConnectionRow.external_id)))
            )
        return and_(true(), *conditions)


def labelled(label: str) -> ColumnElement[bool]:
    """The SQL condition for connections with this label."""
    return ConnectionRow.id.in_(select(ConnectionLabelRow.connection_id).where(ConnectionLabelRow.label == label))


def ordered(query: Select[*tuple[Any, ...]], order: Order = Order.NAME, after: Place | None = None) -> Select[*tuple[Any, ...]]:
    """A query of connections in this order, starting after a place."""
    # The id makes the order total, so a page that starts after a place skips and repeats nothing.
    keys = (*_KEYS[order], ConnectionRow.name, ConnectionRow.id)
    if after:
        query = query.where(tuple_(*keys) > after)
    return query.order_by(*keys)
