"""Labels: words by which people sort their connections, and choose many of them at once."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from sqlalchemy import delete, func, insert, select

from adpulse.errors import UnknownConnection, Usage
from storage.control.database import Engine, lock, reading
from storage.control.tables import ConnectionLabelRow, ConnectionRow

SEPARATOR = ","
"""Separates labels in a text; no label contains it."""

MAX_LABELS = 50
MAX_LENGTH = 64
_LABEL = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff{SEPARATOR}]{{1,{MAX_LENGTH}}}")

AS_TEXT = (
    # SQLAlchemy spells it for each database: group_concat or string_agg.
    select(func.aggregate_strings(ConnectionLabelRow.label, SEPARATOR))
    .where(ConnectionLabelRow.connection_id == ConnectionRow.id)
    .correlate(ConnectionRow)
    .scalar_subquery()
    .label("labels")
)
"""A connection's labels, as a column of a query of connections."""


class Labels:
    """The labels of this installation's connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, workspace_id: str | None = None) -> list[str]:
        """All labels in use, or those in use in one workspace, in alphabetical order."""
        labels = select(ConnectionLabelRow.label).distinct().order_by(ConnectionLabelRow.label)
        if workspace_id:
            labels = labels.join(ConnectionRow).where(ConnectionRow.workspace_id == workspace_id)
        with reading(self._engine).connect() as session:
            return list(session.scalars(labels))

    def replace(self, wanted: Mapping[str, Collection[str]]) -> None:
        """Give each of these connections, by its id, exactly these labels, which are valid; all in one transaction.

        Raises:
            UnknownConnection: one of them was deleted; nothing was changed.
        """
        with self._engine.begin() as session:
            if len(lock(session, ConnectionRow.id.in_(wanted))) < len(wanted):
                raise UnknownConnection("One of the connections was deleted meanwhile. Nothing was changed.")
            session.execute(delete(ConnectionLabelRow).where(ConnectionLabelRow.connection_id.in_(wanted)))
            rows = [{"connection_id": connection_id, "label": label} for connection_id, labels in wanted.items() for label in labels]
            if rows:
                session.execute(insert(ConnectionLabelRow), rows)

    def change(self, connection_id: str, change: Callable[[frozenset[str]], Iterable[str]]) -> None:
        """Replace a connection's labels by what ``change`` returns for its present ones.

        Raises:
            UnknownConnection: there is no such connection, or it was deleted.
            Usage: a label is not valid, or there are too many; nothing was changed.
        """
        of_connection = ConnectionLabelRow.connection_id == connection_id
        with self._engine.begin() as session:
            # Locked, so that of two changes at once neither loses the other's labels.
            if not lock(session, ConnectionRow.id == connection_id):
                raise UnknownConnection(f"There is no connection '{connection_id}'.")
            present = frozenset(session.scalars(select(ConnectionLabelRow.label).where(of_connection)))
            wanted = check(change(present))
            session.execute(delete(ConnectionLabelRow).where(of_connection, ConnectionLabelRow.label.in_(present - wanted)))
            if added := wanted - present:
                session.execute(insert(ConnectionLabelRow), [{"connection_id": connection_id, "label": label} for label in added])


def check(labels: Iterable[str]) -> frozenset[str]:
    """The labels without surrounding blanks and without duplicates.

    Raises:
        Usage: a label is not valid, or there are too many.
    """
    wanted = frozenset(label.strip() for label in labels)
    for label in wanted:
        if not _LABEL.fullmatch(label):
            raise Usage(f"'{label}' is not a label. Use up to {MAX_LENGTH} characters on one line, without commas.")
    if len(wanted) > MAX_LABELS:
        raise Usage(f"A connection has {MAX_LABELS} labels at most.")
    return wanted
