"""What people say about a workspace's connections: what a published copy tells of them beside their numbers."""

from dataclasses import dataclass

from adpulse.budgets import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDescription:
    """A connection in the words of the control plane, so that a damaged row delays no other; labels are in alphabetical order."""

    connection_id: str
    name: str
    frequency: str
    labels: tuple[str, ...]
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceDescription:
    """The connections, and the budgets of them, of their campaigns and of their labels."""

    connections: tuple[ConnectionDescription, ...] = ()
    budgets: tuple[Budget, ...] = ()
