"""A platform that the product does not know: registered by the test alone, it is connected, synced, retried and shown."""

import asyncio
import importlib
import io
import sys
import time
from datetime import date, timedelta
from threading import Thread

import pytest
import requests
import uvicorn
from prefect.testing.utilities import prefect_test_harness
from pydantic import SecretStr
from third_platform.platform import NAME, PINBOARD
from third_platform.server import ACCOUNT, CAMPAIGNS, TOKEN, Pinboard, numbers

from adpulse import cli
from adpulse.api.app import create_app
from adpulse.api.pages import ROOT
from adpulse.errors import AuthExpired
from adpulse.model import RunState
from adpulse.platforms import registry
from adpulse.role import Role
from adpulse.services import connecting, discovering
from adpulse_sandbox import Sandbox
from deployments.schedules import table
from flows.platform_flow import platform_flow

CENT = 10_000


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def board(monkeypatch):
    with Pinboard() as running:
        monkeypatch.setitem(registry.PLATFORMS, NAME, PINBOARD)
        monkeypatch.setenv("ADPULSE_PINBOARD_URL", running.url)
        yield running


@pytest.fixture
def connection(board, installation):  # noqa: ARG001 - the platform must be registered
    secret = SecretStr(TOKEN)
    accounts = discovering.discover(installation.app, NAME, secret)
    (view,) = connecting.connect(installation.app, installation.workspace.id, NAME, secret, accounts, "manual", dispatcher=lambda *_: None)
    installation.app.client(view.connection)._sleep = lambda _: None
    return view.connection


def stored(installation):
    query = "SELECT external_id, date, impressions, clicks, spend, purchases, revenue FROM metric_facts ORDER BY ALL"
    return installation.rows(query)


def truth(installation, days):
    today = installation.sandbox.clock.now().date()
    found = []
    for pin in (pin for pins in CAMPAIGNS.values() for pin in pins):
        for n in range(days):
            day = today - timedelta(days=n)
            told = numbers(pin, day)
            row = (told["views"], told["taps"], told["cents"] * CENT, told["orders"] * 1_000_000, told["order_cents"] * CENT)
            found.append((pin, day, *row))
    return sorted(found)


def test_a_sync_stores_what_the_platform_told(board, installation, connection):
    installation.sandbox.clock.set(installation.sandbox.clock.now().replace(hour=12))

    run = installation.sync(connection)

    assert_stored(board, installation, run)


@pytest.mark.slow  # flows are the same of every platform: tests/e2e/test_end_to_end.py
def test_a_sync_through_its_flow_stores_what_the_platform_told(board, installation, connection):
    installation.sandbox.clock.set(installation.sandbox.clock.now().replace(hour=12))
    flow = platform_flow(NAME)

    with prefect_test_harness(server_startup_timeout=120):
        for _ in range(20):
            asyncio.run(flow())
            asyncio.run(flow(background=True))
            run = installation.app.runs.history(connection.id)[0]
            if run.state is not RunState.POSTPONED:
                break
            installation.advance_to(run.until)

    assert_stored(board, installation, run)


def assert_stored(board, installation, run):
    assert run.state is RunState.DONE
    assert stored(installation) == truth(installation, 90)
    assert ("POST", f"/accounts/{ACCOUNT}/reports") in board.calls
    assert installation.rows("SELECT DISTINCT provider, campaign FROM daily ORDER BY ALL") == [
        (NAME, "Campaign c-1"),
        (NAME, "Campaign c-2"),
    ]


def test_a_failure_is_retried_and_a_spent_quota_waits(board, installation, connection):
    board.faults += [(503, {})]
    installation.sync(connection)
    board.faults += [(429, {"error": "points_spent", "wait_seconds": 77})]

    (run,) = installation.leg(connection)

    assert run.state is RunState.POSTPONED
    assert "points are spent" in run.reason
    assert run.until == installation.sandbox.clock.now() + timedelta(seconds=77)


def test_a_token_that_is_refused_stops_it(board, installation, connection):
    board.faults += [(401, {"error": "bad_token"})]

    (run,) = installation.leg(connection)

    assert run.state is RunState.DEAD
    assert installation.app.connections.get(connection.id).connection.status == "needs_reauth"


def test_the_command_line_connects_and_plans_it(board, installation, monkeypatch, capsys):  # noqa: ARG001 - registered
    importlib.reload(sys.modules["adpulse.cli.connections"])
    fresh = importlib.reload(cli)
    monkeypatch.setattr(sys, "argv", ["adpulse", "connect", NAME, "--workspace", "Acme", "--account", "all", "--frequency", "hourly"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(TOKEN))

    with pytest.raises(SystemExit) as ended:
        fresh.main()

    assert ended.value.code in (0, None), capsys.readouterr()
    (view,) = installation.app.connections.all()
    assert (view.connection.provider, view.connection.external_id) == (NAME, ACCOUNT)


@pytest.fixture
def address():
    """Where the HTTP API and the pages answer."""
    server = uvicorn.Server(uvicorn.Config(create_app(), host="127.0.0.1", port=0, log_level="critical"))
    serving = Thread(target=server.run, daemon=True)
    serving.start()
    for _ in range(600):
        if server.started:
            break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    serving.join(10)


@pytest.fixture
def key(installation):
    return installation.app.keys.create("ops", Role.OPERATOR, None)[1].get_secret_value()


def test_the_api_connects_and_shows_it(board, installation, address, key):  # noqa: ARG001 - registered
    headers = {"Authorization": f"Bearer {key}"}
    place = f"{address}/workspaces/{installation.workspace.id}/connections"
    body = {"provider": NAME, "secret": TOKEN, "accounts": [ACCOUNT], "sync_frequency": "hourly"}

    made = requests.post(place, json=body, headers=headers, timeout=60)
    listed = requests.get(f"{address}/connections/", params={"provider": NAME}, headers=headers, timeout=60).json()

    assert made.status_code == 201, made.text
    assert [each["provider"] for each in listed["connections"]] == [NAME]


def test_a_platform_that_is_not_known_is_refused_by_the_api(installation, address, key):
    body = {"provider": "nowhere", "secret": TOKEN, "accounts": [ACCOUNT], "sync_frequency": "hourly"}
    place = f"{address}/workspaces/{installation.workspace.id}/connections"

    answer = requests.post(place, json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    assert answer.status_code == 422
    assert "meta, google" in answer.text


def test_the_pages_show_it(connection, address, key):
    session = requests.Session()
    session.headers["Origin"] = address
    session.post(f"{address}{ROOT}/login", data={"key": key}, timeout=60)

    listed, one, ways = (
        session.get(f"{address}{ROOT}{path}", timeout=60).text for path in ("/connections", f"/connections/{connection.id}", "/connect")
    )

    assert all("Pinboard Ads" in page for page in (listed, one, ways))


def test_its_deployments_are_in_the_table(board):  # noqa: ARG001 - registered
    mine = [spec for spec in table() if spec.provider == NAME]

    assert {spec.entrypoint for spec in mine} == {"third_platform.flow.pinboard_sync"}
    assert len(mine) == len([spec for spec in table() if spec.provider == "meta"])


def test_an_unknown_token_is_refused_when_it_is_connected(board, installation):  # noqa: ARG001 - registered
    with pytest.raises(AuthExpired):
        discovering.discover(installation.app, NAME, SecretStr("another"))


def test_numbers_differ_from_day_to_day():
    assert numbers("b-1", date(2026, 1, 1)) != numbers("b-1", date(2026, 1, 2))
