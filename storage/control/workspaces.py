"""Workspaces: who shares a warehouse file, and who was granted realtime."""

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from adpulse.errors import Conflict, Usage
from storage.control.database import Engine, Session, delete_whole, reading
from storage.control.tables import ConnectionRow, WorkspaceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One workspace."""

    id: str
    name: str
    realtime_granted: bool


class Workspaces:
    """The workspaces of this installation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, name: str) -> Workspace:
        """A new workspace.

        Raises:
            Conflict: the name is taken.
        """
        made = Workspace(id=str(uuid4()), name=name, realtime_granted=False)
        try:
            with self._engine.begin() as session:
                session.execute(insert(WorkspaceRow).values(id=made.id, name=name, realtime_granted=False))
        except IntegrityError:
            raise _taken(name) from None
        return made

    def get(self, reference: str) -> Workspace:
        """The workspace with this id, or else the one with this name: whoever names theirs like another one's id does not become it.

        Raises:
            Usage: there is none; lists those there are.
        """
        found = self.find(reference) or next((each for each in self.all() if each.name == reference), None)
        if found is None:
            raise Usage(f"There is no workspace '{reference}'. There are: {_listed(self.all())}.")
        return found

    def find(self, workspace_id: str) -> Workspace | None:
        """The workspace with this id, if there is one."""
        return next(iter(self._select(workspace_id)), None)

    def named(self, reference: str | None) -> Workspace:
        """The workspace with this id or name; the only one there is where none is named.

        Raises:
            Usage: there is none, or several and none is named; lists those there are.
        """
        return self.get(reference) if reference else self._only()

    def _only(self) -> Workspace:
        found = self.all()
        if len(found) == 1:
            return found[0]
        raise Usage(f"Say which workspace. There are: {_listed(found)}.")

    def grant_realtime(self, reference: str, *, granted: bool = True) -> Workspace:
        """Allow or no longer allow the realtime frequency; connections that have it keep it until changed."""
        return self.change(self.get(reference).id, realtime_granted=granted)

    def change(self, workspace_id: str, *, name: str | None = None, realtime_granted: bool | None = None) -> Workspace:
        """Rename a workspace, or change what it was granted; None leaves it as it is.

        Raises:
            Conflict: the name is taken; nothing was changed.
            Usage: there is no such workspace.
        """
        values = {key: value for key, value in (("name", name), ("realtime_granted", realtime_granted)) if value is not None}
        if values:
            try:
                with self._engine.begin() as session:
                    session.execute(update(WorkspaceRow).where(WorkspaceRow.id == workspace_id).values(**values))
            except IntegrityError:
                raise _taken(str(name)) from None
        return self.get(workspace_id)

    def delete(self, workspace_id: str) -> None:
        """Delete a workspace that has no connections, with its keys and all else that was kept for it.

        Raises:
            Conflict: it has connections; nothing was deleted.
        """
        with self._engine.begin() as session:
            if _is_used(session, workspace_id):
                raise Conflict("The workspace has connections. Delete them first: each says before what goes with it.")
            delete_whole(session, WorkspaceRow, WorkspaceRow.id == workspace_id)

    def all(self) -> list[Workspace]:
        """Every workspace, by name."""
        return self._select()

    def _select(self, workspace_id: str | None = None) -> list[Workspace]:
        found = select(WorkspaceRow.id, WorkspaceRow.name, WorkspaceRow.realtime_granted).order_by(WorkspaceRow.name)
        if workspace_id:
            found = found.where(WorkspaceRow.id == workspace_id)
        with reading(self._engine).connect() as session:
            return [Workspace(id=row.id, name=row.name, realtime_granted=row.realtime_granted) for row in session.execute(found)]


def _is_used(session: Session, workspace_id: str) -> bool:
    """Locks the workspace first: nobody connects an account meanwhile."""
    session.execute(select(WorkspaceRow.id).where(WorkspaceRow.id == workspace_id).with_for_update())
    return bool(session.scalar(select(exists().where(ConnectionRow.workspace_id == workspace_id))))


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a workspace named '{name}' already.")


def _listed(found: list[Workspace]) -> str:
    """The workspaces by name, or how to get one."""
    return ", ".join(each.name for each in found) or "none yet: adpulse workspace create NAME"
