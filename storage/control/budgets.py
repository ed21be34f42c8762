"""Budgets: what people want a connection, a label or a campaign to spend in a day or a month."""

from dataclasses import asdict, replace
from uuid import uuid4

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, delete, func, insert, select, true
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.budgets import Budget, Period
from adpulse.errors import NotFound, Usage
from storage.control.database import Engine, columns, reading
from storage.control.tables import Base, WorkspaceRow

MAX_BUDGETS = 2_000
"""Budgets that a workspace may have at most."""

_KEY = ("connection_id", "label", "campaign_id", "currency", "period")


class BudgetRow(Base):
    """A budget; columns as in :class:`adpulse.budgets.Budget`."""

    __tablename__ = "budget"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    connection_id: Mapped[str | None] = mapped_column(ForeignKey("connection.id"))
    label: Mapped[str]
    campaign_id: Mapped[str]
    currency: Mapped[str]
    period: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)


class Budgets:
    """The budgets of this installation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, workspace_id: str, budgets: list[Budget]) -> list[Budget]:
        """Set budgets of one workspace, all or none; one of the same target and period takes the place of the one before.

        Raises:
            Usage: the workspace would have more than MAX_BUDGETS.
        """
        stored = [replace(budget, id=str(uuid4()), workspace_id=workspace_id) for budget in budgets]
        with self._engine.begin() as session:
            session.execute(select(WorkspaceRow.id).where(WorkspaceRow.id == workspace_id).with_for_update())
            for budget in stored:
                session.execute(delete(BudgetRow).where(BudgetRow.workspace_id == workspace_id, *_same(budget)))
                session.execute(insert(BudgetRow).values(asdict(budget)))
            count = select(func.count()).select_from(BudgetRow).where(BudgetRow.workspace_id == workspace_id)
            if (session.scalar(count) or 0) > MAX_BUDGETS:
                raise Usage(f"A workspace has {MAX_BUDGETS} budgets at most. Remove some first.")
        return stored

    def remove(self, budget_id: str, workspace_id: str) -> None:
        """Delete a budget.

        Raises:
            NotFound: the workspace has no such budget.
        """
        of_workspace = (BudgetRow.id == budget_id) & (BudgetRow.workspace_id == workspace_id)
        with self._engine.begin() as session:
            if not session.execute(delete(BudgetRow).where(of_workspace)).rowcount:
                raise NotFound(f"There is no budget '{budget_id}'.")

    def all(self, workspace_id: str | None = None) -> list[Budget]:
        """All budgets, or those of one workspace: of labels by name, then of connections and campaigns."""
        condition: ColumnElement[bool] = BudgetRow.workspace_id == workspace_id if workspace_id else true()
        order = (BudgetRow.label == "", *(getattr(BudgetRow, name) for name in ("label", "connection_id", "campaign_id", "period", "id")))
        with reading(self._engine).connect() as session:
            rows = session.execute(select(BudgetRow.__table__).where(condition).order_by(*order))
            return [Budget(**columns(row) | {"period": Period(row.period)}) for row in rows]


def _same(budget: Budget) -> list[ColumnElement[bool]]:
    return [getattr(BudgetRow, name).is_not_distinct_from(getattr(budget, name)) for name in _KEY]
