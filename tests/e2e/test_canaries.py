"""Secrets are found nowhere but encrypted or as digests, after an installation ran and everything was done to make it tell them.

Who adds a secret plants it in ``planted`` and provokes it in ``PROVOKED``: it is then looked for everywhere.
"""

import re
import secrets
from dataclasses import replace
from html import unescape
from http import HTTPStatus
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import requests
from canaries import Canaries
from cryptography.fernet import Fernet
from running import Running, forget_prefect

from adpulse.api.access import COOKIE
from adpulse.api.pages import ROOT
from adpulse.model import RunState
from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta import graph
from adpulse_sandbox.meta.tokens import Token

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # an installation of its own for each database, which the first test waits for

META, GOOGLE = "Harbor Outdoor", "Alpenglow Reisen"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def databases(request):
    """Settings of both databases, and their password if they have one."""
    if request.param == "sqlite":
        yield {}
        return
    postgres = request.getfixturevalue("postgres")
    with postgres.database() as control, postgres.database() as prefect:
        yield {"ADPULSE_DATABASE_URL": control, "ADPULSE_PREFECT_DATABASE_URL": prefect}


@pytest.fixture(scope="module")
def told(tmp_path_factory, databases, prefect_home, request):
    """What is left of an installation that ran, with all that it said, when it has ended."""
    home = tmp_path_factory.mktemp("canaries")
    if not databases:
        prefect_home(home)
    planted = {
        "Meta token": f"EAA{secrets.token_hex(24)}",
        "wrong Meta token": secrets.token_hex(24),  # of no shape that could be recognised
        "Meta app secret": secrets.token_hex(16),
        "Google refresh token": f"1//{secrets.token_urlsafe(32)}",
        "Slack address": secrets.token_urlsafe(24),
        "Fernet key": Fernet.generate_key().decode(),
    }
    if databases:
        planted["database password"] = request.getfixturevalue("postgres").password
    with Sandbox.start() as sandbox:
        full = sandbox.world.token("full")
        sandbox.world.tokens[planted["Meta token"]] = Token(label="canary", value=planted["Meta token"], accounts=full.accounts)
        mine = replace(sandbox.google.world.credentials["full"], label="canary", refresh_token=planted["Google refresh token"])
        sandbox.google.world.credentials["canary"] = mine
        app = {
            "ADPULSE_META_APP_ID": "1",
            "ADPULSE_META_APP_SECRET": planted["Meta app secret"],
            "ADPULSE_SECRET_KEY": planted["Fernet key"],
            "ADPULSE_WEBHOOK_PRIVATE_TARGETS": "false",  # whatever the other installation here may
        }
        with pytest.MonkeyPatch.context() as patched, Running(home, sandbox, **app, **databases) as up:
            patched.setattr(graph, "APP_SECRET", planted["Meta app secret"])
            scene = Scene(up, planted)
            for provoke in PROVOKED:
                provoke(scene)
        forget_prefect()
    return SimpleNamespace(home=home, planted=planted, said=[*scene.said, *up.printed], answers=scene.answers, databases=databases)


class Scene:
    """A running installation, who uses it, and all that it said."""

    def __init__(self, up, planted):
        self.up, self.planted = up, planted
        self.said, self.answers = [], []
        self.address = next(line.removeprefix("HTTP API: ") for line in up.printed if line.startswith("HTTP API: "))
        self.keys = {}

    def cli(self, *arguments, **options):
        """A command; what it prints is kept."""
        code, told = self.up.cli(*arguments, **options)
        self.said.append(told)
        return code, told

    def ask(self, method, path, key, **options):
        """A request; the answer is kept, headers too."""
        answer = requests.request(method, self.address + path, headers={"Authorization": f"Bearer {key}"}, timeout=30, **options)
        self.answers.append(f"{answer.headers}\n{answer.text}")
        return answer

    def connection(self, name):
        """A connection by its name."""
        return self.up.app.connections.get(name).connection

    def sync(self, name, **fault):
        """A sync to its end, with this fault of the platform."""
        if fault:
            self.up.remote.fault(**fault)
        run = self.up.ended(self.up.ask(self.connection(name), force=True))
        self.up.remote.clear_faults()
        return run


def makes_keys(scene):
    """By command line and by HTTP: the one place where each is told is left out of what is searched."""
    _, text = scene.up.cli("keys", "create", "ops", "--role", "operator")
    scene.planted["operator's key"] = text.split()[0]
    workspace = scene.up.workspace.id
    for role in ("viewer", "editor"):
        made = scene.ask("POST", f"/workspaces/{workspace}/keys", scene.planted["operator's key"], json={"name": role, "role": role})
        scene.answers.pop()
        scene.planted[f"{role}'s key"] = made.json()["key"]
    scene.ask("GET", f"/workspaces/{workspace}/keys", scene.planted["editor's key"])
    scene.cli("keys", "list")


def connects(scene):
    """Both platforms, after tokens that are wrong, and platforms that are not there, whose errors tell addresses with tokens."""
    workspace = ("--workspace", scene.up.workspace.id)
    away = {"ADPULSE_META_GRAPH_URL": "http://127.0.0.1:9", "ADPULSE_GOOGLE_TOKEN_URL": "http://127.0.0.1:9/token"}
    meta, google = scene.planted["Meta token"], scene.planted["Google refresh token"]
    for token, variables in ((scene.planted["wrong Meta token"], {}), (meta, away)):
        assert scene.cli("connect", "meta", *workspace, "--account", "all", stdin=token, **variables)[0] == 1
    assert scene.cli("connect", "google", *workspace, "--account", "all", stdin=google, **away)[0] == 1
    worlds = scene.up.sandbox.world, scene.up.sandbox.google.world
    accounts = (("meta", worlds[0].account(META).id, meta), ("google", worlds[1].customer(GOOGLE).id, google))
    for platform, account, secret in accounts:
        assert scene.cli("connect", platform, *workspace, "--account", account, stdin=secret)[0] == 0


def syncs_and_fails(scene):
    """Each kind of failure of the platforms, down to dead letters with their tracebacks in the worker's log."""
    assert scene.sync(META).state is RunState.DONE
    assert scene.sync(GOOGLE).state is RunState.DONE
    for action in ("drop", "html", "server_error", "refused", "expired_token"):
        assert scene.sync(META, action=action, platform="meta").state in (RunState.FAILED, RunState.DEAD)
    for action in ("drop", "permission_lost"):
        assert scene.sync(GOOGLE, action=action, platform="google").state in (RunState.FAILED, RunState.DEAD)
    for command in (("dead-letters", "list"), ("connections",), ("status", META, "--json")):
        scene.cli(*command)
    assert scene.cli("reconnect", META, stdin=scene.planted["wrong Meta token"])[0] == 1


def asks_wrongly(scene):
    """Secrets in places where none belongs are not repeated, whoever sent them."""
    connection, meta = scene.connection(META).id, scene.planted["Meta token"]
    for role in ("viewer", "editor", "operator"):
        key = scene.planted[f"{role}'s key"]
        scene.ask("GET", "/connections/", key)
        scene.ask("GET", f"/connections/{connection}/runs", key)
        scene.ask("GET", f"/workspaces/{scene.up.workspace.id}/dead-letters", key)
        assert scene.ask("GET", "/connections/", key[:-1] + "~").status_code == HTTPStatus.UNAUTHORIZED
        assert scene.ask("PATCH", f"/connections/{connection}/sync-frequency", key, json={"sync_frequency": {"x": key}}).status_code >= 400
        assert scene.ask("PATCH", f"/connections/{connection}/sync-frequency", key, json={"sync_frequency": meta}).status_code >= 400
        assert scene.ask("GET", f"/connections/{quote(meta)}/runs", key).status_code == HTTPStatus.NOT_FOUND
        assert scene.ask("GET", f"/nowhere?access_token={meta}", key).status_code == HTTPStatus.NOT_FOUND
        assert scene.ask("POST", "/keys", key, data=key).status_code >= 400


def hands_over(scene):
    """A grant holds a pasted token until it is used; a webhook's secret, and a Slack webhook's address, are told once or never."""
    workspace, key, meta = f"/workspaces/{scene.up.workspace.id}", scene.planted["editor's key"], scene.planted["Meta token"]
    granted = scene.ask("POST", f"{workspace}/discover", key, json={"provider": "meta", "secret": meta})
    scene.ask("GET", f"{workspace}/grants/{granted.json()['grant_id']}", key)
    wrong = {"provider": "meta", "secret": scene.planted["wrong Meta token"]}
    assert scene.ask("POST", f"{workspace}/discover", key, json=wrong).status_code >= 400
    made = scene.ask("POST", f"{workspace}/webhooks", key, json={"name": "receiver", "url": "https://1.1.1.1/hooks"}).json()
    scene.answers.pop()
    scene.planted["webhook's secret"] = made["secret"]
    slack = f"https://1.1.1.1/services/{scene.planted['Slack address']}"
    assert (
        scene.ask("POST", f"{workspace}/webhooks", key, json={"name": "slack", "url": slack, "format": "slack"}).status_code
        == HTTPStatus.CREATED
    )
    scene.ask("GET", f"{workspace}/webhooks", key)
    assert scene.ask("POST", f"{workspace}/webhooks", key, json={"name": "x", "url": f"http://127.0.0.1/{meta}"}).status_code >= 400


def looks_at_pages(scene):
    """A login link, a session's cookie, and what is told once on a page; every page is kept, those that refuse something too."""
    planted, place = scene.planted, f"/workspaces/{scene.up.workspace.id}"
    planted["login link"] = scene.up.app.sessions.link().get_secret_value()
    browser = requests.Session()
    browser.headers["Origin"] = scene.address

    def visit(method, path, status=HTTPStatus.OK, **options):
        answer = browser.request(method, f"{scene.address}{ROOT}{path}", timeout=30, **options)
        assert answer.status_code == status, (path, answer.text)
        return answer

    visit("GET", f"/login/{planted['login link']}")
    planted["session"] = browser.cookies[COOKIE]
    for name, path in (("a page's key", f"{place}/keys"), ("a page's webhook", f"{place}/webhooks")):
        made = visit("POST", path, HTTPStatus.CREATED, data={"name": "from a page", "url": "https://1.1.1.1/hooks", "event": "sync.failed"})
        planted[name] = unescape(re.search(r'id="secret"[^>]* value="([^"]+)"', made.text)[1])
    for path in ("/connections", f"/connections/{scene.connection(META).id}", "/health", "/alerts", "/access", "/connect"):
        scene.answers.append(visit("GET", path).text)
    asked = {
        "/connect/secret": {"provider": "meta", "secret": planted["wrong Meta token"]},
        f"{place}/bulk": {"label": planted["Meta token"], "action": "pause"},
        "/login": {"key": planted["editor's key"][:-1] + "~"},
    }
    for path, form in asked.items():
        scene.answers.append(browser.post(f"{scene.address}{ROOT}{path}", data=form, timeout=30).text)
    visit("POST", "/logout")


def leaves(scene):
    """Tokens are erased, which must leave nothing of them behind either."""
    scene.cli("disconnect", META, "--yes")
    scene.cli("delete", GOOGLE, "--yes")


PROVOKED = (makes_keys, connects, syncs_and_fails, asks_wrongly, hands_over, looks_at_pages, leaves)


def test_no_secret_is_in_any_file(told):
    found, files = Canaries(told.planted).in_files(told.home)

    assert files > 5
    assert found == set()


def test_no_secret_is_in_any_table(told):
    if not told.databases:
        assert (told.home / "control.db").stat().st_size > 0  # which is among the files, as Prefect's is
        return
    for url in told.databases.values():
        found, rows = Canaries(told.planted).in_database(url)
        assert rows > 100
        assert found == set()


def test_no_secret_was_said_or_answered(told):
    canaries = Canaries(told.planted)

    assert len(told.said) > 20 < len(told.answers)
    assert [text for text in (*told.said, *told.answers) if canaries.in_bytes(text.encode())] == []


def test_the_search_finds_a_secret_in_whatever_form(told, tmp_path):
    """Otherwise finding nothing would say nothing."""
    import base64  # noqa: PLC0415 - what hides it here

    secret = told.planted["Google refresh token"]
    for number, hidden in enumerate(
        (secret, quote(secret, safe=""), *(base64.b64encode(b"x" * n + secret.encode() + b"yz").decode() for n in range(3)))
    ):
        (tmp_path / f"{number}").write_text(f"a log line with {hidden} in it")

    found, files = Canaries(told.planted).in_files(tmp_path)

    assert files == 5
    assert found == {("Google refresh token", str(number)) for number in range(5)}
