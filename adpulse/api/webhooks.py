"""Webhooks: where a workspace's events are sent, and the state of each message. Editors manage them, viewers read."""

import json
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import BaseModel, Field, SecretStr

from adpulse.api import places, routing
from adpulse.api.access import PRINTABLE, Editor, Viewer
from adpulse.api.fields import ID, At, Body, Count, Ref, WorkspaceId, WorkspaceRef
from adpulse.api.problems import CLOSED, answers
from adpulse.events import TROUBLE, EventType
from storage.control.formats import Format
from storage.control.outbox import Delivery, DeliveryState
from storage.control.webhooks import Webhook

router = routing.router(
    "webhooks",
    prefix="/workspaces/{workspace_id}/webhooks",
    responses=CLOSED | answers(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)

WebhookId = Annotated[str, Path(**ID)]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=PRINTABLE, examples=["our dashboard"])]
Url = Annotated[SecretStr, Field(max_length=2048, examples=["https://example.com/hooks/adpulse"])]
_BAD = answers(HTTPStatus.BAD_REQUEST)
_RESOLVES = answers(HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS)
"""Errors of routes that resolve the URL's host."""


class WebhookOut(BaseModel):
    """A webhook. Of the URL of a channel of Slack or Microsoft Teams, which is a secret, only the host is shown."""

    id: Ref
    workspace_id: WorkspaceRef
    name: str = Field(examples=["our dashboard"])
    url: str = Field(examples=["https://example.com/hooks/adpulse"])
    format: Format
    events: list[EventType]
    enabled: bool
    disabled_reason: str | None = Field(examples=["Every try failed for 5 days."])
    failing_since: At | None = Field(description="Since when every try failed; null when the last one did not.")
    created_at: At


class WebhookMade(WebhookOut):
    """The new webhook with its secret, which is shown only now."""

    secret: str | None = Field(examples=["whsec_c2hvd24gdGhpcyBvbmNl"], description="Null for Slack, Microsoft Teams and e-mail.")


class WebhookIn(Body):
    """``format``: signed messages, sentences for a Slack incoming webhook or a workflow of Microsoft Teams, or e-mail.

    The ``url`` of a webhook that sends e-mail is ``mailto:`` and an address, or the address alone.
    """

    name: Name
    url: Url
    format: Format = Format.STANDARD
    events: list[EventType] = Field(
        default=list(TROUBLE), description="The events that it is notified of; by default those that need attention."
    )


class WebhookChange(Body):
    """The fields to change; fields that are left out stay."""

    name: Name | None = None
    url: Url | None = None
    events: list[EventType] | None = None
    enabled: bool | None = Field(None, description="False drops the messages that wait; true clears the reason why it was disabled.")


class Secret(BaseModel):
    """The new secret, shown only now. For a day messages carry a signature of the old one, too."""

    secret: str = Field(examples=["whsec_c2hvd24gdGhpcyBvbmNl"])


class Queued(BaseModel):
    """The id of the message, also in its ``webhook-id`` header."""

    message_id: Ref


class DeliveryOut(BaseModel):
    """One message and its state. ``last_status`` is the status of the last try, of HTTP or SMTP, null when there was no answer."""

    id: Ref
    event: EventType
    state: DeliveryState
    attempts: Count
    next_attempt_at: At | None
    last_status: int | None = Field(examples=[200])
    last_error: str | None = Field(examples=["It answered with 503."])
    created_at: At
    finished_at: At | None
    message: dict[str, Any] = Field(examples=[{"type": "sync.completed", "data": {}}])


@router.get("", summary="List webhooks")
def list_webhooks(caller: Viewer, workspace_id: WorkspaceId) -> list[WebhookOut]:
    """The webhooks of the workspace, by name."""
    return [_out(webhook) for webhook in caller.app.webhooks.all(caller.workspace(workspace_id).id)]


@router.post("", status_code=HTTPStatus.CREATED, summary="Create a webhook", responses=_RESOLVES)
@places.OUTSIDE
def make_webhook(caller: Editor, workspace_id: WorkspaceId, body: WebhookIn) -> WebhookMade:
    """Only this answer contains its secret."""
    webhook, secret = caller.app.webhooks.create(caller.workspace(workspace_id).id, body.name, body.url, body.format, body.events)
    return WebhookMade(**_out(webhook).model_dump(), secret=secret.get_secret_value() if secret else None)


@router.patch("/{webhook_id}", summary="Change a webhook", responses=_RESOLVES)
@places.OUTSIDE
def change_webhook(caller: Editor, workspace_id: WorkspaceId, webhook_id: WebhookId, body: WebhookChange) -> WebhookOut:
    """Change its name, URL or events, or whether it is enabled."""
    webhook = caller.webhook(workspace_id, webhook_id)
    changed = caller.app.webhooks.change(webhook.id, name=body.name, url=body.url, events=body.events, enabled=body.enabled)
    return _out(changed)


@router.delete("/{webhook_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response, summary="Remove a webhook")
def remove_webhook(caller: Editor, workspace_id: WorkspaceId, webhook_id: WebhookId) -> None:
    """Its deliveries are removed too, also those that wait."""
    caller.app.webhooks.remove(caller.webhook(workspace_id, webhook_id).id)


@router.post("/{webhook_id}/test", status_code=HTTPStatus.ACCEPTED, summary="Send a test message", responses=_BAD)
def test_webhook(caller: Editor, workspace_id: WorkspaceId, webhook_id: WebhookId) -> Queued:
    """Queued like any other message; its delivery shows the result."""
    return Queued(message_id=caller.app.webhooks.test(caller.webhook(workspace_id, webhook_id).id))


@router.get("/{webhook_id}/deliveries", summary="A webhook's messages, newest first")
def list_deliveries(caller: Viewer, workspace_id: WorkspaceId, webhook_id: WebhookId) -> list[DeliveryOut]:
    """The newest messages, each with its state."""
    return [_delivery(delivery) for delivery in caller.app.outbox.history(caller.webhook(workspace_id, webhook_id).id)]


@router.post("/{webhook_id}/rotate-secret", summary="Create a new secret", responses=_BAD)
def rotate_secret(caller: Editor, workspace_id: WorkspaceId, webhook_id: WebhookId) -> Secret:
    """Only this answer contains it."""
    return Secret(secret=caller.app.webhooks.rotate(caller.webhook(workspace_id, webhook_id).id).get_secret_value())


def _out(webhook: Webhook) -> WebhookOut:
    return WebhookOut(**{name: getattr(webhook, name) for name in WebhookOut.model_fields})


def _delivery(delivery: Delivery) -> DeliveryOut:
    fields = {name: getattr(delivery, name) for name in DeliveryOut.model_fields if name != "message"}
    return DeliveryOut(**fields, message=json.loads(delivery.payload))
