"""What people say about a connection, and whether it is synced: what a published copy tells of it beside its numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDescription:
    """A connection in the words of the control plane, so that a damaged row delays no other; labels are in alphabetical order."""

    connection_id: str
    name: str
    frequency: str
    labels: tuple[str, ...]
    status: str
