"""The API on an installation of two workspaces, in this process; the sandbox is the platform, Prefect is not running."""

import os
import re
import shutil
from datetime import timedelta
from http import HTTPStatus
from types import SimpleNamespace

import duckdb
import pytest
import requests
from documented import DOCUMENT
from pydantic import SecretStr
from serving import serving

from adpulse import bootstrap, settings
from adpulse.api.pages import ROOT
from adpulse.errors import BadRequest
from adpulse.role import Role
from adpulse.services import authorising
from adpulse_sandbox import Sandbox
from storage.control.runs import Leg
from storage.warehouse import schema


@pytest.fixture(scope="package")
def sandbox():
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def team(request, installation):
    """A workspace with a connection, an open run, and the texts of its keys by role.

    With ``numbers`` its connection was synced, with ``restated`` on three days, with ``two`` another one beside it.
    """
    for fixture, make in (("two", _team_of_two), ("restated", _restated_team), ("numbers", _synced_team)):
        if fixture in request.fixturenames:
            return _bound(installation, installation.begin_as(make))
    return _bound(installation, _team(installation, installation.workspace))


@pytest.fixture
def numbers(team):
    """The team's connection was synced."""
    return team.connection


@pytest.fixture
def others(installation, team):  # noqa: ARG001 - the team's workspace is the first
    """Another such workspace, of somebody else."""
    return _bound(installation, _team(installation, installation.app.workspaces.create("Borealis")))


@pytest.fixture(scope="session")
def empty_copy(tmp_path_factory):
    """A published copy without rows."""
    path = tmp_path_factory.mktemp("copy") / "empty.duckdb"
    with duckdb.connect(path) as empty:
        schema.migrate(empty)
    return path


@pytest.fixture
def copied(installation, empty_copy):
    """Puts a published copy without rows in place, for alerts to look at; a sync would take the warehouse for lost."""

    def put(team):
        path = installation.app.published(team.workspace.id)
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(empty_copy, path)
        return team

    return put


@pytest.fixture
def operator(installation):
    """The text of an operator's key."""
    return installation.app.keys.create("ops", Role.OPERATOR, None)[1].get_secret_value()


@pytest.fixture(scope="package")
def address():
    """Where a real server answers; each request finds the installation of its test."""
    with serving() as answering:
        yield answering


@pytest.fixture
def ask(address):
    """Sends a request with a key, or without one. What is answered must be in the document, whatever the test is about."""

    def send(method, path, key=None, headers=None, **options):
        every = (headers or {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        answer = requests.request(method, address + path, headers=every, timeout=30, **options)
        require_documented(method, path, answer)
        return answer

    send.address = address
    return send


@pytest.fixture
def browser(address):
    """Logs in with a key, as a browser that says where its requests come from."""

    def log_in(key):
        session = requests.Session()
        session.headers["Origin"] = address
        answer = session.post(f"{address}{ROOT}/login", data={"key": key}, timeout=30)
        assert answer.url.endswith("/today"), answer.text
        return session

    return log_in


@pytest.fixture
def visit(address):
    """One request of a browser's session."""

    def send(session, method, path, **options):
        return session.request(method, f"{address}{ROOT}{path}", timeout=30, **options)

    return send


def require_documented(method, path, answer):
    """Status and content type are those that the route's documentation names; an unexpected error is in no document."""
    route = route_of(method, path)
    if route and answer.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
        told = route["responses"].get(str(answer.status_code))
        assert told is not None, f"{method} {path} answered {answer.status_code}, which its documentation does not name"
        content = answer.headers.get("content-type")
        assert (content and content.partition(";")[0]) in told.get("content", {None: None}), f"{method} {path} answered {content}"


def route_of(method, path):
    """The documentation of the route that serves this request; literal paths go before those with parameters."""
    for template in sorted(DOCUMENT["paths"], key=lambda each: each.count("{")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in DOCUMENT["paths"][template]:
            return DOCUMENT["paths"][template][method.lower()]
    return None


@pytest.fixture
def set_up(installation):
    """Serves the installation with other settings."""

    def use(**variables):
        os.environ.update(variables)
        settings.load.cache_clear()
        bootstrap.app.cache_clear()
        installation.app = bootstrap.app()
        return installation.app

    return use


def _synced_team(installation):
    team = _team(installation, installation.workspace)
    installation.sync(team["connection"])
    return team


def _team_of_two(installation):
    team = _synced_team(installation)
    installation.sync(installation.connect("Sakura Tea"))
    return team


def _restated_team(installation):
    team = _synced_team(installation)
    for _ in range(2):
        installation.advance_to(installation.app.clock.now() + timedelta(days=1))
        installation.sync(team["connection"], force=True)
    return team


def _team(installation, workspace):
    """What a team has, but for what belongs to this installation's ``app``."""
    app = installation.app
    installation.workspace = workspace
    connection = installation.connect()
    letter_id = app.runs.request(connection.id).run_id
    claimed = installation.claim()
    (lease,) = [each for each in claimed if each.run_id == letter_id]
    app.leases.release([each for each in claimed if each is not lease])
    app.runs.dead(lease, Leg(), BadRequest("Meta refused a request.", "100"), next_due_at=app.clock.now())
    run_id = app.runs.request(connection.id).run_id
    made = {role: app.keys.create(role, role, workspace.id) for role in (Role.VIEWER, Role.EDITOR)}
    texts = {role.value: text.get_secret_value() for role, (_, text) in made.items()}
    spare = app.keys.create("spare", Role.VIEWER, workspace.id)[0].id
    webhook, _ = app.webhooks.create(workspace.id, "theirs", SecretStr("https://1.1.1.1/hooks"))
    alert = app.alerts.create(workspace.id, "theirs", "SELECT 1 AS one")
    ids = {"letter_id": letter_id, "run_id": run_id, "key_id": spare}
    return {"workspace": workspace, "connection": connection, "webhook": webhook, "alert": alert} | texts | ids


def _bound(installation, team):
    app = installation.app

    def grant(for_connection=None):
        provider = for_connection.provider if for_connection else "google"
        return authorising.grant_of(app, team["workspace"].id, provider, installation.secret(provider)).id

    return SimpleNamespace(**team, app=app, secret=installation.secret("google").get_secret_value(), grant=grant)
