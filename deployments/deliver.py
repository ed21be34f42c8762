"""Delivers the webhooks' messages: a loop inside the warm worker, beside the sweep. One of several workers leads it.

E-mails are sent by :mod:`deployments.mailing` in the same loop.

A message is noted as delivered after its receiver confirmed it. When the process dies in between, the next leader sends the message
again with the same id: delivery is at least once, and a receiver that remembers ids processes each message once.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib.metadata import version
from threading import Event
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
from standardwebhooks import Webhook as Signer

from adpulse import bootstrap
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.events import slack_body, teams_body
from adpulse.redact import redact
from adpulse.retry import DELIVERIES, LONGEST_BACKOFF, backoff
from deployments.mailing import AT_ONCE as MAILS_AT_ONCE
from deployments.mailing import Mailing
from deployments.owner import leads, this_process
from storage.control.database import INFRASTRUCTURE
from storage.control.formats import Format
from storage.control.outbox import Delivery
from storage.control.webhooks import Address

log = logging.getLogger(__name__)

AT_ONCE, AT_ONCE_PER_WEBHOOK = 128, 4
"""Messages under way at the same time, and of them to one webhook: a receiver that is slow takes no other's place."""

TIMEOUT_SECONDS = 15.0
"""How long a receiver may take in all, also when it answers byte by byte."""

_JOB = "deliver"
_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.5
_ERROR_PAUSE_SECONDS = 5.0
_LEAD_SECONDS = 15.0
_DATABASE_CALLS = 4
_STATUS_GONE = HTTPStatus.GONE
_BODIES = {Format.SLACK: slack_body, Format.TEAMS: teams_body}

Result = TypeVar("Result")


class _Answer(NamedTuple):
    status: int | None
    error: str | None
    wait: float | None = None


class Deliverer:
    """Sends due messages, many at a time. Connections are not reused: each is checked for one name, and must not serve another name."""

    def __init__(self, app: App, owner: str | None = None) -> None:
        self._app = app
        self._owner = owner or this_process()
        self._rng = random.Random()  # noqa: S311 - jitter
        self._under_way: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._leads = False
        self._renew_at = 0.0
        self._database = asyncio.Semaphore(_DATABASE_CALLS)
        self._mailing = Mailing(app, self._call_database)

    async def until(self, stop: Event) -> None:
        """Deliver until ``stop`` is set; messages under way may then end."""
        # A slow name lookup occupies its thread; there are enough threads that it delays no other message.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE + MAILS_AT_ONCE + _DATABASE_CALLS, "deliver"))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        trusted = httpx.create_ssl_context()
        # No proxy from the environment: a proxy would resolve the name itself. Certificates from SSL_CERT_FILE are trusted.
        timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=_CONNECT_SECONDS)
        async with httpx.AsyncClient(limits=limits, timeout=timeout, verify=trusted, trust_env=False) as client:
            while not stop.is_set():
                pause = await self._pass(client)
                await asyncio.sleep(pause)
            await asyncio.gather(*self._tasks, self._mailing.end(), return_exceptions=True)
        await asyncio.to_thread(self._app.leadership.resign, _JOB, self._owner)

    async def _pass(self, client: httpx.AsyncClient) -> float:
        """Start due deliveries; returns how long to wait."""
        try:
            if not await self._leading():
                return _POLL_SECONDS
            while deliveries := await self._call_database(self._choose_due, list(self._under_way.values())):
                for delivery in deliveries:
                    self._begin(client, delivery)
            await self._mailing.begin_due()
        except Exception:  # any error: the next messages must still be delivered
            log.exception("the outbox could not be read; trying again")
            return _ERROR_PAUSE_SECONDS
        return _POLL_SECONDS

    async def _leading(self) -> bool:
        if time.monotonic() >= self._renew_at:
            self._leads = await self._call_database(leads, self._app.leadership, _JOB, self._owner)
            self._renew_at = time.monotonic() + _LEAD_SECONDS
        return self._leads

    async def _call_database(self, call: Callable[..., Result], *arguments: object) -> Result:
        """Call the control plane in a thread; a few calls at a time, so that database connections are left for syncs."""
        async with self._database:
            return await asyncio.to_thread(call, *arguments)

    def _choose_due(self, under_way: list[Delivery]) -> list[Delivery]:
        """The deliveries that may start now, within the limits per webhook and in all."""
        free, counted = AT_ONCE - len(under_way), Counter(delivery.webhook_id for delivery in under_way)
        if free <= 0:
            return []
        busy = [webhook_id for webhook_id, count in counted.items() if count >= AT_ONCE_PER_WEBHOOK]
        chosen = []
        for delivery in self._app.outbox.due(free, busy=busy, excluded=[running.id for running in under_way]):
            counted[delivery.webhook_id] += 1
            if counted[delivery.webhook_id] <= AT_ONCE_PER_WEBHOOK:
                chosen.append(delivery)
        return chosen

    def _begin(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        self._under_way[delivery.id] = delivery
        task = asyncio.create_task(self._deliver(client, delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        try:
            answer = await self._send(client, delivery)
            await self._call_database(self._note, delivery, answer)
        except Exception:  # it stays in the outbox
            log.exception("message %s: its result could not be stored; it is sent again", delivery.id)
            await asyncio.sleep(_ERROR_PAUSE_SECONDS)
        finally:
            del self._under_way[delivery.id]

    async def _send(self, client: httpx.AsyncClient, delivery: Delivery) -> _Answer:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                address = await self._call_database(self._app.webhooks.address, delivery.webhook_id)
                if address is None:
                    return _Answer(None, "The webhook was disabled or removed.")
                body, headers = _message(delivery, address, self._app.wall.now())
                addresses = await asyncio.to_thread(self._app.targets.resolve, address.url.get_secret_value())
                return await _post(client, address.url.get_secret_value(), addresses, body, headers)
        except INFRASTRUCTURE:
            raise  # not an error of the receiver
        except TimeoutError:
            return _Answer(None, f"The receiver did not answer within {TIMEOUT_SECONDS:g} s.")
        except httpx.HTTPError as error:
            return _Answer(None, redact(f"The receiver could not be reached or broke off ({type(error).__name__})."))
        except AdpulseError as error:
            return _Answer(None, redact(str(error)))
        except Exception as error:  # an unexpected error counts as a failed try, so that it delays no other message
            log.exception("message %s could not be sent", delivery.id)
            return _Answer(None, f"The message could not be sent ({type(error).__name__}).")

    def _note(self, delivery: Delivery, answer: _Answer) -> None:
        outbox, tries = self._app.outbox, delivery.attempts + 1
        if answer.status is not None and answer.error is None:
            outbox.delivered(delivery, answer.status)
            return
        error = answer.error or ""
        log.info("webhook %s: message %s was not delivered by try %s: %s", delivery.webhook_id, delivery.id, tries, error)
        if answer.status == _STATUS_GONE:
            outbox.receiver_gone(delivery, answer.status, f"{error} It wants no more messages.")
        elif tries >= DELIVERIES:
            outbox.failed(delivery, answer.status, error)
        else:
            wait = max(backoff(tries, self._rng), answer.wait or 0.0)
            outbox.postponed(delivery, answer.status, error, self._app.wall.now() + timedelta(seconds=wait))


def _message(delivery: Delivery, address: Address, at: datetime) -> tuple[str, dict[str, str]]:
    """The body and the headers of a delivery, signed for Standard Webhooks."""
    headers = {"Content-Type": "application/json", "User-Agent": f"adpulse/{version('adpulse')}"}
    if not address.format.is_signed:
        return _BODIES[address.format](delivery.payload), headers
    signatures = (Signer(secret.get_secret_value()).sign(delivery.id, at.astimezone(UTC), delivery.payload) for secret in address.secrets)
    signed = {"webhook-id": delivery.id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": " ".join(signatures)}
    return delivery.payload, headers | signed


async def _post(client: httpx.AsyncClient, url: str, addresses: list[str], body: str, headers: dict[str, str]) -> _Answer:
    """Send one request to the first address that accepts a connection; TLS and the Host header use the name.

    Only the status of the answer is read.
    """
    parts = urlsplit(url)
    name = parts.hostname or ""
    for number, address in enumerate(addresses, 1):
        host = f"[{address}]" if ":" in address else address
        place = urlunsplit(parts._replace(netloc=host if parts.port is None else f"{host}:{parts.port}", fragment=""))
        host_header = {"Host": parts.netloc}
        request = client.build_request(
            "POST", place, content=body.encode(), headers=headers | host_header, extensions={"sni_hostname": name}
        )
        try:
            response = await client.send(request, stream=True, follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if number == len(addresses):
                raise
            continue
        await response.aclose()
        return _judge(response)
    raise httpx.ConnectError("no address")


def _judge(response: httpx.Response) -> _Answer:
    if response.is_success:
        return _Answer(response.status_code, None)
    verb = "redirects, which is not followed" if response.is_redirect else "refused"
    return _Answer(response.status_code, f"The receiver {verb} ({response.status_code}).", _retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    seconds = response.headers.get("retry-after", "")
    return min(float(seconds), LONGEST_BACKOFF) if seconds.isdecimal() else None


def deliver_until(stop: Event) -> None:
    """Deliver until ``stop`` is set."""
    asyncio.run(Deliverer(bootstrap.app()).until(stop))
