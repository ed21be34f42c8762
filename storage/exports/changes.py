"""Finds what changed in a view since its last export and writes it to files.

The record of an export holds the key of every exported row with a hash of the row. What the publication has under another hash, or has
not, is what changed: also a renamed campaign, a new margin, a deleted connection and a restored warehouse, which no instant tells.
"""

from dataclasses import dataclass
from pathlib import Path

from storage.exports.folder import STATE
from storage.exports.manifest import Format, FullReason, ViewEntry
from storage.exports.publication import Publication
from storage.exports.statements import CSV, PARQUET, cells, quoted_name
from storage.exports.views import ExportedView
from storage.warehouse.sql import literal

DELETED = "row_deleted"
"""The column that marks deleted rows, until they are written; no view has one of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Where an export is built, its number and format."""

    folder: Path
    sequence: int
    format: Format

    def rows_of(self, view: ExportedView) -> Path:
        """The folder of a view's rows. Its name is a column to readers that know Hive's partitions."""
        return self.folder / view.name / f"export={self.sequence:08}"

    def state_of(self, view: ExportedView) -> Path:
        """The record of the view's rows."""
        return self.folder / STATE / f"{self.sequence:08}" / f"{view.name}.parquet"


def write_changes(publication: Publication, view: ExportedView, state: Path | None, full: FullReason | None, batch: Batch) -> ViewEntry:
    """Write a view's changed rows, the keys of its deleted rows, and the new record.

    Args:
        publication: what is exported.
        view: the view.
        state: the record of the last export; None when there is none.
        full: why all rows are written, whatever the record says; None: only those that changed.
        batch: where the files go.
    """
    columns = publication.columns(view.name)
    _write_state(publication, view, columns, batch)
    changed, deleted = _collect(publication, view, columns, state, full)
    if changed or deleted:
        _write_rows(publication, view, columns, batch)
    publication.connection.execute("DROP TABLE changes")
    return ViewEntry(columns=columns, key=view.key, full=full, changed=changed, deleted=deleted)


def restored_connections(publication: Publication, runs: ExportedView, state: Path | None, batch: Batch) -> tuple[str, ...]:
    """Ids of connections that have runs, but lack some that were exported: their warehouse went back to an earlier state."""
    if state is None:
        return ()
    query = (
        f"SELECT DISTINCT connection_id FROM read_parquet({literal(state)}) "  # noqa: S608 - our own files
        f"ANTI JOIN (FROM read_parquet({literal(batch.state_of(runs))})) USING (connection_id, run_id, generation) "
        f"SEMI JOIN (FROM read_parquet({literal(batch.state_of(runs))})) USING (connection_id) ORDER BY ALL"
    )
    return tuple(connection for (connection,) in publication.connection.sql(query).fetchall())


def _write_state(publication: Publication, view: ExportedView, columns: dict[str, str], batch: Batch) -> None:
    path = batch.state_of(view)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = f"SELECT {', '.join(view.key)}, {_hash(columns)} AS row_hash FROM {publication.relation(view.name)}"  # noqa: S608 - the file's own names
    publication.connection.execute(f"COPY ({rows}) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)")


def _collect(
    publication: Publication, view: ExportedView, columns: dict[str, str], state: Path | None, full: FullReason | None
) -> tuple[int, int]:
    """Put what is to be exported into the table ``changes``; returns how many rows changed and how many were deleted."""
    rows = f"SELECT {', '.join(map(quoted_name, columns))}, false AS {DELETED} FROM {publication.relation(view.name)} v"  # noqa: S608 - the same
    if full is None and state is not None:
        same = _same_key(view, "v", "s")
        rows += f" ANTI JOIN read_parquet({literal(state)}) s ON {same} AND s.row_hash = {_hash(columns, 'v.')}"
    if state is not None:
        deleted_rows = (
            f"SELECT {', '.join(view.key)}, true AS {DELETED} FROM read_parquet({literal(state)}) s "  # noqa: S608 - the same
            f"ANTI JOIN {publication.relation(view.name)} v ON {_same_key(view, 'v', 's')}"
        )
        rows = f"({rows}) UNION ALL BY NAME ({deleted_rows})"
    publication.connection.execute(f"CREATE TEMP TABLE changes AS {rows}")
    count = f"SELECT count(*) FILTER (NOT {DELETED}), count(*) FILTER ({DELETED}) FROM changes"  # noqa: S608 - the same
    ((changed, deleted),) = publication.connection.sql(count).fetchall()
    return changed, deleted


def _write_rows(publication: Publication, view: ExportedView, columns: dict[str, str], batch: Batch) -> None:
    """Write a file for each month, one after the other: together they would need memory for all months at once."""
    csv = batch.format is Format.CSV
    select = f"SELECT {cells(columns, neutral=csv)}, {DELETED} AS {view.mark} FROM changes"  # noqa: S608 - the file's own names
    order = f"ORDER BY {', '.join(view.key)}"
    options = PARQUET if batch.format is Format.PARQUET else CSV
    months = "SELECT NULL"
    if view.day:
        months = f"SELECT DISTINCT date_trunc('month', {view.day})::DATE FROM changes ORDER BY ALL"  # noqa: S608 - the same
    for (month,) in publication.connection.sql(months).fetchall():
        folder, only = batch.rows_of(view), ""
        if month:
            folder /= f"month={month:%Y-%m}"
            only = f"WHERE {view.day} >= DATE '{month}' AND {view.day} < DATE '{month}' + INTERVAL 1 MONTH"
        folder.mkdir(parents=True)
        file = folder / f"rows-0.{batch.format}"
        publication.connection.execute(f"COPY ({select} {only} {order}) TO {literal(file)} ({options})")


def _hash(columns: dict[str, str], of: str = "") -> str:
    """A hash of a row's values, the same in every version of DuckDB, which ``hash()`` is not."""
    values = ", ".join(f"coalesce({of}{quoted_name(name)}::VARCHAR, chr(30))" for name in columns)
    return f"md5_number_lower(concat_ws(chr(31), {values}))"


def _same_key(view: ExportedView, left: str, right: str) -> str:
    return " AND ".join(f"{left}.{name} IS NOT DISTINCT FROM {right}.{name}" for name in view.key)
