"""Delivers the webhooks' messages: a loop inside the warm worker, beside the sweep. Of several workers one does it.

A message is noted as delivered after its receiver said so. A process that dies in between leaves it in the outbox, and whoever
follows sends it again, with the same id: at least once, and a receiver that remembers ids has it exactly once.
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
from adpulse.clock import utc_now
from adpulse.errors import AdpulseError
from adpulse.events import slack_body
from adpulse.redact import redact
from adpulse.retry import DELIVERIES, LONGEST_BACKOFF, backoff
from deployments.owner import leads, this_process
from storage.control.database import INFRASTRUCTURE
from storage.control.outbox import Delivery
from storage.control.webhooks import Address, Format

log = logging.getLogger(__name__)

AT_ONCE, AT_ONCE_EACH = 128, 4
"""Messages under way at the same time, and of them to one webhook: a receiver that is slow takes no other's place."""

TIMEOUT_SECONDS = 15.0
"""How long a receiver may take in all, however it dribbles."""

_JOB = "deliver"
_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.5
_TROUBLE_SECONDS = 5.0
_LEAD_SECONDS = 15.0
_DATABASE_CALLS = 4
_GONE = HTTPStatus.GONE

Answered = TypeVar("Answered")


class _Answer(NamedTuple):
    status: int | None
    error: str | None
    wait: float | None = None


class Deliverer:
    """Sends what is due, many at a time. It keeps no connection: one that was checked for a name must not serve another of the address."""

    def __init__(self, app: App, owner: str | None = None) -> None:
        self._app = app
        self._owner = owner or this_process()
        self._rng = random.Random()  # noqa: S311 - jitter
        self._under_way: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._leads = False
        self._asks_at = 0.0
        self._database = asyncio.Semaphore(_DATABASE_CALLS)

    async def until(self, stop: Event) -> None:
        """Deliver until told to stop; what is under way then may end."""
        # A name that takes long to resolve keeps its thread; it must not keep the others from theirs.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE + _DATABASE_CALLS, "deliver"))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        trusted = httpx.create_ssl_context()
        # No proxy of the environment: it would choose the address by itself. Its certificates (SSL_CERT_FILE) are trusted.
        timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=_CONNECT_SECONDS)
        async with httpx.AsyncClient(limits=limits, timeout=timeout, verify=trusted, trust_env=False) as client:
            while not stop.is_set():
                pause = await self._pass(client)
                await asyncio.sleep(pause)
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._app.leadership.give_up, _JOB, self._owner)

    async def _pass(self, client: httpx.AsyncClient) -> float:
        """Begin whatever is due; how long to wait then."""
        try:
            if not await self._leading():
                return _POLL_SECONDS
            while found := await self._ask(self._due, list(self._under_way.values())):
                for delivery in found:
                    self._begin(client, delivery)
        except Exception:  # whatever it is, the next messages must be delivered all the same
            log.exception("the outbox could not be read; trying again")
            return _TROUBLE_SECONDS
        return _POLL_SECONDS

    async def _leading(self) -> bool:
        if time.monotonic() >= self._asks_at:
            self._leads = await self._ask(leads, self._app.leadership, _JOB, self._owner)
            self._asks_at = time.monotonic() + _LEAD_SECONDS
        return self._leads

    async def _ask(self, call: Callable[..., Answered], *arguments: object) -> Answered:
        """What the control plane says; a few calls at a time, so that syncs find a connection, too."""
        async with self._database:
            return await asyncio.to_thread(call, *arguments)

    def _due(self, under_way: list[Delivery]) -> list[Delivery]:
        """What may begin now: no more of one webhook than it has places, nor of all."""
        free, counted = AT_ONCE - len(under_way), Counter(each.webhook_id for each in under_way)
        if free <= 0:
            return []
        busy = [webhook_id for webhook_id, count in counted.items() if count >= AT_ONCE_EACH]
        chosen = []
        for delivery in self._app.outbox.due(free, busy=busy, taken=[each.id for each in under_way]):
            counted[delivery.webhook_id] += 1
            if counted[delivery.webhook_id] <= AT_ONCE_EACH:
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
            await self._ask(self._note, delivery, answer)
        except Exception:  # it stays in the outbox
            log.exception("message %s: what became of it could not be noted; it is sent again", delivery.id)
            await asyncio.sleep(_TROUBLE_SECONDS)
        finally:
            del self._under_way[delivery.id]

    async def _send(self, client: httpx.AsyncClient, delivery: Delivery) -> _Answer:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                address = await self._ask(self._app.webhooks.address, delivery.webhook_id)
                if address is None:
                    return _Answer(None, "The webhook was disabled or removed.")
                body, headers = _message(delivery, address, utc_now())
                addresses = await asyncio.to_thread(self._app.targets.resolve, address.url.get_secret_value())
                return await _post(client, address.url.get_secret_value(), addresses, body, headers)
        except INFRASTRUCTURE:
            raise  # the receiver has nothing to do with it
        except TimeoutError:
            return _Answer(None, f"The receiver did not answer within {TIMEOUT_SECONDS:g} s.")
        except httpx.HTTPError as error:
            return _Answer(None, redact(f"The receiver could not be reached or broke off ({type(error).__name__})."))
        except AdpulseError as error:
            return _Answer(None, redact(str(error)))
        except Exception as error:  # a message that nobody can send is given up like any other, and holds up nobody
            log.exception("message %s could not be sent", delivery.id)
            return _Answer(None, f"The message could not be sent ({type(error).__name__}).")

    def _note(self, delivery: Delivery, answer: _Answer) -> None:
        outbox, tries = self._app.outbox, delivery.attempts + 1
        if answer.status is not None and answer.error is None:
            outbox.delivered(delivery, answer.status)
            return
        error = answer.error or ""
        log.info("webhook %s: message %s was not delivered by try %s: %s", delivery.webhook_id, delivery.id, tries, error)
        if answer.status == _GONE:
            outbox.gone(delivery, answer.status, f"{error} It wants no more messages.")
        elif tries >= DELIVERIES:
            outbox.failed(delivery, answer.status, error)
        else:
            wait = max(backoff(tries, self._rng), answer.wait or 0.0)
            outbox.postponed(delivery, answer.status, error, utc_now() + timedelta(seconds=wait))


def _message(delivery: Delivery, address: Address, at: datetime) -> tuple[str, dict[str, str]]:
    """The body, and the headers that go with it."""
    headers = {"Content-Type": "application/json", "User-Agent": f"adpulse/{version('adpulse')}"}
    if address.format is Format.SLACK:
        return slack_body(delivery.payload), headers
    signatures = (Signer(secret.get_secret_value()).sign(delivery.id, at.astimezone(UTC), delivery.payload) for secret in address.secrets)
    signed = {"webhook-id": delivery.id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": " ".join(signatures)}
    return delivery.payload, headers | signed


async def _post(client: httpx.AsyncClient, url: str, addresses: list[str], body: str, headers: dict[str, str]) -> _Answer:
    """One request, to the first of these addresses that can be connected to; the name stays for TLS and for the Host header.

    Of the answer only the status is read.
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
    what = "redirects, which is not followed" if response.is_redirect else "refused"
    return _Answer(response.status_code, f"The receiver {what} ({response.status_code}).", _retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    told = response.headers.get("retry-after", "")
    return min(float(told), LONGEST_BACKOFF) if told.isdecimal() else None


def deliver_until(stop: Event) -> None:
    """Deliver until told to stop."""
    asyncio.run(Deliverer(bootstrap.app()).until(stop))
