"""Which home folder has the warehouse of a workspace. A process with another home must not begin a second warehouse of it."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import ColumnElement, select, update

from adpulse.errors import WarehouseElsewhere
from storage.control.database import Engine, reading
from storage.control.tables import WorkspaceRow


class Homes:
    """The homes of the workspaces' warehouses, as a process with the home ``folder`` sees them; ``own_id`` is asked for when needed."""

    def __init__(self, engine: Engine, folder: Path, own_id: Callable[[], str]) -> None:
        self._engine = engine
        self._folder = folder
        self.own_id = own_id

    def require(self, workspace_id: str, *, claim: bool) -> None:
        """Make sure that the workspace's warehouse may be used in this home. ``claim``: note this home if none is noted yet.

        Raises:
            WarehouseElsewhere: its warehouse is in another home.
        """
        own = self.own_id()
        name, noted = self._noted(workspace_id)
        if claim and noted is None:
            self._note(workspace_id, WorkspaceRow.home_id.is_(None))
            name, noted = self._noted(workspace_id)  # another process may have been first
        if noted in (None, own):
            return
        raise WarehouseElsewhere(
            f"The warehouse of the workspace {name} is in another home folder, {noted}; {self._folder.absolute()} is {own}. Nothing "
            "was read or written. Set ADPULSE_HOME to that folder, or, if it is no longer used, make this one the workspace's home: "
            f"adpulse workspace adopt {workspace_id}"
        )

    def elsewhere(self) -> list[str]:
        """Names of the workspaces whose warehouses are in other homes."""
        query = select(WorkspaceRow.name).where(WorkspaceRow.home_id != self.own_id()).order_by(WorkspaceRow.name)
        with reading(self._engine).connect() as session:
            return list(session.scalars(query))

    def elsewhere_sentence(self) -> str | None:
        """A sentence about the workspaces whose warehouses are in other homes, with what to do; None if there are none."""
        names = self.elsewhere()
        if not names:
            return None
        return (
            f"The warehouses of {', '.join(names)} are in other home folders; workers with the home {self._folder} leave their syncs "
            "to the workers of those. Run a worker with each of those folders, or make this one their home: adpulse workspace adopt."
        )

    def adopt(self, workspace_id: str) -> None:
        """Note that this home has the workspace's warehouse from now on."""
        self._note(workspace_id, WorkspaceRow.id == workspace_id)

    def _note(self, workspace_id: str, condition: ColumnElement[bool]) -> None:
        row = (WorkspaceRow.id == workspace_id) & condition
        with self._engine.begin() as session:
            session.execute(update(WorkspaceRow).where(row).values(home_id=self.own_id()))

    def _noted(self, workspace_id: str) -> tuple[str, str | None]:
        with reading(self._engine).connect() as session:
            row = session.execute(select(WorkspaceRow.name, WorkspaceRow.home_id).where(WorkspaceRow.id == workspace_id)).one_or_none()
        return (row.name, row.home_id) if row else (workspace_id, None)
