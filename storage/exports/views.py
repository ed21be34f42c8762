"""The views that can be exported, each with the columns that identify a row."""

from dataclasses import dataclass

from adpulse.errors import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedView:
    """A view or table of the published copy.

    ``day``: the column by whose month its files are partitioned, if any. ``mark``: the column that says of an exported row that it is
    deleted, which no column of the view is named like.
    """

    name: str
    key: tuple[str, ...]
    day: str | None = None
    mark: str = "deleted"


NUMBERS = ExportedView(name="daily", key=("connection_id", "date", "level", "external_id", "campaign_id"), day="date")
RUNS = ExportedView(name="sync_runs", key=("connection_id", "run_id", "generation"))
"""The syncs that wrote something. They are in every export: a run is exported once, together with what it wrote."""

_OPTIONAL = (
    ExportedView(name="completeness", key=("connection_id", "level", "date"), day="date"),
    ExportedView(name="reconciliation", key=("connection_id", "date", "level", "metric"), day="date", mark="row_deleted"),
    ExportedView(name="campaign_day", key=("connection_id", "date", "campaign_id"), day="date"),
    ExportedView(name="account_day", key=("connection_id", "date"), day="date"),
    ExportedView(name="campaigns", key=("connection_id", "campaign_id")),
    ExportedView(name="ad_sets", key=("connection_id", "ad_set_id")),
    ExportedView(name="ads", key=("connection_id", "level", "external_id")),
)
NULLABLE = frozenset({"campaign_id"})
"""Columns of keys that may be null: what an account reports beyond its campaigns is of none."""

VIEWS = {view.name: view for view in (NUMBERS, *_OPTIONAL)}
"""What can be chosen, by name."""


def select(names: tuple[str, ...]) -> tuple[ExportedView, ...]:
    """The views of these names, ``daily`` when there are none, and always the runs.

    Raises:
        Usage: a name is not one of a view that can be exported.
    """
    unknown = sorted(set(names) - VIEWS.keys())
    if unknown:
        raise Usage(f"{', '.join(unknown)} cannot be exported. Choose from: {', '.join(VIEWS)}.")
    return (*(view for name, view in VIEWS.items() if name in (names or (NUMBERS.name,))), RUNS)
