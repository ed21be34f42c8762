"""The connection that a person names within a workspace."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from adpulse.errors import NotFound, Usage

if TYPE_CHECKING:
    from storage.control.connections import ConnectionView


def connection_named(views: Iterable["ConnectionView"], reference: str) -> "ConnectionView":
    """The connection of a workspace's with this id, or the only one with this name.

    Raises:
        Usage: several have the name; the message lists their ids.
        NotFound: there is none.
    """
    views = list(views)
    matches = [view for view in views if reference == view.connection.id] or [view for view in views if reference == view.connection.name]
    if len(matches) > 1:
        raise Usage(f"Several connections are named '{reference}'. Use one of the ids: {', '.join(one.connection.id for one in matches)}.")
    if not matches:
        raise NotFound(f"There is no connection '{reference}'.")
    return matches[0]
