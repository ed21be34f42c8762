"""A workspace's published file over HTTP: whole or in parts, never the live file, and never a mix of two publications."""

import os
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from adpulse.api import routing
from adpulse.api.access import Viewer
from adpulse.api.fields import WorkspaceId
from adpulse.api.problems import CLOSED, READS, Refused

router = routing.router("analytics", responses=CLOSED)

_PATH = "/workspaces/{workspace_id}/analytics.duckdb"
_KIND = "application/vnd.duckdb"
_BYTES = {"content": {_KIND: {"schema": {"type": "string", "format": "binary"}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {**_BYTES, "description": "The whole file. ETag identifies the publication."},
    HTTPStatus.PARTIAL_CONTENT.value: {**_BYTES, "description": "The part that Range requests."},
    HTTPStatus.NOT_MODIFIED.value: {"description": "If-None-Match has the ETag of the published file."},
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE.value: {"description": "The part lies beyond the file."},
    **READS,
}


@router.get(_PATH, summary="Download a workspace's DuckDB file", response_class=Response, responses=_ANSWERS)
@router.head(_PATH, include_in_schema=False)
def download_analytics(
    caller: Viewer,
    workspace_id: WorkspaceId,
    if_none_match: Annotated[str | None, Header(max_length=8192)] = None,
) -> Response:
    """The published copy, renewed seconds after a change. Range and If-Range resume an interrupted download."""
    workspace = caller.workspace(workspace_id)
    try:
        published = _published_file(caller.app.published(workspace.id), f"{workspace.id}.duckdb")
    except FileNotFoundError:
        raise Refused(HTTPStatus.NOT_FOUND, "Nothing was published yet. Sync a connection of the workspace first.") from None
    if if_none_match and matches(if_none_match, published.tag):
        published.close()
        return Response(status_code=HTTPStatus.NOT_MODIFIED.value, headers=caching_headers(published.tag))
    return published


def _published_file(path: Path, filename: str) -> "OpenedFile":
    descriptor = os.open(path, os.O_RDONLY)
    status = os.fstat(descriptor)
    return OpenedFile(descriptor, f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"', _KIND, filename)


class OpenedFile(FileResponse):
    """The file as it was when it was opened: one that replaces it meanwhile is another file. ``tag`` identifies its content."""

    def __init__(self, descriptor: int, tag: str, media_type: str, filename: str) -> None:
        self._descriptor, self.tag, status = descriptor, tag, os.fstat(descriptor)
        # The path of the descriptor: it reads the file that was opened, even if another file has its path now.
        super().__init__(
            f"/dev/fd/{descriptor}", headers=caching_headers(tag), media_type=media_type, filename=filename, stat_result=status
        )

    def close(self) -> None:
        """Close the file without sending it."""
        os.close(self._descriptor)

    def _should_use_range(self, http_if_range: str) -> bool:
        """Starlette accepts a date too, but a date has whole seconds, in which a file may be published twice."""
        return http_if_range == self.tag

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, and close it in any case."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.close()


def caching_headers(tag: str) -> dict[str, str]:
    """Clients may cache the file, but must revalidate it each time."""
    return {"ETag": tag, "Cache-Control": "private, no-cache"}


def matches(if_none_match: str, tag: str) -> bool:
    """Whether the header has the tag, by weak comparison as RFC 9110 requires for If-None-Match."""
    tags = [tag_text.strip().removeprefix("W/") for tag_text in if_none_match.split(",")]
    return tag in tags or tags == ["*"]
