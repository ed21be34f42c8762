"""The views of a workspace's published copy, each as one file: all rows, or those that changed since an instant."""

import os
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import Header, Query
from fastapi import Path as InPath
from fastapi.responses import Response
from pydantic import AwareDatetime

from adpulse.api import places, routing
from adpulse.api.access import Viewer
from adpulse.api.analytics import OpenedFile, caching_headers, matches
from adpulse.api.fields import WorkspaceId
from adpulse.api.problems import CLOSED, READS, Refused, answers
from adpulse.home import EXPORTS
from storage.exports.publication import opened, tag_of
from storage.exports.view_file import FileFormat, write_view

router = routing.router("analytics", responses=CLOSED)

_KINDS: Mapping[FileFormat, str] = {
    FileFormat.ARROW: "application/vnd.apache.arrow.stream",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
    FileFormat.CSV: "text/csv; charset=utf-8",
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {
        "content": {kind.partition(";")[0]: _BYTES for kind in _KINDS.values()},
        "description": "The rows. ETag identifies the publication and what was requested of it.",
    },
    HTTPStatus.NOT_MODIFIED.value: {"description": "If-None-Match has the ETag of this request's answer."},
    **READS,
    **answers(HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS),
}


@router.get("/workspaces/{workspace_id}/views/{view}", summary="Download a view's rows", response_class=Response, responses=_ANSWERS)
@places.VIEWS
def download_view(
    caller: Viewer,
    workspace_id: WorkspaceId,
    view: Annotated[str, InPath(pattern=r"^[a-z_]{1,64}$", examples=["daily"])],
    since: Annotated[
        AwareDatetime | None, Query(description="Only rows with a later `changed_at`.", examples=["2026-11-26T08:15:00Z"])
    ] = None,
    format: Annotated[FileFormat, Query(description="How the rows are written.")] = FileFormat.ARROW,  # noqa: A002 - the parameter's name
    if_none_match: Annotated[str | None, Header(max_length=8192)] = None,
) -> Response:
    """All rows of one publication. Rows that were deleted are not among those that changed; an export has them."""
    workspace = caller.workspace(workspace_id)
    published = caller.app.published(workspace.id)
    requested = sha256(f"{view} {since} {format}".encode()).hexdigest()[:12]
    try:
        tag = f'"{tag_of(published)}-{requested}"'
    except FileNotFoundError:
        raise Refused(HTTPStatus.NOT_FOUND, "Nothing was published yet. Sync a connection of the workspace first.") from None
    if if_none_match and matches(if_none_match, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED.value, headers=caching_headers(tag))
    (building := caller.app.settings.home / EXPORTS).mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="view-", dir=building) as folder, opened(published, Path(folder) / "spill") as publication:
        file = Path(folder) / f"{view}.{format}"
        write_view(publication, view, since, format, file)
        # Its name goes with the folder; the answer is sent from the open file.
        return OpenedFile(os.open(file, os.O_RDONLY), f'"{publication.tag}-{requested}"', _KINDS[format], file.name)
