"""Sends the e-mails that are due: one at a time to each address, a few at once. Part of the loop that delivers webhooks."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Protocol, TypeVar

from adpulse.bootstrap import App
from adpulse.mail_message import Envelope, compose
from adpulse.mail_server import NOT_SET, Reply
from adpulse.retry import DELIVERIES, backoff
from storage.control.formats import Format
from storage.control.mail_outbox import Mail
from storage.control.outbox import Delivery

Result = TypeVar("Result")

log = logging.getLogger(__name__)

AT_ONCE = 4
"""E-mails under way at the same time: servers refuse many connections of one client."""

_ERROR_PAUSE_SECONDS = 5.0


class DatabaseCall(Protocol):
    """Calls the control plane in a thread, a few calls at a time."""

    async def __call__(self, call: Callable[..., Result], *arguments: object) -> Result:
        """Its result."""


class Mailing:
    """The e-mails under way. ``call_database`` calls the control plane in a thread."""

    def __init__(self, app: App, call_database: DatabaseCall) -> None:
        self._app = app
        self._call_database = call_database
        self._rng = random.Random()  # noqa: S311 - jitter
        self._under_way: dict[tuple[str, Format], asyncio.Task[None]] = {}

    async def begin_due(self) -> None:
        """Begin to send e-mails that are due, as many as there is room for."""
        free = AT_ONCE - len(self._under_way)
        if free <= 0:
            return
        for mail in await self._call_database(self._app.mail_outbox.due, list(self._under_way), free):
            self._under_way[mail.key] = asyncio.create_task(self._deliver(mail))

    async def end(self) -> None:
        """Wait for the e-mails under way."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _deliver(self, mail: Mail) -> None:
        try:
            reply = await asyncio.to_thread(self._send, mail)
            await self._call_database(self._note, mail, reply)
        except Exception:  # it stays in the outbox
            log.exception("message %s: its result could not be stored; it is sent again", mail.deliveries[0].id)
            await asyncio.sleep(_ERROR_PAUSE_SECONDS)
        finally:
            del self._under_way[mail.key]

    def _send(self, mail: Mail) -> Reply:
        server, config = self._app.mail_server, self._app.settings
        if server is None:
            return Reply(None, NOT_SET)
        try:
            envelope = Envelope(
                sender=server.sender,
                address=mail.address,
                key=_key(mail),
                sent_at=self._app.wall.now(),
                is_digest=mail.format is Format.EMAIL_DAILY,
                public_url=config.public_url,
            )
            return server.send(compose([delivery.payload for delivery in mail.deliveries], envelope), mail.address)
        except Exception as error:  # an unexpected error counts as a failed try, so that it delays no other person
            log.exception("message %s could not be sent", mail.deliveries[0].id)
            return Reply(None, f"The message could not be sent ({type(error).__name__}).")

    def _note(self, mail: Mail, reply: Reply) -> None:
        if reply.error is None:
            self._app.mail_outbox.delivered(mail, reply.status or 0)
            return
        log.info("e-mail with message %s was not delivered: %s", mail.deliveries[0].id, reply.error)
        by_tries: dict[int, list[Delivery]] = {}
        for delivery in mail.deliveries:
            by_tries.setdefault(delivery.attempts + 1, []).append(delivery)
        for tries, deliveries in by_tries.items():
            self._note_failure(deliveries, tries, reply, reply.error)

    def _note_failure(self, deliveries: Sequence[Delivery], tries: int, reply: Reply, error: str) -> None:
        if reply.is_final or tries >= DELIVERIES:
            self._app.mail_outbox.failed(deliveries, reply.status, error)
        else:
            # One pause for all of them, so that they are one e-mail again.
            until = self._app.wall.now() + timedelta(seconds=backoff(tries, self._rng))
            self._app.mail_outbox.postponed(deliveries, reply.status, error, until)


def _key(mail: Mail) -> str:
    """The same for the same messages, so that a mailbox shows one of two copies; another for others, so that it hides none."""
    return sha256(" ".join(delivery.id for delivery in mail.deliveries).encode()).hexdigest()[:32]
