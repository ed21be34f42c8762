"""Descriptions of connections, as published copies have them."""

from sqlalchemy import Row, select

from adpulse.connection_description import ConnectionDescription
from storage.control import labels
from storage.control.database import Engine, reading
from storage.control.tables import ConnectionRow

_DESCRIPTIONS = select(
    ConnectionRow.workspace_id, ConnectionRow.id, ConnectionRow.name, ConnectionRow.sync_frequency, ConnectionRow.status, labels.AS_TEXT
).order_by(ConnectionRow.id)


class Descriptions:
    """The descriptions of this installation's connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, workspace_id: str) -> tuple[ConnectionDescription, ...]:
        """Those of one workspace."""
        with reading(self._engine).connect() as session:
            rows = session.execute(_DESCRIPTIONS.where(ConnectionRow.workspace_id == workspace_id)).all()
        return tuple(_description(row) for row in rows)

    def all(self) -> dict[str, tuple[ConnectionDescription, ...]]:
        """Those of each workspace that has any, by its id."""
        described: dict[str, list[ConnectionDescription]] = {}
        with reading(self._engine).connect() as session:
            for row in session.execute(_DESCRIPTIONS):
                described.setdefault(row.workspace_id, []).append(_description(row))
        return {workspace_id: tuple(descriptions) for workspace_id, descriptions in described.items()}


def _description(row: Row[tuple[str, str, str, str, str, str]]) -> ConnectionDescription:
    return ConnectionDescription(
        connection_id=row.id,
        name=row.name,
        frequency=row.sync_frequency,
        labels=tuple(sorted(row.labels.split(labels.SEPARATOR))) if row.labels else (),
        status=row.status,
    )
