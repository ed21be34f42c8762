"""One webhook with its deliveries, and its changes."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr

from adpulse.api import places
from adpulse.api.access import Caller, Editor, Viewer
from adpulse.api.pages.site import ROOT, Name, back, page
from adpulse.events import EventType
from storage.control.formats import Format
from storage.control.webhooks import Webhook

router = APIRouter()

_SHOWN_ONCE = "Check the signature of each message with it. It is shown only once; a new one can be made at any time."


@router.post("/workspaces/{workspace_id}/webhooks")
@places.OUTSIDE
def create(
    caller: Editor,
    workspace_id: str,
    name: Name,
    url: Annotated[SecretStr, Form(max_length=2048)],
    form: Annotated[Format, Form(alias="format")] = Format.STANDARD,
    event: Annotated[list[EventType], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Create a webhook. Only the answering page shows the secret of its signatures."""
    webhook, secret = caller.app.webhooks.create(caller.workspace(workspace_id).id, name, url, form, event)
    if secret is None:
        return RedirectResponse(ROOT + _path(webhook), HTTPStatus.SEE_OTHER)
    return _secret_page(caller, webhook, secret)


@router.get("/workspaces/{workspace_id}/webhooks/{webhook_id}")
def show_webhook(caller: Viewer, workspace_id: str, webhook_id: str) -> Response:
    """The webhook and its newest messages, each with its state."""
    webhook = caller.webhook(workspace_id, webhook_id)
    return page("webhook.html", caller, webhook=webhook, deliveries=caller.app.outbox.history(webhook.id))


@router.post("/workspaces/{workspace_id}/webhooks/{webhook_id}/test")
def test(request: Request, caller: Editor, workspace_id: str, webhook_id: str) -> Response:
    """Queue a test message."""
    webhook = caller.webhook(workspace_id, webhook_id)
    caller.app.webhooks.test(webhook.id)
    return back(request, _path(webhook))


@router.post("/workspaces/{workspace_id}/webhooks/{webhook_id}/enabled")
def enable(request: Request, caller: Editor, workspace_id: str, webhook_id: str, enabled: Annotated[bool, Form()]) -> Response:
    """Enable a webhook; or disable it, which drops the messages that wait."""
    webhook = caller.webhook(workspace_id, webhook_id)
    caller.app.webhooks.change(webhook.id, enabled=enabled)
    return back(request, _path(webhook))


@router.post("/workspaces/{workspace_id}/webhooks/{webhook_id}/rotate-secret")
def rotate(caller: Editor, workspace_id: str, webhook_id: str) -> Response:
    """Create a new secret; for a day messages carry a signature of the old one, too."""
    webhook = caller.webhook(workspace_id, webhook_id)
    return _secret_page(caller, webhook, caller.app.webhooks.rotate(webhook.id))


@router.post("/workspaces/{workspace_id}/webhooks/{webhook_id}/remove")
def remove(caller: Editor, workspace_id: str, webhook_id: str) -> Response:
    """Remove a webhook with its deliveries."""
    webhook = caller.webhook(workspace_id, webhook_id)
    caller.app.webhooks.remove(webhook.id)
    return RedirectResponse(f"{ROOT}/alerts?workspace={webhook.workspace_id}", HTTPStatus.SEE_OTHER)


def _secret_page(caller: Caller, webhook: Webhook, secret: SecretStr) -> Response:
    return page(
        "secret.html",
        caller,
        HTTPStatus.CREATED,
        title=f"The secret of {webhook.name}",
        secret=secret,
        hint=_SHOWN_ONCE,
        on=ROOT + _path(webhook),
    )


def _path(webhook: Webhook) -> str:
    return f"/workspaces/{webhook.workspace_id}/webhooks/{webhook.id}"
