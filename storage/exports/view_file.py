"""Writes a view of a publication, or what changed in it since an instant, to one file."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path

import pyarrow as pa

from adpulse.errors import NotFound, Usage
from storage.exports.publication import NAME, Publication
from storage.exports.statements import CSV, PARQUET, cells
from storage.warehouse.sql import literal

_CHANGED_AT = "changed_at"
_BATCH = 20_000


class FileFormat(StrEnum):
    """How the file is written; ``arrow`` is Arrow's stream format."""

    ARROW = "arrow"
    PARQUET = "parquet"
    CSV = "csv"


def write_view(publication: Publication, view: str, since: datetime | None, file_format: FileFormat, path: Path) -> None:
    """Write the rows of a view.

    Args:
        publication: the attached copy.
        view: a view's name; tables are not served.
        since: only rows whose ``changed_at`` is later; None: all.
        file_format: how they are written.
        path: the new file.

    Raises:
        NotFound: there is no such view.
        Usage: the view does not say when a row changed.
    """
    columns = _columns(publication, view)
    if since is not None and _CHANGED_AT not in columns:
        raise Usage(f"The view {view} has no {_CHANGED_AT}, so it cannot be asked for changes. Leave out since.")
    condition = f" WHERE {_CHANGED_AT} > TIMESTAMPTZ '{since.isoformat()}'" if since else ""
    select = f'SELECT {cells(columns, neutral=file_format is FileFormat.CSV)} FROM {NAME}.main."{view}"{condition}'  # noqa: S608 - the file's own names
    if file_format is FileFormat.ARROW:
        reader = publication.connection.sql(select).to_arrow_reader(_BATCH)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, reader.schema) as stream:
            for batch in reader:
                stream.write_batch(batch)
        return
    options = CSV if file_format is FileFormat.CSV else PARQUET
    publication.connection.execute(f"COPY ({select}) TO {literal(path)} ({options})")


def _columns(publication: Publication, view: str) -> dict[str, str]:
    query = "SELECT view_name FROM duckdb_views() WHERE database_name = ? AND schema_name = 'main' AND NOT internal ORDER BY ALL"
    names = [name for (name,) in publication.connection.execute(query, [NAME]).fetchall()]
    if view not in names:
        raise NotFound(f"There is no view '{view[:64]}'. There are: {', '.join(names)}.")
    return publication.columns(view)
