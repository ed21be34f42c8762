"""Time from a step of the platform's numbers to the message about it: ``adpulse up`` as it runs, with connections at realtime.

The sandbox's numbers change every quarter of an hour, as the platforms' do, and its truth is known in advance: each account has an
alert made of the template ``daily-overspend`` for each of the next steps, whose bound is between the spend before and after it.
A message is a webhook's request and an e-mail. Seconds count from the step to its arrival. Sandbox, server and worker share the machine.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.compute as pc
import requests
from pydantic import SecretStr

from adpulse.bootstrap import App
from adpulse.cli.sandboxed import variables_of
from adpulse.model import Connection, Provider
from adpulse.platforms.registry import PLATFORMS
from adpulse.services import alert_templates, connecting
from adpulse.services.alerting import create_alert
from adpulse.services.discovering import discover
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.running import Options
from adpulse_sandbox.meta.world import BEGINNING
from bench import environment, processes
from bench.receivers import Arrivals, receiving
from storage.control.formats import Format

WORKSPACES, ACCOUNTS, STEPS = 3, 3, 3
"""Accounts of each platform in each workspace, and steps that each account has an alert for: a workspace may have 20 alerts."""

SIZES = (60, 300, 900)
STEP = timedelta(minutes=15)
_SLOT = timedelta(seconds=30)
"""Business time is on the same grid as real time: Prefect's schedules tick in real time."""

_LEAD = timedelta(minutes=2)
_PATIENCE = timedelta(minutes=10)
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Expected:
    """An alert by its name, and the step that makes it fire."""

    provider: Provider
    name: str
    at: datetime


def measure() -> list[dict[str, object]]:
    """A row for each platform and kind of message: how many came, how many did not, and the seconds from the step to them."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adpulse-alerts-")))
        extras = WORKSPACES * ACCOUNTS
        sandbox = stack.enter_context(
            Sandbox.start(
                now=BEGINNING + timedelta(seconds=time.time() % _SLOT.total_seconds()),
                rate=1.0,
                extra=extras,
                extra_ads=SIZES,
                refresh_seconds=int(STEP.total_seconds()),
                google=Options(extra=extras, extra_ads=SIZES),
            )
        )
        arrivals = Arrivals(sandbox.clock)
        url, mail_port = stack.enter_context(receiving(arrivals))
        mail = {"HOST": "127.0.0.1", "PORT": str(mail_port), "FROM": "adpulse <adpulse@example.org>", "TLS": "none"}
        stack.enter_context(
            environment.only(
                ADPULSE_HOME=str(home),
                ADPULSE_WEBHOOK_PRIVATE_TARGETS="true",
                **variables_of(_world(sandbox)),
                **{f"ADPULSE_SMTP_{name}": value for name, value in mail.items()},
            )
        )
        app = environment.installed()
        workspaces = [_connect(app, sandbox, number, url) for number in range(WORKSPACES)]
        stack.enter_context(processes.adpulse("up", log=home / "up.log", ready="Ready"))
        _wait_for_first_syncs(app)
        expected = [each for workspace in workspaces for each in _alerts(app, sandbox, workspace)]
        _wait_for_messages(sandbox, arrivals, expected)
    return [_row(provider, kind, expected, arrivals) for kind in arrivals.by_kind for provider in PLATFORMS]


def _world(sandbox: Sandbox) -> dict[str, Any]:
    """What ``adpulse sandbox --json`` prints of it."""
    world: dict[str, Any] = requests.get(f"{sandbox.control_url}/world", timeout=30).json()
    return {**world, "control_url": sandbox.control_url, "versions": sandbox.versions}


def _connect(app: App, sandbox: Sandbox, number: int, url: str) -> str:
    """A workspace with its share of the accounts, a webhook and an address."""
    workspace = app.workspaces.create(f"Team {number + 1}").id
    app.workspaces.grant_realtime(workspace)
    names = {f"{prefix} {number * ACCOUNTS + place + 1}" for place in range(ACCOUNTS) for prefix in ("Corner Store", "Side Street")}
    secrets = {"meta": sandbox.world.token("full").value, "google": sandbox.google.world.credentials["full"].refresh_token}
    for provider in PLATFORMS:
        secret = SecretStr(secrets[provider])
        reached = discover(app, provider, secret)
        chosen = replace(reached, accounts=[account for account in reached.accounts if account.name in names])
        connecting.connect(app, workspace, provider, secret, chosen, "realtime", dispatcher=lambda _app, _provider: None)
    app.webhooks.create(workspace, "program", SecretStr(url))
    app.webhooks.create(workspace, "person", SecretStr(f"person{number}@example.com"), Format.EMAIL)
    return workspace


def _wait_for_first_syncs(app: App) -> None:
    deadline = time.monotonic() + 3 * _PATIENCE.total_seconds()
    while not all(view.last_sync_completed_at for view in app.connections.all()):
        _pause(deadline, "The first syncs did not end")


def _alerts(app: App, sandbox: Sandbox, workspace: str) -> Iterator[_Expected]:
    """Make a workspace's alerts: those of accounts that spend nothing in a step have none."""
    published = app.published(workspace)
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    while not published.exists():
        _pause(deadline, "Nothing was published")
    first = _next_step(sandbox.clock.now() + _LEAD)
    for view in app.connections.all(workspace):
        for at in (first + number * STEP for number in range(STEPS)):
            before, after = (_spend(sandbox, view.connection, moment) for moment in (at - STEP, at))
            if before < after:
                filled = alert_templates.fill(
                    app.connections,
                    workspace,
                    "daily-overspend",
                    bound=f"{(before + after) / 2_000_000:.6f}",
                    connection=view.connection.id,
                )
                create_alert(app.alerts, published, workspace, filled.name, filled.query)
                yield _Expected(view.connection.provider, filled.name, at)


def _next_step(after: datetime) -> datetime:
    return datetime.fromtimestamp((after.timestamp() // STEP.total_seconds() + 1) * STEP.total_seconds(), UTC)


def _spend(sandbox: Sandbox, connection: Connection, moment: datetime) -> int:
    """What an account had spent in its day at a moment, in micros."""
    today = moment.astimezone(ZoneInfo(connection.timezone)).date()
    truth = sandbox.google.truth if connection.provider == "google" else sandbox.truth
    return int(pc.sum(truth.totals(connection.external_id, today, today, moment)["spend"]).as_py() or 0)


def _wait_for_messages(sandbox: Sandbox, arrivals: Arrivals, expected: Sequence[_Expected]) -> None:
    """Until each alert's messages have arrived, or ten minutes have passed since the last step."""
    until = max(each.at for each in expected) + _PATIENCE
    while sandbox.clock.now() < until and not all(arrivals.first(kind, each.name) for kind in arrivals.by_kind for each in expected):
        time.sleep(_POLL_SECONDS)


def _row(provider: Provider, kind: str, expected: Sequence[_Expected], arrivals: Arrivals) -> dict[str, object]:
    own = [each for each in expected if each.provider == provider]
    seconds = [(at - each.at).total_seconds() for each in own if (at := arrivals.first(kind, each.name))]
    ranks = {"median": statistics.median(seconds), "p95": statistics.quantiles(seconds, n=20)[18], "max": max(seconds)}
    figures = {f"{name}_s": round(value, 1) for name, value in ranks.items()}
    return {"platform": provider, "message": kind, "arrived": len(seconds), "missing": len(own) - len(seconds), **figures}


def _pause(deadline: float, complaint: str) -> None:
    if time.monotonic() > deadline:
        raise RuntimeError(f"{complaint} in time.")
    time.sleep(_POLL_SECONDS)
