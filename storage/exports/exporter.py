"""Exports what changed in a workspace's published copy since the last export, or everything on request."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from adpulse.clock import Clock
from adpulse.errors import Usage
from storage.exports import views
from storage.exports.changes import Batch, restored_connections, write_changes
from storage.exports.manifest import Format, FullReason, Manifest
from storage.exports.publication import Publication, opened, tag_of
from storage.exports.target import Target
from storage.exports.views import RUNS, ExportedView
from storage.files import exclusive


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """Exports of one workspace.

    ``locks`` and ``building`` are folders of the installation; ``version`` is adpulse's; ``wall`` is real time, which manifests note.
    """

    workspace_id: str
    published: Path
    locks: Path
    building: Path
    version: str
    wall: Clock

    def export(
        self, target: Target, names: tuple[str, ...] = (), *, format_: Format = Format.PARQUET, full: bool = False
    ) -> Manifest | None:
        """Export what changed since the newest export in ``target``. A killed export counts as none: the next one begins it again.

        Args:
            target: where it goes.
            names: the views; ``daily`` when there are none.
            format_: how rows are written, where the target leaves the choice.
            full: write all rows, so that a reader needs no export before this one.

        Returns:
            The new export's manifest, or None when nothing changed.

        Raises:
            Usage: nothing was published yet, the target holds exports of another workspace, or it is being exported to now.
            Unavailable, DiskFull: the target could not be written; nothing of the export counts.
            WarehouseDamaged: the published copy cannot be read.
        """
        selected = views.select(names)
        with self._alone(target) as folder:
            return self._export(target, selected, folder, format_, full=full)

    def _export(self, target: Target, selected: tuple[ExportedView, ...], folder: Path, format_: Format, *, full: bool) -> Manifest | None:
        newest = target.newest(self.workspace_id)
        if newest and not full and self._is_exported(newest, selected):
            return None
        batch = Batch(folder=folder / "new", sequence=newest.sequence + 1 if newest else 1, format=target.format or format_)
        target.clear(batch.sequence)
        (old := folder / "old").mkdir()
        states = target.fetch_state(newest, old) if newest else {}
        with opened(self.published, folder / "spill") as publication:
            reasons = {view: _full_reason(view, publication, newest, states, full=full) for view in selected}
            entries = {
                view.name: write_changes(publication, view, states.get(view.name), reason, batch) for view, reason in reasons.items()
            }
            restored = restored_connections(publication, RUNS, states.get(RUNS.name), batch)
            tag, schema_version = publication.tag, publication.schema_version()
        if not any(entry.changed or entry.deleted or entry.full for entry in entries.values()):
            return None
        manifest = Manifest(
            sequence=batch.sequence,
            workspace=self.workspace_id,
            adpulse=self.version,
            schema_version=schema_version,
            exported_at=self.wall.now().isoformat(),
            published=tag,
            format=batch.format,
            restored=restored,
            views=entries,
        )
        return target.write(batch.folder, manifest)

    def _is_exported(self, newest: Manifest, selected: tuple[ExportedView, ...]) -> bool:
        """Whether the newest export is of this very copy and has these views; only asks the file system."""
        try:
            return tag_of(self.published) == newest.published and newest.views.keys() == {view.name for view in selected}
        except FileNotFoundError:
            return False

    @contextmanager
    def _alone(self, target: Target) -> Iterator[Path]:
        """Yield a folder on the installation's own disk, as what is built there may be as big as the warehouse.

        It has the same name for every export to the target, so that what a killed one left is removed.
        """
        name = hashlib.sha256(target.name.encode()).hexdigest()[:16]
        folder = self.building / name
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self.locks / f"export-{name}", 0))
            except TimeoutError:
                raise Usage(f"Another export to {target.name} is under way. Wait for its end.") from None
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            yield folder


def _full_reason(
    view: ExportedView, publication: Publication, newest: Manifest | None, states: dict[str, Path], *, full: bool
) -> FullReason | None:
    """Why all rows of a view are written; None: only those that changed."""
    entry = newest.views.get(view.name) if newest else None
    if entry is None:
        return FullReason.FIRST
    if full:
        return FullReason.REQUESTED
    if view.name not in states:
        return FullReason.NO_STATE
    return FullReason.COLUMNS if entry.columns != publication.columns(view.name) else None
