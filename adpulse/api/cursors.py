"""Cursors: a place in an ordered list of connections, as text that a client hands back. It is no secret, and holds nothing else."""

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
    """The place that a cursor of this order stands for.

    Raises:
        Usage: it was not given out, or for another order.
    """
    try:
        told, *place = _PLACES.validate_json(base64.urlsafe_b64decode(cursor))
        place = [each.astimezone(UTC) if isinstance(each, datetime) else each for each in place]
    except (binascii.Error, ValueError, OverflowError):
        told, place = None, []
    if told is not order:
        raise Usage("The cursor is none that this API gave out for this order. Begin without one.") from None
    return tuple(place)
