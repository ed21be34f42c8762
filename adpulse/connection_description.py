"""What people say about a connection, and whether it is synced: what a published copy tells of it beside its numbers."""

from dataclasses import dataclass

from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDescription:
    """A connection as the control plane has it. Its labels are in alphabetical order."""

    connection_id: str
    name: str
    frequency: Frequency
    labels: tuple[str, ...]
    status: ConnectionStatus
