"""Asks Prefect for runs and switches its schedules: the one module outside flows and deployments that talks to it.

Prefect is imported inside the functions, because it takes seconds and most commands never need it.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote, urlsplit
from uuid import UUID

import requests
from pydantic import SecretStr

from adpulse import prefect_login, redact
from adpulse.errors import Unavailable
from adpulse.frequency import Frequency
from adpulse.home import LOCKS
from adpulse.model import Lane, Provider
from adpulse.settings import LOOPBACK_HOSTS, Settings

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

STALE, INSTALLATION = "adpulse.connections.stale", "adpulse.installation"
"""The event of connections that became stale, one for all of a sweep; and whose event it is."""

_CLOUD = re.compile(r"https://api(?P<domain>(?:\.\w+)*\.prefect\.\w+)/api/accounts/(?P<account>[\w-]+)/workspaces/(?P<workspace>[\w-]+)/?")
"""A workspace of Prefect Cloud, whose pages are on another host: ``default_ui_url`` of ``prefect.settings.models._defaults``, 3.9.1."""

_ATTEMPTS = 3
_TRUST_SECONDS = 2.0
_STUCK_AFTER = timedelta(minutes=2)
_HEALTH_SECONDS = 5.0
_HEALTH_TIMEOUT = 2.0
_lock, _lock_health = Lock(), Lock()


class _Asked(NamedTuple):
    generation: int
    run_id: UUID
    at: float


class _Health(NamedTuple):
    url: str
    answered: bool
    at: float


_asked: dict[str, _Asked] = {}
_health: list[_Health] = []


class DispatchCounter(Protocol):
    """Counts the claims of a lane; between two claims every request shares one flow run."""

    def dispatch_generation(self, provider: Provider, lane: Lane) -> int:
        """The current generation."""
        ...

    def bump_dispatch(self, provider: Provider, lane: Lane) -> int:
        """Begin a new one, because the flow run of the current one ended without claiming."""
        ...


BACKUP = "backup/backup"
"""The deployment of daily backups."""

EXPORT = "export/export"
"""The deployment of exports."""

GIVEN_BACK = "Cancelled; its leases were given back."
"""The message of a flow run that its worker cancelled because it stops: its syncs go on, unlike those of one that somebody cancelled."""


def deployment_name(provider: Provider, group: Frequency | Lane) -> str:
    """``meta-sync/meta-5min``, ``meta-sync/meta-on-demand``."""
    return f"{provider}-sync/{provider}-{group}"


def pages_url() -> str | None:
    """Where a browser finds Prefect's pages, if this process knows a server: ``PREFECT_UI_URL``, or where its API is."""
    api = os.environ.get("PREFECT_API_URL")
    return os.environ.get("PREFECT_UI_URL", _pages_of(api)).rstrip("/") if api else None


def _pages_of(api: str) -> str:
    if cloud := _CLOUD.fullmatch(api):
        return "https://app{domain}/account/{account}/workspace/{workspace}".format(**cloud.groupdict())
    return api.removesuffix("/api")


def pages_link(config: Settings, place: str, now: datetime) -> str | None:
    """A link to a page of Prefect's, which logs the browser in if the server is adpulse's own; None without a server.

    ``place`` is a path, ``now`` real time. With a ticket the link works once and for a minute.
    """
    pages, login = pages_url(), _login(config) if _takes_tickets(config) else None
    path = place if place.startswith("/") else f"/{place}"
    if pages is None or login is None:
        return pages and pages + path
    return f"{pages}{prefect_login.TICKET_PATH}/{prefect_login.issue_ticket(login, now)}?next={quote(path)}"


def use_running_server(config: Settings) -> None:
    """Point this process at the Prefect server of ``adpulse up``, unless the environment names one already; with its password."""
    state = config.home / "prefect" / "server.json"
    if "PREFECT_API_URL" not in os.environ and state.exists():
        os.environ.update(json.loads(state.read_text())["environment"])
        os.environ.pop("PREFECT_API_KEY", None)  # Prefect Cloud's, which is not used
    if login := _login(config):
        os.environ.setdefault("PREFECT_API_AUTH_STRING", login.get_secret_value())
    redact.protect_login(os.environ.get("PREFECT_API_AUTH_STRING", ""))
    redact.protect(os.environ.get("PREFECT_API_KEY", ""))


def _login(config: Settings) -> SecretStr | None:
    """``user:password`` of the server that this process uses: the setting, or the home's own, which only a server here is shown."""
    url = os.environ.get("PREFECT_API_URL", "")
    if config.prefect_auth and not _CLOUD.fullmatch(url):  # a key that is left in the environment is not for this server
        return config.prefect_auth
    if _cloud_key():
        return None
    is_own = urlsplit(url).hostname in LOOPBACK_HOSTS
    return config.prefect_auth or (prefect_login.existing_login(config.home) if is_own else None)


def _takes_tickets(config: Settings) -> bool:
    """Whether the server that this process uses is adpulse's: the one that this home runs, or another with the setting's password."""
    shown, url = os.environ.get("PREFECT_API_AUTH_STRING"), os.environ.get("PREFECT_API_URL", "")
    if config.prefect_auth:
        return shown in (None, config.prefect_auth.get_secret_value())
    own = _own_server(config.home)
    return own is not None and urlsplit(own).port == urlsplit(url).port


def _own_server(home: Path) -> str | None:
    """The address of the home's Prefect server while it runs: it notes it in its lock (``deployments/instance.py``)."""
    try:
        address = json.loads((home / LOCKS / "prefect-server").read_text())["address"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return str(address) if address else None


def answers() -> bool:
    """Whether the Prefect server of this process's environment answers; asked at most every few seconds, and not for long."""
    url = os.environ.get("PREFECT_API_URL")
    if url is None:
        return False
    with _lock_health:
        known = _health[-1] if _health else None
        if known is None or known.url != url or time.monotonic() - known.at > _HEALTH_SECONDS:
            known = _Health(url, _asked_health(url), time.monotonic())
            _health[:] = [known]
        return known.answered


def lets_anybody_in() -> bool:
    """Whether the Prefect server answers a question of somebody who shows no password."""
    try:
        return requests.post(f"{os.environ['PREFECT_API_URL'].rstrip('/')}/flows/count", json={}, timeout=_HEALTH_TIMEOUT).ok
    except requests.RequestException:
        return False


def _cloud_key() -> str | None:
    """The key of Prefect Cloud, if it is what this process shows: Prefect's client prefers a password to it."""
    return None if "PREFECT_API_AUTH_STRING" in os.environ else os.environ.get("PREFECT_API_KEY")


def _asked_health(url: str) -> bool:
    key = _cloud_key()  # without it Prefect Cloud says nothing about a workspace
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        return requests.get(f"{url.rstrip('/')}/health", headers=headers, timeout=_HEALTH_TIMEOUT).ok
    except requests.RequestException:
        return False


def request_run(provider: Provider, lane: Lane, counter: DispatchCounter, now: datetime) -> UUID:
    """Make sure a flow run that will claim everything waiting in the lane is on its way; its id. ``now`` is real time, as Prefect's.

    Any number of requests between two claims get the same run, because they share its idempotency key.

    Raises:
        Unavailable: Prefect does not answer; what is queued waits for the sweep.
    """
    name = deployment_name(provider, lane)
    with _lock:
        generation = counter.dispatch_generation(provider, lane)
        asked = _asked.get(name)
        if asked and asked.generation == generation and time.monotonic() - asked.at < _TRUST_SECONDS:
            return asked.run_id  # nobody has claimed since: forty presses in a second are one request to Prefect
        with answering():
            run_id, generation = _create(provider, lane, counter, now)
        _asked[name] = _Asked(generation, run_id, time.monotonic())
        return run_id


def cancelled_at(provider: Provider, lane: Lane, counter: DispatchCounter) -> datetime | None:
    """When somebody cancelled the flow run that would claim what waits in the lane; None if nobody did, and without a server.

    Raises:
        Unavailable: Prefect does not answer.
    """
    if "PREFECT_API_URL" not in os.environ:
        return None
    from prefect.client.schemas.filters import FlowRunFilter

    key = _idempotency_key(provider, lane, counter.dispatch_generation(provider, lane))
    with answering():
        runs = client().read_flow_runs(flow_run_filter=FlowRunFilter.model_validate({"idempotency_key": {"any_": [key]}}))
    states = [run.state for run in runs if run.state and run.state.is_cancelled() and run.state.message != GIVEN_BACK]
    return max((state.timestamp for state in states), default=None)


def _idempotency_key(provider: Provider, lane: Lane, generation: int) -> str:
    return f"{provider}-{lane}-{generation}"


def warm_up() -> None:
    """Import what asking Prefect takes, so that the first request does not wait for it."""
    import prefect.client.orchestration  # noqa: F401 - it is kept by Python


def _create(provider: Provider, lane: Lane, counter: DispatchCounter, now: datetime) -> tuple[UUID, int]:
    """The flow run of the current generation and that generation."""
    connected, deployment = client(), _deployment_id(provider, lane)
    for _ in range(_ATTEMPTS):
        generation = counter.dispatch_generation(provider, lane)
        run = connected.create_flow_run_from_deployment(deployment, idempotency_key=_idempotency_key(provider, lane, generation))
        if run.state is None or not (run.state.is_final() or _stuck(run.state, now)):
            return run.id, generation
        if counter.dispatch_generation(provider, lane) == generation:
            counter.bump_dispatch(provider, lane)  # that run ended before it claimed, or its worker did
    raise RuntimeError("every on-demand run ended at once")


def _stuck(state: "State", now: datetime) -> bool:
    """Whether a worker took the run and has not claimed for so long that it must be dead. One that waits for a worker is not."""
    taken = state.is_pending() or state.is_running() or state.is_cancelling()
    return taken and now - state.timestamp > _STUCK_AFTER


def is_scheduled(flow_run_id: UUID, frequency: Frequency) -> bool:
    """Whether Prefect's scheduler created this flow run, for the group of this frequency.

    Raises:
        Unavailable: Prefect does not answer.
    """
    with answering():
        found = client().read_flow_run(flow_run_id)
    return found.auto_scheduled and found.parameters.get("frequency") == frequency


def emit(event: str, payload: dict[str, object]) -> None:
    """Tell Prefect's automations of something; lost while no server is known, as nothing depends on it."""
    if "PREFECT_API_URL" not in os.environ:
        return
    from prefect.events import emit_event

    emit_event(event, resource={"prefect.resource.id": INSTALLATION, "prefect.resource.name": "adpulse"}, payload=payload)


@contextmanager
def answering() -> Iterator[None]:
    """Tell in one sentence that Prefect does not answer, and soon: by itself its client would try for a minute.

    Raises:
        Unavailable: that sentence.
    """
    if "PREFECT_API_URL" not in os.environ:
        raise Unavailable("No Prefect server is known. Start it with: adpulse up")
    import httpx
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1}):
            yield
    except (httpx.HTTPError, PrefectHTTPStatusError, OSError, RuntimeError) as error:
        raise Unavailable(f"Prefect does not answer ({type(error).__name__}). Start it with: adpulse up") from None


@cache
def client() -> "SyncPrefectClient":
    """One warm client for the life of the process."""
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True).__enter__()


@cache
def _deployment_id(provider: Provider, lane: Lane) -> UUID:
    from prefect.exceptions import ObjectNotFound

    name = deployment_name(provider, lane)
    try:
        return client().read_deployment_by_name(name).id
    except ObjectNotFound:
        raise Unavailable(f"The Prefect server has no deployment {name}. Run: adpulse deploy") from None
