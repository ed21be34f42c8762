"""Webhooks: the addresses that receive a workspace's events, and the secrets that sign them."""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Row, delete, insert, select, true, update

from adpulse import mail_address, mail_server
from adpulse.clock import Clock
from adpulse.crypto import Cipher
from adpulse.errors import Conflict, NotFound, Usage
from adpulse.events import SUBSCRIBABLE, TROUBLE, Event, EventType
from adpulse.redact import protect
from adpulse.targets import Targets
from storage.control import mail_problems, outbox
from storage.control.database import Engine, reading
from storage.control.formats import Format
from storage.control.mail_recipients import Message
from storage.control.outbox import DeliveryRow, WebhookRow

OVERLAP = timedelta(days=1)
"""How long messages are also signed with the previous secret after a rotation, so that a receiver can change over without losses."""

_MARK = "whsec_"
_COLUMNS = tuple(column for column in WebhookRow.__table__.columns if column.name != "ciphertext")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook as people see it. A channel's URL is a secret, so its ``url`` has only the host. Instants are real time."""

    id: str
    workspace_id: str
    name: str
    url: str
    format: Format
    events: tuple[EventType, ...]
    enabled: bool
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The address of a message, and the secrets that sign it now, the newest first; none for a channel."""

    url: SecretStr
    format: Format
    secrets: tuple[SecretStr, ...]


class Webhooks:
    """The webhooks of this installation; ``sends_mail``: it has a mail server."""

    def __init__(self, engine: Engine, cipher: Cipher, targets: Targets, *, wall: Clock, sends_mail: bool = False) -> None:
        self._engine = engine
        self._cipher = cipher
        self._targets = targets
        self._wall = wall
        self._sends_mail = sends_mail

    def create(
        self, workspace_id: str, name: str, url: SecretStr, form: Format = Format.STANDARD, events: Sequence[EventType] = TROUBLE
    ) -> tuple[Webhook, SecretStr | None]:
        """Create a webhook; returns it with the secret that signs its messages, which is shown only once. A channel's has none.

        Raises:
            Usage: the address is not allowed, or an event cannot be subscribed to.
        """
        url = self._checked(url, form)
        webhook_id, secret = str(uuid4()), _new_secret() if form.is_signed else None
        values = {
            "id": webhook_id,
            "workspace_id": workspace_id,
            "name": name,
            "url": _shown(url, form),
            "format": form.value,
            "events": _events_column(events),
            "ciphertext": b"" if form.is_mail else self._cipher.seal(webhook_id, secret or url),
            "enabled": True,
            "created_at": self._wall.now(),
        }
        with self._engine.begin() as session:
            session.execute(insert(WebhookRow).values(**values))
        return self.get(webhook_id), secret

    def change(
        self,
        webhook_id: str,
        *,
        name: str | None = None,
        url: SecretStr | None = None,
        events: Sequence[EventType] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change the fields that are not None. Disabling a webhook gives up its waiting messages; a disabled one gets no new ones.

        Raises:
            NotFound: there is no such webhook.
            Usage: as for :meth:`create`.
        """
        webhook, values = self.get(webhook_id), dict[str, Any]()
        if name is not None:
            values["name"] = name
        if url is not None:
            url = self._checked(url, webhook.format)
            values["url"] = _shown(url, webhook.format)
            if not (webhook.format.is_signed or webhook.format.is_mail):
                values["ciphertext"] = self._cipher.seal(webhook_id, url)
        if events is not None:
            values["events"] = _events_column(events)
        if enabled:
            values |= {"enabled": True, "disabled_reason": None, "failing_since": None}
        with self._engine.begin() as session:
            if url is not None:
                mail_problems.forget(session, webhook_id)
            if values:
                session.execute(update(WebhookRow).where(WebhookRow.id == webhook_id).values(**values))
            if enabled is False and webhook.enabled:
                outbox.disable(session, webhook_id, "Disabled by hand.", self._wall.now())
        return self.get(webhook_id)

    def _checked(self, url: SecretStr, form: Format) -> SecretStr:
        """The URL as it is stored.

        Raises:
            Usage: messages may not go there, or no e-mail can be sent.
        """
        if not form.is_mail:
            self._targets.check(url.get_secret_value())
            return url
        if not self._sends_mail:
            raise Usage(mail_server.NOT_SET)
        return SecretStr(mail_address.url_of(url.get_secret_value()))

    def rotate(self, webhook_id: str) -> SecretStr:
        """Create a new secret, which is returned only once; for a day messages are also signed with the previous one.

        Raises:
            NotFound, Usage: there is no such webhook, or it is a channel's, whose only secret is its URL.
        """
        form = self.get(webhook_id).format
        if form.is_mail:
            raise Usage("A webhook that sends e-mail has no secret.")
        if not form.is_signed:
            message = f"A webhook of {form.label} has no secret but its URL. Create another one there, then change the webhook to that URL."
            raise Usage(message)
        fresh = _new_secret()
        with self._engine.begin() as session:
            # Locked, so that of two rotations at once the second keeps the first one's secret as the previous one.
            sealed = session.execute(
                select(WebhookRow.ciphertext).where(WebhookRow.id == webhook_id).with_for_update(key_share=True)
            ).scalar_one()
            newest = self._cipher.open(webhook_id, sealed).get_secret_value().partition(" ")[0]
            both = self._cipher.seal(webhook_id, SecretStr(f"{fresh.get_secret_value()} {newest}"))
            rotated = {"ciphertext": both, "rotated_at": self._wall.now()}
            session.execute(update(WebhookRow).where(WebhookRow.id == webhook_id).values(**rotated))
        return fresh

    def address(self, webhook_id: str) -> Address | None:
        """The address of a webhook's messages; None while it is disabled, or if it was removed.

        Raises:
            Usage: its secret cannot be decrypted with this installation's key.
        """
        query = select(WebhookRow.__table__).where(WebhookRow.id == webhook_id, WebhookRow.enabled.is_(True))
        with reading(self._engine).connect() as session:
            row = session.execute(query).one_or_none()
        if row is None:
            return None
        secret = self._cipher.open(webhook_id, row.ciphertext)
        form = Format(row.format)
        if not form.is_signed:
            return Address(url=_protected(secret), format=form, secrets=())
        # Separated by a blank, the newest first; see rotate().
        stored = [protect(text) for text in secret.get_secret_value().split(" ")]
        valid = stored if row.rotated_at and self._wall.now() - row.rotated_at < OVERLAP else stored[:1]
        return Address(url=SecretStr(row.url), format=form, secrets=tuple(SecretStr(text) for text in valid))

    def get(self, reference: str) -> Webhook:
        """The webhook with this id, or the only one with this name.

        Raises:
            NotFound, Conflict: there is no such webhook, or several have the name.
        """
        matches = self._select(WebhookRow.id == reference) or self._select(WebhookRow.name == reference)
        if not matches:
            raise NotFound(f"There is no webhook '{reference}'.")
        if len(matches) > 1:
            raise Conflict(f"Several webhooks are named '{reference}'. Use one of the ids: {', '.join(webhook.id for webhook in matches)}.")
        return matches[0]

    def find(self, webhook_id: str, workspace_id: str) -> Webhook | None:
        """The workspace's webhook with this id, if there is one."""
        return next(iter(self._select((WebhookRow.id == webhook_id) & (WebhookRow.workspace_id == workspace_id))), None)

    def all(self, workspace_id: str | None = None) -> list[Webhook]:
        """All webhooks, or those of one workspace, ordered by name."""
        return self._select(WebhookRow.workspace_id == workspace_id if workspace_id else true())

    def _select(self, condition: ColumnElement[bool]) -> list[Webhook]:
        with reading(self._engine).connect() as session:
            rows = session.execute(select(*_COLUMNS).where(condition).order_by(WebhookRow.name, WebhookRow.id))
            return [_view(row) for row in rows]

    def remove(self, webhook_id: str) -> None:
        """Delete a webhook with its deliveries, including those that wait."""
        with self._engine.begin() as session:
            # Locked first, so that no message is stored for it between the two deletions.
            session.execute(select(WebhookRow.id).where(WebhookRow.id == webhook_id).with_for_update())
            mail_problems.forget(session, webhook_id)
            session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
            session.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))

    def test(self, webhook_id: str) -> str:
        """Queue a test message, whatever the webhook subscribes to; returns its id.

        Raises:
            NotFound, Usage: there is no such webhook, or it is disabled.
        """
        webhook = self.get(webhook_id)
        if not webhook.enabled:
            raise Usage(f"{webhook.name} is disabled. {webhook.disabled_reason or ''} Enable it first.")
        # Stored directly, because publish() sends only what a webhook subscribes to.
        event = Event(type=EventType.TEST, workspace_id=webhook.workspace_id, data={"webhook_id": webhook.id, "webhook": webhook.name})
        now = self._wall.now()
        with self._engine.begin() as session:
            return outbox.store(session, [Message(webhook_id=webhook_id, event=event, due=now)], now)[0]


def _new_secret() -> SecretStr:
    # Standard Webhooks: 24 to 64 random bytes in base64, after the prefix whsec_.
    return SecretStr(protect(_MARK + base64.b64encode(secrets.token_bytes(32)).decode()))


def _shown(url: SecretStr, form: Format) -> str:
    if form.is_signed or form.is_mail:
        return url.get_secret_value()
    # The path and the query are the secret; the host is enough to recognise the webhook.
    parts = urlsplit(_protected(url).get_secret_value())
    return f"{parts.scheme}://{parts.hostname}"


def _protected(url: SecretStr) -> SecretStr:
    """Redact a channel's URL, and also its path and its query alone.

    The delivery replaces the URL's host by an address, so that an error could show the rest with another host.
    """
    parts = urlsplit(protect(url.get_secret_value()))
    for secret in filter(None, (parts.path, parts.query)):
        protect(secret)
    return url


def _events_column(events: Sequence[EventType]) -> str:
    if not events or not set(events) <= set(SUBSCRIBABLE):
        raise Usage(f"Choose one or more of these events: {', '.join(SUBSCRIBABLE)}.")
    return json.dumps([event.value for event in SUBSCRIBABLE if event in events])


def _view(row: Row[*tuple[Any, ...]]) -> Webhook:
    converted: dict[str, Any] = {"format": Format(row.format), "events": tuple(EventType(name) for name in json.loads(row.events))}
    return Webhook(**converted, **{name: getattr(row, name) for name in Webhook.__dataclass_fields__ if name not in converted})
