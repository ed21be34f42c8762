"""Webhooks: where a workspace's events go, and with which secret they are signed."""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Row, delete, insert, select, true, update

from adpulse.clock import Clock
from adpulse.crypto import Cipher
from adpulse.errors import Conflict, NotFound, Usage
from adpulse.events import SUBSCRIBABLE, TROUBLE, Event, EventType
from adpulse.redact import protect
from adpulse.targets import Targets
from storage.control import outbox
from storage.control.database import Engine, reading
from storage.control.outbox import DeliveryRow, WebhookRow

OVERLAP = timedelta(days=1)
"""How long messages are signed with the secret before the last one, too, so that a receiver can change over without losing any."""

_MARK = "whsec_"
_COLUMNS = tuple(column for column in WebhookRow.__table__.columns if column.name != "ciphertext")


class Format(StrEnum):
    """What a webhook sends: messages signed as Standard Webhooks says, or sentences for a Slack incoming webhook."""

    STANDARD = "standard"
    SLACK = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook as people see it; of Slack's URL, which is a secret, ``url`` has only the host. Instants are real time."""

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
    """Where a message goes, and the secrets that it is signed with now, the newest first; none for Slack."""

    url: SecretStr
    format: Format
    secrets: tuple[SecretStr, ...]


class Webhooks:
    """The webhooks of this installation."""

    def __init__(self, engine: Engine, cipher: Cipher, targets: Targets, *, wall: Clock) -> None:
        self._engine = engine
        self._cipher = cipher
        self._targets = targets
        self._wall = wall

    def create(
        self, workspace_id: str, name: str, url: SecretStr, form: Format = Format.STANDARD, wanted: Sequence[EventType] = TROUBLE
    ) -> tuple[Webhook, SecretStr | None]:
        """A new webhook, and the secret that its messages are signed with, which is told this once; Slack's has none.

        Raises:
            Usage: it may not go there, or asks for an event that nobody can.
        """
        self._targets.check(url.get_secret_value())
        webhook_id, secret = str(uuid4()), None if form is Format.SLACK else _new_secret()
        values = {
            "id": webhook_id,
            "workspace_id": workspace_id,
            "name": name,
            "url": _shown(url, form),
            "format": form.value,
            "events": _told(wanted),
            "ciphertext": self._cipher.seal(webhook_id, secret or url),
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
        wanted: Sequence[EventType] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change what is given. A webhook that is disabled loses the messages that wait, and gets none meanwhile.

        Raises:
            Usage: as for :meth:`create`, or there is no such webhook.
        """
        webhook, values = self.get(webhook_id), dict[str, Any]()
        if name is not None:
            values["name"] = name
        if url is not None:
            self._targets.check(url.get_secret_value())
            values["url"] = _shown(url, webhook.format)
            if webhook.format is Format.SLACK:
                values["ciphertext"] = self._cipher.seal(webhook_id, url)
        if wanted is not None:
            values["events"] = _told(wanted)
        if enabled:
            values |= {"enabled": True, "disabled_reason": None, "failing_since": None}
        with self._engine.begin() as session:
            if values:
                session.execute(update(WebhookRow).where(WebhookRow.id == webhook_id).values(**values))
            if enabled is False and webhook.enabled:
                outbox.disable(session, webhook_id, "Disabled by hand.", self._wall.now())
        return self.get(webhook_id)

    def rotate(self, webhook_id: str) -> SecretStr:
        """A new secret, told this once; for a day messages carry a signature of the old one, too.

        Raises:
            NotFound, Usage: there is no such webhook, or it is Slack's, which has no secret but its URL.
        """
        if self.get(webhook_id).format is Format.SLACK:
            raise Usage("A Slack webhook has no secret but its URL. Make another in Slack and give it that URL.")
        fresh = _new_secret()
        with self._engine.begin() as session:
            sealed = session.execute(
                select(WebhookRow.ciphertext).where(WebhookRow.id == webhook_id).with_for_update(key_share=True)
            ).scalar_one()
            newest = self._cipher.open(webhook_id, sealed).get_secret_value().partition(" ")[0]
            both = self._cipher.seal(webhook_id, SecretStr(f"{fresh.get_secret_value()} {newest}"))
            rotated = {"ciphertext": both, "rotated_at": self._wall.now()}
            session.execute(update(WebhookRow).where(WebhookRow.id == webhook_id).values(**rotated))
        return fresh

    def address(self, webhook_id: str) -> Address | None:
        """Where its messages go; None while it is disabled, or when it is gone.

        Raises:
            Usage: its secret cannot be decrypted with this installation's key.
        """
        query = select(WebhookRow.__table__).where(WebhookRow.id == webhook_id, WebhookRow.enabled.is_(True))
        with reading(self._engine).connect() as session:
            row = session.execute(query).one_or_none()
        if row is None:
            return None
        secret = self._cipher.open(webhook_id, row.ciphertext)
        if row.format == Format.SLACK.value:
            return Address(url=_protected(secret), format=Format.SLACK, secrets=())
        known = [protect(each) for each in secret.get_secret_value().split(" ")]
        valid = known if row.rotated_at and self._wall.now() - row.rotated_at < OVERLAP else known[:1]
        return Address(url=SecretStr(row.url), format=Format.STANDARD, secrets=tuple(SecretStr(each) for each in valid))

    def get(self, webhook_id: str, workspace_id: str | None = None) -> Webhook:
        """The webhook with this id, of this workspace if one is given.

        Raises:
            NotFound: there is none, or it is another workspace's, which is told the same.
        """
        mine = (WebhookRow.workspace_id == workspace_id) if workspace_id else true()
        found = self._select((WebhookRow.id == webhook_id) & mine)
        if not found:
            raise NotFound(f"There is no webhook '{webhook_id}'.")
        return found[0]

    def named(self, reference: str) -> Webhook:
        """The webhook with this id, or the only one with this name.

        Raises:
            NotFound, Conflict: there is none, or several have the name.
        """
        found = self._select((WebhookRow.id == reference) | (WebhookRow.name == reference))
        if len(found) > 1:
            raise Conflict(f"Several webhooks are named '{reference}'. Use one of the ids: {', '.join(each.id for each in found)}.")
        return found[0] if found else self.get(reference)

    def every(self, workspace_id: str | None = None) -> list[Webhook]:
        """Every webhook, of one workspace if given, by name."""
        return self._select(WebhookRow.workspace_id == workspace_id if workspace_id else true())

    def _select(self, condition: ColumnElement[bool]) -> list[Webhook]:
        with reading(self._engine).connect() as session:
            rows = session.execute(select(*_COLUMNS).where(condition).order_by(WebhookRow.name, WebhookRow.id))
            return [_view(row) for row in rows]

    def remove(self, webhook_id: str) -> None:
        """Forget a webhook with its deliveries, those that wait included."""
        with self._engine.begin() as session:
            session.execute(select(WebhookRow.id).where(WebhookRow.id == webhook_id).with_for_update())
            session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
            session.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))

    def test(self, webhook_id: str) -> str:
        """Queue a test message, whatever the webhook asked for; its id.

        Raises:
            NotFound, Usage: there is no such webhook, or it is disabled.
        """
        webhook = self.get(webhook_id)
        if not webhook.enabled:
            raise Usage(f"{webhook.name} is disabled. {webhook.disabled_reason or ''} Enable it first.")
        event = Event(type=EventType.TEST, workspace_id=webhook.workspace_id, data={"webhook_id": webhook.id, "webhook": webhook.name})
        with self._engine.begin() as session:
            return outbox.store(session, [(webhook_id, event)], self._wall.now())[0]


def _new_secret() -> SecretStr:
    return SecretStr(protect(_MARK + base64.b64encode(secrets.token_bytes(32)).decode()))


def _shown(url: SecretStr, form: Format) -> str:
    if form is Format.STANDARD:
        return url.get_secret_value()
    parts = urlsplit(_protected(url).get_secret_value())
    return f"{parts.scheme}://{parts.hostname}"


def _protected(url: SecretStr) -> SecretStr:
    """Its path by itself, too: whoever connects puts an address in the name's place, and may tell of that."""
    protect(urlsplit(protect(url.get_secret_value())).path)
    return url


def _told(wanted: Sequence[EventType]) -> str:
    if not wanted or not set(wanted) <= set(SUBSCRIBABLE):
        raise Usage(f"Choose one or more of these events: {', '.join(SUBSCRIBABLE)}.")
    return json.dumps([each.value for each in SUBSCRIBABLE if each in wanted])


def _view(row: Row[Any]) -> Webhook:
    told: dict[str, Any] = {"format": Format(row.format), "events": tuple(EventType(each) for each in json.loads(row.events))}
    return Webhook(**told, **{name: getattr(row, name) for name in Webhook.__dataclass_fields__ if name not in told})
