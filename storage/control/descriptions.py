"""Descriptions of workspaces, as published copies have them."""

from sqlalchemy import ColumnElement, Row, select, true

from adpulse.budgets import Budget
from adpulse.workspace_description import ConnectionDescription, WorkspaceDescription
from storage.control import labels
from storage.control.budgets import Budgets
from storage.control.database import Engine, reading
from storage.control.tables import ConnectionRow

_DESCRIPTIONS = select(
    ConnectionRow.workspace_id, ConnectionRow.id, ConnectionRow.name, ConnectionRow.sync_frequency, ConnectionRow.status, labels.AS_TEXT
).order_by(ConnectionRow.id)


class Descriptions:
    """The descriptions of this installation's workspaces."""

    def __init__(self, engine: Engine, budgets: Budgets) -> None:
        self._engine = engine
        self._budgets = budgets

    def of(self, workspace_id: str) -> WorkspaceDescription:
        """That of one workspace."""
        connections = self._connections(ConnectionRow.workspace_id == workspace_id).get(workspace_id, ())
        return WorkspaceDescription(connections=tuple(connections), budgets=tuple(self._budgets.all(workspace_id)))

    def all(self) -> dict[str, WorkspaceDescription]:
        """That of each workspace that has any connection, by its id."""
        budgets: dict[str, list[Budget]] = {}
        for budget in self._budgets.all():
            budgets.setdefault(budget.workspace_id, []).append(budget)
        return {
            workspace_id: WorkspaceDescription(connections=tuple(connections), budgets=tuple(budgets.get(workspace_id, ())))
            for workspace_id, connections in self._connections(true()).items()
        }

    def _connections(self, condition: ColumnElement[bool]) -> dict[str, list[ConnectionDescription]]:
        """By the ids of their workspaces."""
        described: dict[str, list[ConnectionDescription]] = {}
        with reading(self._engine).connect() as session:
            for row in session.execute(_DESCRIPTIONS.where(condition)):
                described.setdefault(row.workspace_id, []).append(_description(row))
        return described


def _description(row: Row[tuple[str, str, str, str, str, str]]) -> ConnectionDescription:
    return ConnectionDescription(
        connection_id=row.id,
        name=row.name,
        frequency=row.sync_frequency,
        labels=tuple(sorted(row.labels.split(labels.SEPARATOR))) if row.labels else (),
        status=row.status,
    )
