"""What the exports in a folder changed of a view since one of them: the newest row of each key, for programs that apply it elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from adpulse.errors import Usage
from storage.exports.folder import FolderTarget
from storage.exports.manifest import Format, Manifest
from storage.exports.statements import quoted_name
from storage.exports.views import NULLABLE, ExportedView
from storage.warehouse.sql import literal

_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The last export that was applied: its number, and what it published, by which another folder's would be noticed."""

    export: int
    published: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Changes of a view.

    ``full``: they are all of its rows, and earlier ones do not count any more. ``restored``: ids of connections whose warehouse went
    back to an earlier state meanwhile.
    """

    target: FolderTarget
    view: ExportedView
    cursor: Cursor
    full: bool
    restored: tuple[str, ...]
    files: tuple[str, ...]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, each key once; those that were deleted have the view's mark, and only their keys are filled.

        What may be null of a key is an empty text here, so that a row can be found by its key.
        """
        if not self.files:
            return
        with TemporaryDirectory(prefix="adpulse-feed-") as folder, duckdb.connect(config={"temp_directory": folder}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            files = ", ".join(literal(path) for path in self.target.fetch(self.files, Path(folder)))
            yield from connection.sql(self._newest_rows(files)).to_arrow_reader(_ROWS)

    def _newest_rows(self, files: str) -> str:
        filled = ", ".join(f"coalesce({name}, '') AS {name}" for name in self.view.key if name in NULLABLE)
        replaced = f"REPLACE ({filled})" if filled else ""
        partitions = "export, month" if self.view.day else "export"
        living = f"AND NOT {quoted_name(self.view.mark)}" if self.full else ""
        return (
            f"SELECT * EXCLUDE ({partitions}) {replaced} FROM read_parquet([{files}], hive_partitioning = true) "  # noqa: S608 - our own files
            f"QUALIFY row_number() OVER (PARTITION BY {', '.join(self.view.key)} ORDER BY export DESC) = 1 {living}"
        )


def feed_of(target: FolderTarget, view: ExportedView, cursor: Cursor | None) -> Feed | None:
    """What was exported of a view after the cursor; None when there is nothing new.

    Raises:
        Usage: there is no export, one that is needed is not there any more, or the cursor is of another folder.
        Unavailable: the folder or the store cannot be reached.
    """
    manifests = target.manifests(cursor.export if cursor else 1)
    if not manifests:
        what = f"no export from number {cursor.export} on, which was loaded: load from the folder of before" if cursor else "no export"
        raise Usage(f"{target.name} has {what}.")
    if cursor and manifests[0].sequence == cursor.export:
        if manifests[0].published != cursor.published:
            raise Usage(f"Export {cursor.export} in {target.name} is not the one that was loaded. Load everything anew.")
        manifests = manifests[1:]
    full = max((number for number, manifest in enumerate(manifests) if _is_full(manifest, view)), default=None)
    if full is None and not any(view.name in manifest.views for manifest in manifests):
        return None
    needed = manifests[full or 0 :]
    _check(target, needed, (cursor.export if cursor else 0) + 1 if full is None else needed[0].sequence)
    used = [manifest for manifest in needed if view.name in manifest.views]
    return Feed(
        target=target,
        view=view,
        cursor=Cursor(export=used[-1].sequence, published=used[-1].published),
        full=full is not None,
        restored=tuple(sorted({connection for manifest in used for connection in manifest.restored})),
        files=tuple(name for manifest in used for name in manifest.files if name.startswith(f"{view.name}/")),
    )


def _is_full(manifest: Manifest, view: ExportedView) -> bool:
    return view.name in manifest.views and bool(manifest.views[view.name].full)


def _check(target: FolderTarget, needed: list[Manifest], first: int) -> None:
    """Refuse exports that do not begin with the first one, have a hole, or are not of Parquet."""
    if [manifest.sequence for manifest in needed] != list(range(first, first + len(needed))):
        raise Usage(f"{target.name} lacks exports that were not loaded yet. Export everything once: adpulse export --full.")
    if any(manifest.format != Format.PARQUET for manifest in needed):
        raise Usage(f"{target.name} has exports that are not of Parquet. Export to a new folder, with --format parquet.")
