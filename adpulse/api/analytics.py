"""A workspace's published file over HTTP: whole or in parts, never the live file, and never a mix of two."""

import os
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from adpulse.api.access import Viewer, WorkspaceId
from adpulse.api.problems import Refused, answers

router = APIRouter(tags=["analytics"])

_PATH = "/workspaces/{workspace_id}/analytics.duckdb"
_KIND = "application/vnd.duckdb"
_OTHERS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_BYTES = {"content": {_KIND: {"schema": {"type": "string", "format": "binary"}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {**_BYTES, "description": "The whole file. ETag tells one publication from another."},
    HTTPStatus.PARTIAL_CONTENT.value: {**_BYTES, "description": "The part that Range asks for."},
    HTTPStatus.NOT_MODIFIED.value: {"description": "If-None-Match names the file that is published."},
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE.value: {"description": "The part lies beyond the file."},
    **answers(*_OTHERS),
}


@router.get(_PATH, summary="Download a workspace's DuckDB file", response_class=Response, responses=_ANSWERS)
@router.head(_PATH, include_in_schema=False)
def analytics(
    caller: Viewer,
    workspace_id: WorkspaceId,
    if_none_match: Annotated[str | None, Header(max_length=8192)] = None,
) -> Response:
    """The published copy, renewed seconds after a change. With Range and If-Range a download that broke off goes on."""
    workspace = caller.workspace(workspace_id)
    try:
        published = _Opened(caller.app.published(workspace.id), f"{workspace.id}.duckdb")
    except FileNotFoundError:
        raise Refused(HTTPStatus.NOT_FOUND, "Nothing was published yet. Sync a connection of the workspace first.") from None
    if if_none_match and _names(if_none_match, published.tag):
        published.close()
        return Response(status_code=HTTPStatus.NOT_MODIFIED.value, headers=_headers(published.tag))
    return published


class _Opened(FileResponse):
    """One file as it was when it was opened: a copy that takes its name meanwhile is another file."""

    def __init__(self, path: os.PathLike[str], filename: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        found = os.fstat(self._descriptor)
        self.tag = f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'
        # The descriptor by its name: what is read is the file that was opened, whatever has its path since.
        super().__init__(f"/dev/fd/{self._descriptor}", headers=_headers(self.tag), media_type=_KIND, filename=filename, stat_result=found)

    def close(self) -> None:
        """Let go of it unread."""
        os.close(self._descriptor)

    def _should_use_range(self, http_if_range: str) -> bool:
        """Starlette takes a date too; but a date has whole seconds, in which a file may be published twice."""
        return http_if_range == self.tag

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and let go of it however that ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.close()


def _headers(tag: str) -> dict[str, str]:
    """A copy may be kept, and is to be asked about each time."""
    return {"ETag": tag, "Cache-Control": "private, no-cache"}


def _names(if_none_match: str, tag: str) -> bool:
    """Whether the header names the tag; weakly compared, as it has to be."""
    told = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return tag in told or told == ["*"]
