"""The e-mails that wait in the outbox: all messages of an address that are due together are one e-mail. After the step telemetry."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update

from adpulse import mail_address
from adpulse.clock import Clock
from storage.control import mail_problems
from storage.control.database import Engine, Session, reading
from storage.control.formats import MAIL, Format
from storage.control.mail_problems import Problem
from storage.control.outbox import Delivery, DeliveryRow, DeliveryState, WebhookRow, delivery_of, is_due, note_failure

MOST_MESSAGES = 500
"""Messages of one e-mail; what is beyond them is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One e-mail: the messages of an address that are due, oldest first."""

    url: str
    format: Format
    deliveries: tuple[Delivery, ...]

    @property
    def key(self) -> tuple[str, Format]:
        """What only one e-mail at a time is sent for."""
        return self.url.casefold(), self.format

    @property
    def address(self) -> str:
        """Whom it goes to."""
        return mail_address.of_url(self.url)


class MailOutbox:
    """Messages of webhooks that send e-mail, and what became of them."""

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall

    def due(self, busy: Collection[tuple[str, Format]] = (), limit: int | None = None) -> list[Mail]:
        """The e-mails to send now, the longest waiting first, to ``limit`` addresses at most. ``busy``: keys of those being sent."""
        address, oldest = func.lower(WebhookRow.url), func.min(DeliveryRow.next_attempt_at)  # addresses are ASCII, see Mail.key
        with reading(self._engine).connect() as session:
            rows = session.execute(self._due(address, WebhookRow.format).group_by(address, WebhookRow.format).order_by(oldest))
            # Chosen before their messages are read, so that an address with very many keeps no other one waiting.
            keys = [key for row in rows if (key := (row[0], Format(row[1]))) not in busy][:limit]
            return [mail for key in keys if (mail := self._mail(session, *key))]

    def _mail(self, session: Session, url: str, form: Format) -> Mail | None:
        of_address = self._due(DeliveryRow.__table__, WebhookRow.url).where(
            func.lower(WebhookRow.url) == url, WebhookRow.format == form.value
        )
        oldest = of_address.order_by(DeliveryRow.next_attempt_at, DeliveryRow.created_at, DeliveryRow.id).limit(MOST_MESSAGES)
        rows = session.execute(oldest).all()
        return Mail(url=rows[0].url, format=form, deliveries=tuple(map(delivery_of, rows))) if rows else None

    def _due(self, *columns: Any) -> Select[*tuple[Any, ...]]:
        """Of the messages that are due. A message may have been stored while its webhook was disabled: it is sent with none of them."""
        of_mail = is_due(self._wall.now()) & WebhookRow.format.in_(MAIL) & WebhookRow.enabled.is_(True)
        return select(*columns).join_from(DeliveryRow, WebhookRow, WebhookRow.id == DeliveryRow.webhook_id).where(of_mail)

    def delivered(self, mail: Mail, status: int) -> None:
        """Record that the server accepted an e-mail."""
        with self._engine.begin() as session:
            values = {"state": DeliveryState.DELIVERED.value, "next_attempt_at": None, "finished_at": self._wall.now()}
            self._note(session, mail.deliveries, **values, last_status=status, last_error=None)
            failing = WebhookRow.id.in_(_webhooks(mail.deliveries)) & WebhookRow.failing_since.is_not(None)
            session.execute(update(WebhookRow).where(failing).values(failing_since=None))

    def postponed(self, deliveries: Sequence[Delivery], status: int | None, error: str, until: datetime) -> None:
        """Record a failed attempt; the next one is at ``until``."""
        with self._engine.begin() as session:
            self._note(session, deliveries, next_attempt_at=until, last_status=status, last_error=error)
            self._failing(session, deliveries)

    def failed(self, deliveries: Sequence[Delivery], status: int | None, error: str) -> None:
        """Record a failed attempt and give the messages up; a problem that lasts is sent again with its next event."""
        with self._engine.begin() as session:
            values = {"state": DeliveryState.FAILED.value, "next_attempt_at": None, "finished_at": self._wall.now()}
            self._note(session, deliveries, **values, last_status=status, last_error=error)
            mail_problems.forget_unsent(session, _problems(deliveries))
            self._failing(session, deliveries)

    @staticmethod
    def _note(session: Session, deliveries: Sequence[Delivery], **values: Any) -> None:
        # Messages that were given up meanwhile, because their webhook was disabled, stay given up.
        rows = DeliveryRow.id.in_([one.id for one in deliveries]) & (DeliveryRow.state == DeliveryState.PENDING.value)
        session.execute(update(DeliveryRow).where(rows).values(attempts=DeliveryRow.attempts + 1, **values))

    def _failing(self, session: Session, deliveries: Sequence[Delivery]) -> None:
        for webhook_id in _webhooks(deliveries):
            note_failure(session, webhook_id, self._wall.now())


def _webhooks(deliveries: Sequence[Delivery]) -> list[str]:
    return sorted({one.webhook_id for one in deliveries})


def _problems(deliveries: Sequence[Delivery]) -> list[Problem]:
    about = ((one, json.loads(one.payload)["data"]) for one in deliveries)
    return [Problem.of(one.webhook_id, one.event, data) for one, data in about if "connection_id" in data]
