"""A source of dlt (dlthub.com) over a folder of exports, which brings them to BigQuery, Snowflake and whatever else dlt writes to.

::

    pipeline = dlt.pipeline("ads", destination="bigquery", dataset_name="acme")
    pipeline.run(adpulse_source("/data/acme"))

dlt is no dependency of adpulse: ``pip install 'adpulse[dlt]'`` brings it.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from storage.exports.feed import Cursor, feed_of
from storage.exports.folder import FolderTarget
from storage.exports.views import ExportedView, select

try:
    import dlt
except ImportError:
    raise ImportError("adpulse.dlt needs dlt, which adpulse does not install by itself: pip install 'adpulse[dlt]'") from None

log = logging.getLogger(__name__)

_CURSOR = "cursor"


@dlt.source(name="adpulse")
def adpulse_source(folder: str, views: Sequence[str] = ()) -> Iterator[Any]:
    """A resource for each view of a workspace's exports, and for its syncs: what changed since dlt loaded it last.

    Rows are merged by the view's key, and those that were deleted are deleted. How far a view was loaded is in dlt's state, which dlt
    stores together with the rows. Of a full export all rows are loaded in the place of those that are there, so one dataset holds one
    workspace.

    Args:
        folder: where ``adpulse export`` writes the workspace, a path or ``s3://BUCKET/PREFIX``.
        views: their names; ``daily`` when there are none.

    Raises:
        Usage: exports that are needed are missing, or others than those that were loaded.
        Unavailable: the folder cannot be reached.
    """
    target = FolderTarget.at(folder)
    for view in select(tuple(views)):
        yield dlt.resource(_changes, name=view.name)(target, view)


def _changes(target: FolderTarget, view: ExportedView) -> Iterator[Any]:
    """The batches of a view that are new to the pipeline; the cursor moves once all of them are extracted."""
    state = dlt.current.resource_state()
    feed = feed_of(target, view, Cursor(**state[_CURSOR]) if _CURSOR in state else None)
    if feed is None:
        return
    if feed.restored:
        log.warning("%s: %s connections went back to an earlier state; their rows are taken back", view.name, len(feed.restored))
    hints = dlt.mark.make_hints(
        primary_key=list(view.key),
        write_disposition="replace" if feed.full else "merge",
        columns={view.mark: {"hard_delete": True, "data_type": "bool"}},
    )
    for batch in feed.batches():
        yield dlt.mark.with_hints(pa.Table.from_batches([batch]), hints)
    if feed.full:  # a view without rows is emptied, too
        yield dlt.mark.with_hints(dlt.mark.materialize_table_schema(), hints)
    state[_CURSOR] = asdict(feed.cursor)
