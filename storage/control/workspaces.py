"""Workspaces: each has a warehouse file of its own, and may have been granted the realtime frequency."""

import re
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from adpulse.currencies import is_code
from adpulse.errors import Conflict, Usage
from storage.control.database import Engine, Session, delete_whole, reading
from storage.control.tables import ConnectionRow, WorkspaceRow

_LONGEST_NAME = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One workspace."""

    id: str
    name: str
    realtime_granted: bool
    reporting_currency: str | None = None
    """In which people see one total of accounts of several currencies; None for none."""


class Workspaces:
    """The workspaces of this installation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, name: str) -> Workspace:
        """Create a workspace. Spaces around its name are removed.

        Raises:
            Usage: the name is empty, longer than a line of 255 characters, or has control characters.
            Conflict: the name is taken.
        """
        name = _checked(name)
        workspace = Workspace(id=str(uuid4()), name=name, realtime_granted=False)
        try:
            with self._engine.begin() as session:
                session.execute(insert(WorkspaceRow).values(id=workspace.id, name=name, realtime_granted=False))
        except IntegrityError:  # the constraint decides, because two people may choose the name at once
            raise _name_taken(name) from None
        return workspace

    def get(self, reference: str) -> Workspace:
        """The workspace with this id, or else the one with this name.

        The id comes first: a workspace whose name is another one's id must not be taken for that one.

        Raises:
            Usage: there is no such workspace; the message lists the existing ones.
        """
        workspace = self.find(reference) or next((other for other in self.all() if other.name == reference), None)
        if workspace is None:
            raise Usage(f"There is no workspace '{reference}'. There are: {_names(self.all())}.")
        return workspace

    def find(self, workspace_id: str) -> Workspace | None:
        """The workspace with this id, if there is one."""
        return next(iter(self._select(workspace_id)), None)

    def get_or_only(self, reference: str | None) -> Workspace:
        """The workspace with this id or name; without a reference the only workspace.

        Raises:
            Usage: there is no such workspace, or there are several and no reference; the message lists them.
        """
        return self.get(reference) if reference else self._only()

    def _only(self) -> Workspace:
        workspaces = self.all()
        if len(workspaces) == 1:
            return workspaces[0]
        raise Usage(f"Say which workspace. There are: {_names(workspaces)}.")

    def grant_realtime(self, reference: str, *, granted: bool = True) -> Workspace:
        """Grant or withdraw the realtime frequency; connections that have it keep it until they are changed."""
        return self.change(self.get(reference).id, realtime_granted=granted)

    def change(self, workspace_id: str, *, name: str | None = None, realtime_granted: bool | None = None) -> Workspace:
        """Rename a workspace, or grant or withdraw realtime; None leaves a value as it is.

        Raises:
            Conflict: the name is taken; nothing was changed.
            Usage: there is no such workspace, or the name cannot be one, as with :meth:`create`.
        """
        name = None if name is None else _checked(name)
        values = {key: value for key, value in (("name", name), ("realtime_granted", realtime_granted)) if value is not None}
        if values:
            try:
                with self._engine.begin() as session:
                    session.execute(update(WorkspaceRow).where(WorkspaceRow.id == workspace_id).values(**values))
            except IntegrityError:
                raise _name_taken(str(name)) from None
        return self.get(workspace_id)

    def set_reporting_currency(self, workspace_id: str, currency: str | None) -> Workspace:
        """Set the currency in which people see one total, or with None remove it. Small letters are made large.

        Raises:
            Usage: it is no code of a currency, or there is no such workspace.
        """
        code = None if currency is None else currency.strip().upper()
        if code is not None and not is_code(code):
            raise Usage(f"'{currency}' is no code of a currency. Write it as EUR or USD.")
        with self._engine.begin() as session:
            session.execute(update(WorkspaceRow).where(WorkspaceRow.id == workspace_id).values(reporting_currency=code))
        return self.get(workspace_id)

    def delete(self, workspace_id: str) -> None:
        """Delete a workspace without connections, with its keys and everything else that refers to it.

        Raises:
            Conflict: it has connections; nothing was deleted.
        """
        with self._engine.begin() as session:
            if _is_used(session, workspace_id):
                raise Conflict("The workspace has connections. Delete them first: each deletion shows beforehand what it deletes.")
            delete_whole(session, WorkspaceRow, WorkspaceRow.id == workspace_id)

    def all(self) -> list[Workspace]:
        """All workspaces, ordered by name."""
        return self._select()

    def _select(self, workspace_id: str | None = None) -> list[Workspace]:
        columns = WorkspaceRow.id, WorkspaceRow.name, WorkspaceRow.realtime_granted, WorkspaceRow.reporting_currency
        query = select(*columns).order_by(WorkspaceRow.name)
        if workspace_id:
            query = query.where(WorkspaceRow.id == workspace_id)
        with reading(self._engine).connect() as session:
            return [
                Workspace(id=row.id, name=row.name, realtime_granted=row.realtime_granted, reporting_currency=row.reporting_currency)
                for row in session.execute(query)
            ]


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or _CONTROL.search(name):
        raise Usage(f"A workspace's name is a line of 1 to {_LONGEST_NAME} characters, without control characters.")
    return name


def _is_used(session: Session, workspace_id: str) -> bool:
    """Whether the workspace has connections. Its row is locked first, so that no account can be connected meanwhile."""
    session.execute(select(WorkspaceRow.id).where(WorkspaceRow.id == workspace_id).with_for_update())
    return bool(session.scalar(select(exists().where(ConnectionRow.workspace_id == workspace_id))))


def _name_taken(name: str) -> Conflict:
    return Conflict(f"There is a workspace named '{name}' already.")


def _names(workspaces: list[Workspace]) -> str:
    """The workspaces' names, or how to create a workspace."""
    return ", ".join(workspace.name for workspace in workspaces) or "none yet: adpulse workspace create NAME"
