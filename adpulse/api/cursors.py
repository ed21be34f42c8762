"""Cursors: a place in an ordered list of connections, as text that a client sends back. It contains nothing else, and no secret."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, StringConstraints, TypeAdapter

from adpulse.api.fields import Id
from adpulse.errors import Usage
from storage.control.connections import ConnectionView
from storage.control.listing import NEVER, Order, Place

_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]  # PostgreSQL takes no NUL
_PLACES: TypeAdapter[tuple[Any, ...]] = TypeAdapter(
    tuple[Literal[Order.NAME], _Text, Id]
    | tuple[Literal[Order.LAST_COMPLETED], AwareDatetime, _Text, Id]
    | tuple[Literal[Order.STATUS], _Text, _Text, Id]
)


def encode(view: ConnectionView, order: Order) -> str:
    """The place of a connection."""
    first: dict[Order, Place] = {
        Order.NAME: (),
        Order.LAST_COMPLETED: (view.last_sync_completed_at or NEVER,),
        Order.STATUS: (view.connection.status.value,),
    }
    place = (order, *first[order], view.connection.name, view.connection.id)
    return base64.urlsafe_b64encode(_PLACES.dump_json(place)).decode()


def decode(cursor: str, order: Order) -> Place:
    """The place that a cursor of this order encodes.

    Raises:
        Usage: it is invalid, or belongs to another order.
    """
    try:
        encoded_order, *place = _PLACES.validate_json(base64.urlsafe_b64decode(cursor))
        place = [value.astimezone(UTC) if isinstance(value, datetime) else value for value in place]
    except (binascii.Error, ValueError, OverflowError):
        encoded_order, place = None, []
    if encoded_order is not order:
        raise Usage("The cursor is invalid for this order. Start without a cursor.") from None
    return tuple(place)
