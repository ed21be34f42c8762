"""Labels of many connections by a CSV file: a verdict on each row, and then all of them or none."""

from collections import Counter
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import RedirectResponse, Response

from adpulse.api.access import Editor, Viewer
from adpulse.api.pages.site import ROOT, page, workspace_of
from adpulse.errors import Usage
from adpulse.services import labelling

router = APIRouter()


@router.get("/labels")
def labels(caller: Editor, workspace: Annotated[str, Query(max_length=255)] = "") -> Response:
    """The form for the file, and the labels that there are with their numbers of connections."""
    owner = workspace_of(caller, workspace)
    views = caller.app.connections.all(owner.id) if owner else []
    counts = Counter(label for view in views for label in view.labels)
    return page("labels.html", caller, owner=owner, workspaces=caller.workspaces(), counts=sorted(counts.items()))


@router.get("/workspaces/{workspace_id}/labels.csv")
def download(caller: Viewer, workspace_id: str) -> Response:
    """The labels of all connections as a file to edit and import again."""
    owner = caller.workspace(workspace_id)
    headers = {"Content-Disposition": 'attachment; filename="labels.csv"'}
    text = labelling.write_rows(caller.app.connections.all(owner.id))
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")


@router.post("/workspaces/{workspace_id}/labels")
def import_labels(
    caller: Editor,
    workspace_id: str,
    file: Annotated[UploadFile | str, File()] = "",  # a browser sends an empty text when no file was chosen
    text: Annotated[str, Form(max_length=labelling.LONGEST)] = "",
    confirmed: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """Show a verdict on each row of the file; when these were confirmed, set the labels."""
    owner, app = caller.workspace(workspace_id), caller.app
    written = text or _text(b"" if isinstance(file, str) else file.file.read(labelling.LONGEST + 1))
    judged = labelling.judge(app.connections.all(owner.id), labelling.read_rows(written))
    if confirmed:
        labelling.apply(app.labels, judged)
        return RedirectResponse(f"{ROOT}/labels?workspace={owner.id}", HTTPStatus.SEE_OTHER)
    counts = Counter(row.verdict for row in judged)
    return page("labels_import.html", caller, owner=owner, judged=judged, counts=counts, verdicts=list(labelling.Verdict), text=written)


def _text(content: bytes) -> str:
    """The text of an uploaded file.

    Raises:
        Usage: it is empty, too long, or not UTF-8.
    """
    if not content:
        raise Usage("Choose a CSV file.")
    if len(content) > labelling.LONGEST:
        raise Usage(f"The file is longer than {labelling.LONGEST:,} bytes. Import it in parts.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Usage("The file is not UTF-8. Save it as CSV UTF-8.") from None
