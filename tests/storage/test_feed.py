"""What a program reads of a folder's exports: each changed key once, or everything, or why it cannot go on."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from repeats import first_quick

from adpulse.errors import Usage
from storage.exports.exporter import Exporter
from storage.exports.feed import Cursor, feed_of
from storage.exports.folder import FolderTarget
from storage.exports.manifest import Format
from storage.exports.views import NUMBERS, VIEWS


class RealTime:
    def now(self):
        return datetime(2026, 3, 20, 16, 0, tzinfo=UTC)


class Folder:
    """A folder of a workspace's exports: every call changes the workspace first."""

    def __init__(self, workspace, build, folder):
        self.workspace, self.build, self.folder, self.syncs = workspace, build, folder / "target", 0
        folders = {name: folder / name for name in ("locks", "building")}
        self.exporter = Exporter(workspace_id="w", published=workspace.published, version="1", wall=RealTime(), **folders)
        self.target = FolderTarget.at(str(self.folder))

    def export(self, *clicks, **options):
        self.syncs += 1
        ads = [{"external_id": f"a{number}", "clicks": value} for number, value in enumerate(clicks)]
        self.workspace.sync(self.build.run(self.build.ads(*ads), generation=self.syncs))
        self.workspace.warehouse.publish(min_interval_seconds=0)
        return self.exporter.export(self.target, **options)

    def feed(self, cursor=None, view=NUMBERS):
        return feed_of(self.target, view, cursor)

    def forget(self, number):
        (self.folder / "manifests" / f"{number:08}.json").unlink()


@pytest.fixture
def folder(workspace, build, tmp_path):
    return Folder(workspace, build, tmp_path)


def clicks_of(feed):
    table = pa.Table.from_batches(feed.batches())
    return sorted(zip(table["external_id"].to_pylist(), table["clicks"].to_pylist(), strict=True))


def test_of_several_exports_the_newest_row_of_each_key_is_read(folder):
    folder.export(1, 1)
    cursor = folder.feed().cursor
    folder.export(1, 2)
    folder.export(1, 3)

    feed = folder.feed(cursor)

    assert (feed.full, feed.cursor.export, clicks_of(feed)) == (False, 3, [("a1", 3)])
    assert folder.feed(feed.cursor) is None
    assert clicks_of(folder.feed()) == [("a0", 1), ("a1", 3)]


def test_exports_before_a_full_one_need_not_be_there(folder):
    folder.export(1)
    folder.export(2)
    folder.export(3, full=True)
    folder.export(4)
    for number in (1, 2):
        folder.forget(number)

    for cursor in (None, Cursor(export=1, published="gone")):
        feed = folder.feed(cursor)
        assert (feed.full, clicks_of(feed)) == (True, [("a0", 4)])


def test_a_view_that_was_not_exported_since_has_nothing_new(folder):
    folder.export(1, names=("ads",))

    assert folder.feed() is None
    assert folder.feed(view=VIEWS["ads"]) is not None


@pytest.mark.parametrize("gone", first_quick([2, 1]))
def test_a_cursor_older_than_the_history_is_refused(folder, gone):
    for clicks in (1, 2, 3):
        folder.export(clicks)
    folder.forget(gone)

    cursor = None if gone == 1 else Cursor(export=1, published=folder.target.manifests(1)[0].published)

    with pytest.raises(Usage, match="--full"):
        folder.feed(cursor)


def test_another_folder_than_the_one_that_was_loaded_is_refused(folder):
    folder.export(1)

    with pytest.raises(Usage, match="not the one that was loaded"):
        folder.feed(Cursor(export=1, published="another"))
    with pytest.raises(Usage, match="no export from number 7 on"):
        folder.feed(Cursor(export=7, published="another"))


def test_exports_as_csv_are_refused(folder):
    folder.export(1, format_=Format.CSV)

    with pytest.raises(Usage, match="not of Parquet"):
        folder.feed()
