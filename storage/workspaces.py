"""Workspaces: who shares a warehouse file, and who was granted realtime."""

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from adpulse.errors import Conflict, Usage
from storage.control import Engine, WorkspaceRow, reading


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
            raise Conflict(f"There is a workspace named '{name}' already.") from None
        return made

    def get(self, reference: str) -> Workspace:
        """The workspace with this id or name.

        Raises:
            Usage: there is none; lists those there are.
        """
        found = self.all()
        for each in found:
            if reference in (each.id, each.name):
                return each
        raise Usage(f"There is no workspace '{reference}'. There are: {_listed(found)}.")

    def find(self, workspace_id: str) -> Workspace | None:
        """The workspace with this id, if there is one."""
        return next((each for each in self.all() if each.id == workspace_id), None)

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
        found = self.get(reference)
        with self._engine.begin() as session:
            session.execute(update(WorkspaceRow).where(WorkspaceRow.id == found.id).values(realtime_granted=granted))
        return self.get(found.id)

    def all(self) -> list[Workspace]:
        """Every workspace, by name."""
        with reading(self._engine).connect() as session:
            rows = session.execute(select(WorkspaceRow.id, WorkspaceRow.name, WorkspaceRow.realtime_granted).order_by(WorkspaceRow.name))
            return [Workspace(id=row.id, name=row.name, realtime_granted=row.realtime_granted) for row in rows]


def _listed(found: list[Workspace]) -> str:
    """The workspaces by name, or how to get one."""
    return ", ".join(each.name for each in found) or "none yet: adpulse workspace create NAME"
