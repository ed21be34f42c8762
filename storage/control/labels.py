"""Labels: words that people sort their connections by, and choose many at once with."""

import re
from collections.abc import Callable, Iterable

from sqlalchemy import delete, func, insert, select

from adpulse.errors import UnknownConnection, Usage
from storage.control.database import Engine, lock, reading
from storage.control.tables import ConnectionLabelRow, ConnectionRow

BETWEEN = ","
"""Stands between labels where they are told as one text; none has it."""

MOST = 50
LONGEST = 64
_LABEL = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff{BETWEEN}]{{1,{LONGEST}}}")

AS_TEXT = (
    select(func.aggregate_strings(ConnectionLabelRow.label, BETWEEN))
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

    def every(self, workspace_id: str | None = None) -> list[str]:
        """Every label that a connection has, of this workspace if one is given, in order."""
        labels = select(ConnectionLabelRow.label).distinct().order_by(ConnectionLabelRow.label)
        if workspace_id:
            labels = labels.join(ConnectionRow).where(ConnectionRow.workspace_id == workspace_id)
        with reading(self._engine).connect() as session:
            return list(session.scalars(labels))

    def change(self, connection_id: str, change: Callable[[frozenset[str]], Iterable[str]]) -> None:
        """Give a connection the labels that ``change`` makes of those it has.

        Raises:
            UnknownConnection: there is none (any more).
            Usage: one is no label, or they are too many; nothing was changed.
        """
        mine = ConnectionLabelRow.connection_id == connection_id
        with self._engine.begin() as session:
            if not lock(session, ConnectionRow.id == connection_id):
                raise UnknownConnection(f"There is no connection '{connection_id}'.")
            now = frozenset(session.scalars(select(ConnectionLabelRow.label).where(mine)))
            wanted = check(change(now))
            session.execute(delete(ConnectionLabelRow).where(mine, ConnectionLabelRow.label.in_(now - wanted)))
            if wanted - now:
                session.execute(insert(ConnectionLabelRow), [{"connection_id": connection_id, "label": each} for each in wanted - now])


def check(labels: Iterable[str]) -> frozenset[str]:
    """The labels without blanks around them, each once.

    Raises:
        Usage: one is no label, or they are too many.
    """
    wanted = frozenset(each.strip() for each in labels)
    for each in wanted:
        if not _LABEL.fullmatch(each):
            raise Usage(f"'{each}' is no label. Use up to {LONGEST} characters on one line, without commas.")
    if len(wanted) > MOST:
        raise Usage(f"A connection has {MOST} labels at most.")
    return wanted
