"""The pages without a browser: who is let in, what forms do, and what another site cannot do."""

import html
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import requests
from partitions import forget_reads

from adpulse import prefect_login, private_file
from adpulse.api.pages import ROOT, create_site
from adpulse.api.pages.login import Throttle, _throttle
from adpulse.model import ConnectionStatus, RunState
from adpulse.platforms.meta.settings import MetaSettings
from adpulse.role import Role
from adpulse_sandbox.meta.tokens import OTHER_APP

RULES = {
    ("GET", "/login"): "anybody",
    ("POST", "/login"): "anybody",
    ("GET", "/login/{text}"): "anybody",
    ("POST", "/logout"): "viewer",
    ("GET", "/"): "viewer",
    ("GET", "/today"): "viewer",
    ("GET", "/accounts/{connection_id}"): "viewer",
    ("GET", "/accounts/{connection_id}/table.{kind}"): "viewer",
    ("GET", "/accounts/{connection_id}/restatements"): "viewer",
    ("GET", "/connections"): "viewer",
    ("GET", "/connections/{connection_id}"): "viewer",
    ("POST", "/connections/{connection_id}/sync-now"): "editor",
    ("POST", "/connections/{connection_id}/frequency"): "editor",
    ("POST", "/connections/{connection_id}/pause"): "editor",
    ("POST", "/connections/{connection_id}/resume"): "editor",
    ("POST", "/connections/{connection_id}/edit"): "editor",
    ("POST", "/connections/{connection_id}/backfill"): "editor",
    ("POST", "/connections/{connection_id}/backfill/stop"): "editor",
    ("POST", "/connections/{connection_id}/mapping"): "editor",
    ("POST", "/connections/{connection_id}/mapping/types"): "editor",
    ("POST", "/connections/{connection_id}/mapping/preview"): "editor",
    ("POST", "/connections/{connection_id}/disconnect"): "editor",
    ("POST", "/connections/{connection_id}/delete"): "editor",
    ("POST", "/workspaces/{workspace_id}/bulk"): "editor",
    ("GET", "/labels"): "editor",
    ("GET", "/workspaces/{workspace_id}/labels.csv"): "viewer",
    ("POST", "/workspaces/{workspace_id}/labels"): "editor",
    ("GET", "/connect"): "editor",
    ("POST", "/connect/consent"): "editor",
    ("POST", "/connect/secret"): "editor",
    ("GET", "/connect/{workspace_id}/{grant_id}"): "editor",
    ("POST", "/connect/{workspace_id}/{grant_id}"): "editor",
    ("GET", "/health"): "viewer",
    ("GET", "/prefect"): "operator",
    ("POST", "/dead-letters/{run_id}/replay"): "editor",
    ("GET", "/budgets"): "viewer",
    ("GET", "/workspaces/{workspace_id}/budgets.csv"): "viewer",
    ("POST", "/workspaces/{workspace_id}/budgets"): "editor",
    ("POST", "/workspaces/{workspace_id}/budgets/{budget_id}/remove"): "editor",
    ("GET", "/alerts"): "viewer",
    ("GET", "/alert-templates"): "editor",
    ("POST", "/workspaces/{workspace_id}/alert-templates/preview"): "editor",
    ("POST", "/workspaces/{workspace_id}/alerts"): "editor",
    ("POST", "/workspaces/{workspace_id}/alerts/{alert_id}/run"): "editor",
    ("POST", "/workspaces/{workspace_id}/alerts/{alert_id}/enabled"): "editor",
    ("POST", "/workspaces/{workspace_id}/alerts/{alert_id}/remove"): "editor",
    ("POST", "/workspaces/{workspace_id}/webhooks"): "editor",
    ("GET", "/workspaces/{workspace_id}/webhooks/{webhook_id}"): "viewer",
    ("POST", "/workspaces/{workspace_id}/webhooks/{webhook_id}/test"): "editor",
    ("POST", "/workspaces/{workspace_id}/webhooks/{webhook_id}/enabled"): "editor",
    ("POST", "/workspaces/{workspace_id}/webhooks/{webhook_id}/rotate-secret"): "editor",
    ("POST", "/workspaces/{workspace_id}/webhooks/{webhook_id}/remove"): "editor",
    ("GET", "/access"): "editor",
    ("POST", "/workspaces/{workspace_id}/keys"): "editor",
    ("POST", "/workspaces/{workspace_id}/keys/{key_id}/revoke"): "editor",
    ("POST", "/connections/{connection_id}/limit"): "operator",
    ("POST", "/workspaces/{workspace_id}/currency"): "editor",
    ("POST", "/workspaces/{workspace_id}/name"): "editor",
    ("POST", "/workspaces/{workspace_id}/realtime"): "operator",
    ("POST", "/workspaces/{workspace_id}/delete"): "operator",
    ("POST", "/workspaces"): "operator",
    ("POST", "/keys"): "operator",
    ("POST", "/keys/{key_id}/revoke"): "operator",
}
CLOSED = [route for route, rule in RULES.items() if rule != "anybody"]
OUT = ("POST", "/logout")
FORMS = {
    "backfill": {"since": "2025-01-01"},
    "frequency": {"sync_frequency": "hourly"},
    "consent": {"provider": "google"},
    "secret": {"provider": "google"},
    "edit": {"name": "Another name", "gross_margin": "12%"},
    "mapping": {"preset": "purchases"},
    "preview": {"preset": "purchases", "template": "ad-disapproved"},
    "budgets": {"target": "label:eu", "period": "daily", "amount": "10"},
    "bulk": {"which": "matching", "action": "pause"},
    "labels": {"text": "connection,labels\nHarbor Outdoor,eu", "confirmed": "yes"},
    "alerts": {"name": "one", "query": "SELECT 1"},
    "webhooks": {"name": "one", "url": "https://1.1.1.1/hooks", "event": "sync.failed"},
    "enabled": {"enabled": "false"},
    "keys": {"name": "one"},
    "limit": {"calls_per_hour": "90"},
    "name": {"name": "Another name"},
    "realtime": {"granted": "true"},
    "workspaces": {"name": "Another"},
}


@pytest.fixture(autouse=True)
def _forgiven():
    _throttle._failures.clear()


def path_of(template, team):
    grant = team.grant() if "grant_id" in template else None
    return template.format(
        connection_id=team.connection.id,
        run_id=team.run_id,
        workspace_id=team.workspace.id,
        webhook_id=team.webhook.id,
        alert_id=team.alert.id,
        key_id=team.key_id,
        grant_id=grant,
        text="nothing",
        kind="csv",
        budget_id="nothing",
    )


def form_of(template):
    return FORMS.get(template.rpartition("/")[2], {})


def test_every_page_has_a_rule():
    found = {(method.upper(), path) for path, operations in create_site().openapi()["paths"].items() for method in operations}

    assert found == set(RULES)


def test_nobody_sees_a_page_without_logging_in(address, team):
    for method, template in CLOSED:
        for cookies in ({}, {"adpulse_session": "made-up"}):
            answer = requests.request(
                method,
                f"{address}{ROOT}{path_of(template, team)}",
                data=form_of(template),
                cookies=cookies,
                allow_redirects=False,
                timeout=30,
            )
            assert answer.status_code == 303, template
            assert answer.headers["Location"].startswith(f"{ROOT}/login?next="), template


def test_a_viewer_looks_and_does_not_change(browser, visit, team):
    session = browser(team.viewer)
    said = {
        route: visit(session, route[0], path_of(route[1], team), data=form_of(route[1])).status_code for route in CLOSED if route != OUT
    }

    assert said == {route: 200 if RULES[route] == "viewer" else 403 for route in said}


def test_what_is_an_operators_is_no_editors(browser, visit, team):
    before, session = (team.app.workspaces.all(), team.app.keys.all()), browser(team.editor)
    operators = [route for route, rule in RULES.items() if rule == "operator"]

    said = {route: visit(session, route[0], path_of(route[1], team), data=form_of(route[1])).status_code for route in operators}

    assert said == dict.fromkeys(operators, 403)
    assert (team.app.workspaces.all(), team.app.keys.all()) == before


def test_what_is_another_workspaces_is_not_there(browser, visit, team, others):
    session, before = browser(team.editor), team.app.connections.all(others.workspace.id)
    for method, template in CLOSED:
        if "{" in template:
            answer = visit(session, method, path_of(template, others), data=form_of(template))
            assert answer.status_code == (403 if RULES[method, template] == "operator" else 404), template
            assert others.connection.name not in answer.text, template
    assert team.app.connections.all(others.workspace.id) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": None},
        *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "none")),
    ],
)
def test_another_sites_form_changes_nothing(visit, installation, team, headers):
    session, app = requests.Session(), installation.app
    visit(session, "GET", f"/login/{app.sessions.link().get_secret_value()}")

    def kept():
        return app.connections.all(), app.workspaces.all(), app.keys.all(), app.webhooks.all(), app.alerts.all(team.workspace.id)

    before = kept()
    for method, template in CLOSED:
        if method == "POST":
            answer = visit(session, method, path_of(template, team), data=form_of(template), headers=headers)
            assert answer.status_code == 403, template
    assert kept() == before
    assert visit(session, "GET", "/connections").url.endswith("/connections")


def test_another_site_cannot_use_the_session_for_the_api(browser, address, installation, team):
    session = browser(team.editor)
    path = f"{address}/connections/{team.connection.id}/pause"

    assert session.post(path, headers={"Origin": "https://elsewhere.example"}, timeout=30).status_code == 403
    assert installation.app.connections.get(team.connection.id).connection.status == "active"
    assert session.post(path, timeout=30).json()["status"] == "paused"


def test_a_session_ends_with_its_key(browser, visit, installation, team):
    session = browser(team.viewer)
    installation.app.keys.revoke(team.viewer[:12])

    assert "/login" in visit(session, "GET", "/connections").url


def test_logging_out_ends_the_session_also_for_whoever_copied_the_cookie(browser, visit, team):
    session = browser(team.viewer)
    copied = dict(session.cookies)
    visit(session, "POST", "/logout")

    assert "/login" in visit(session, "GET", "/connections").url
    assert "/login" in visit(requests.Session(), "GET", "/connections", cookies=copied).url


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(address, team):
    answer = requests.post(
        f"{address}{ROOT}/login", data={"key": team.viewer}, headers={"Origin": address}, allow_redirects=False, timeout=30
    )

    told = answer.headers["Set-Cookie"].lower()
    assert "httponly" in told
    assert "samesite=lax" in told
    assert "domain" not in told


def test_behind_https_the_cookie_is_only_for_https(address, team):
    forwarded = {"Origin": address, "X-Forwarded-Proto": "https"}

    answer = requests.post(f"{address}{ROOT}/login", data={"key": team.viewer}, headers=forwarded, allow_redirects=False, timeout=30)

    assert "secure" in answer.headers["Set-Cookie"].lower()


def test_a_login_link_works_once(visit, installation):
    text = installation.app.sessions.link().get_secret_value()
    first, second = requests.Session(), requests.Session()

    assert visit(first, "GET", f"/login/{text}").url.endswith("/today")
    assert visit(second, "GET", f"/login/{text}").status_code == 401
    assert "/login" in visit(second, "GET", "/connections").url


def test_a_login_link_is_no_session(visit, installation):
    text = installation.app.sessions.link().get_secret_value()

    assert "/login" in visit(requests.Session(), "GET", "/connections", cookies={"adpulse_session": text}).url


def test_a_session_is_stored_as_a_digest(browser, installation, team):
    text = browser(team.viewer).cookies["adpulse_session"]

    with installation.engine.connect() as session:
        assert text not in str(session.exec_driver_sql("SELECT * FROM browser_session").all())


def test_wrong_keys_are_slowed_down_and_a_right_one_is_not_tried_meanwhile(address, team):
    def log_in(key):
        return requests.post(f"{address}{ROOT}/login", data={"key": key}, headers={"Origin": address}, timeout=30)

    assert [log_in("adp_wrong").status_code for _ in range(10)] == [401] * 10
    refused = log_in(team.viewer)

    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60


def test_the_throttle_forgets_and_never_grows_without_end():
    throttle = Throttle(2, 60.0)
    for client in map(str, range(10_050)):
        throttle.failed(client)

    assert len(throttle._failures) == 10_000
    assert throttle.wait("10049") == 0
    throttle.failed("10049")
    assert throttle.wait("10049") > 0


@pytest.mark.parametrize(
    "place",
    ["https://elsewhere.example/", "//elsewhere.example/app/", "/app//elsewhere.example", "/app/\\elsewhere.example", "/connections/"],
)
def test_after_logging_in_one_stays_here(address, team, place):
    data = {"key": team.viewer, "next": place}

    answer = requests.post(f"{address}{ROOT}/login", data=data, headers={"Origin": address}, allow_redirects=False, timeout=30)

    assert answer.headers["Location"] == f"{ROOT}/today"


def test_forms_do_what_they_say_without_scripts(browser, visit, installation, team):
    session, path = browser(team.editor), f"/connections/{team.connection.id}"
    installation.work(installation.claim())

    visit(session, "POST", f"{path}/frequency", data={"sync_frequency": "hourly"})
    visit(session, "POST", f"{path}/sync-now")
    assert installation.app.connections.get(team.connection.id).connection.frequency == "hourly"
    assert installation.app.runs.history(team.connection.id, 1)[0].state is RunState.QUEUED

    visit(session, "POST", f"{path}/pause")
    assert installation.app.connections.get(team.connection.id).connection.status == "paused"
    visit(session, "POST", f"{path}/resume")
    assert installation.app.connections.get(team.connection.id).connection.status == "active"


def test_a_frequency_that_was_not_granted_is_refused_on_a_page(browser, visit, team):
    answer = visit(browser(team.editor), "POST", f"/connections/{team.connection.id}/frequency", data={"sync_frequency": "realtime"})

    assert answer.status_code == 400
    assert "not granted" in answer.text
    assert "realtime" not in visit(browser(team.editor), "GET", "/connections").text.split("<tbody>")[1]


@pytest.mark.usefixtures("numbers")
def test_the_settings_page_tells_the_telemetry_in_words(browser, visit, installation, team):

    told = re.sub(r"<[^>]+>|\s+", " ", visit(browser(team.viewer), "GET", "/connections").text)
    told = re.sub(r"\s+", " ", told)

    view = installation.app.connections.get(team.connection.id)
    share = 100 * view.total_syncs_with_changes / view.total_syncs_attempted
    assert f"{view.total_syncs_attempted} attempts | {view.total_syncs_with_changes} changes ({share:.1f}%)" in told
    assert "rows changed" in told
    assert "of 180" in told
    assert "Sync now" not in told  # a viewer


@pytest.mark.usefixtures("numbers")
def test_the_days_that_are_known_are_shown_one_by_one(browser, visit, installation, team):
    today = team.connection.today(installation.app.clock.now())
    forget_reads(installation.engine, [today - timedelta(days=40)], ["ads"])

    page = visit(browser(team.viewer), "GET", f"/connections/{team.connection.id}").text

    ads, campaigns = re.findall(r'<svg class="strip".*?</svg>', page, flags=re.DOTALL)
    marks = [Counter(re.findall(r'<rect class="(\w+)"', strip)) for strip in (ads, campaigns)]
    assert marks == [{"settled": 60, "open": 29, "hole": 1}, {"settled": 61, "open": 29}]
    assert f"<title>{today - timedelta(days=40)}: not read</title>" in ads
    assert f"every day from {today - timedelta(days=89)} to {today} but {today - timedelta(days=40)}; settled to" in page


def test_a_token_that_ends_soon_is_told_where_one_looks_with_the_way_out(browser, visit, installation, team, sandbox):
    ends = sandbox.clock.now() + timedelta(days=5, hours=1)
    fresh = installation.app.credentials.store(team.workspace.id, "meta", installation.secret("meta"), ends)
    with installation.engine.begin() as session:
        session.exec_driver_sql(f"UPDATE connection SET credential_id = '{fresh}' WHERE id = '{team.connection.id}'")

    for role, offered in ((team.editor, True), (team.viewer, False)):
        for path in ("/connections", f"/connections/{team.connection.id}"):
            page = visit(browser(role), "GET", path).text
            assert "Token ends in 5 days: reconnect" in page
            assert (f"/connect?connection={team.connection.id}" in page) is offered


def test_names_from_platforms_are_text_and_never_markup(browser, visit, installation, team):
    with installation.engine.begin() as session:
        session.exec_driver_sql("UPDATE connection SET name = '<script>alert(1)</script>'")
    page = visit(browser(team.editor), "GET", "/connections").text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.usefixtures("numbers")
def test_no_page_needs_inline_script_or_style(browser, visit, team):
    session = browser(team.editor)
    for path in ("/today", f"/accounts/{team.connection.id}", "/connections", f"/connections/{team.connection.id}", "/health", "/login"):
        answer = visit(session, "GET", path)
        assert answer.status_code == 200
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]* src=)", answer.text)
        assert "script-src" not in answer.headers["Content-Security-Policy"]  # nothing looser than default-src 'self'


def test_only_operators_see_the_way_to_prefect(browser, visit, installation, team, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    operator = requests.Session()
    visit(operator, "GET", f"/login/{installation.app.sessions.link(Role.OPERATOR).get_secret_value()}")

    assert f'href="{ROOT}/prefect"' in visit(operator, "GET", "/connections").text
    assert f"{ROOT}/prefect" not in visit(browser(team.editor), "GET", "/connections").text


@pytest.mark.parametrize(("place", "path"), [("/runs/flow-run/1", "/runs/flow-run/1"), ("@evil.example/", "/%40evil.example/")])
def test_an_operators_link_to_prefect_has_a_ticket_that_works_once(visit, installation, monkeypatch, place, path):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    home, operator = installation.app.settings.home, requests.Session()
    login = prefect_login.own_login(home)
    private_file.create(home / "locks" / "prefect-server", json.dumps({"address": "http://127.0.0.1:4200"}))
    visit(operator, "GET", f"/login/{installation.app.sessions.link(Role.OPERATOR).get_secret_value()}")
    now = datetime.now(UTC)

    answer = visit(operator, "GET", "/prefect", params={"next": place}, allow_redirects=False)

    address, _, rest = answer.headers["Location"].partition(f"{prefect_login.TICKET_PATH}/")
    ticket, _, after = rest.partition("?next=")
    tickets = prefect_login.Tickets(login, now - prefect_login.LIFETIME)
    assert (answer.status_code, address, after) == (303, "http://127.0.0.1:4200", path)
    assert [tickets.redeem(ticket, now) for _ in range(2)] == [True, False]
    assert login.get_secret_value().partition(":")[2] not in answer.headers["Location"]


@pytest.mark.parametrize("somebody", ["https://prefect.example.com", "http://127.0.0.1:4201", "http://localhost:4201"])
def test_a_server_of_somebody_else_is_linked_without_a_ticket(visit, installation, monkeypatch, somebody):
    monkeypatch.setenv("PREFECT_API_URL", f"{somebody}/api")
    home, operator = installation.app.settings.home, requests.Session()
    prefect_login.own_login(home)
    private_file.create(home / "locks" / "prefect-server", json.dumps({"address": "http://127.0.0.1:4200"}))
    visit(operator, "GET", f"/login/{installation.app.sessions.link(Role.OPERATOR).get_secret_value()}")

    answer = visit(operator, "GET", "/prefect", params={"next": "@evil.example/"}, allow_redirects=False)

    assert answer.headers["Location"] == f"{somebody}/@evil.example/"


def test_a_pasted_token_leads_to_a_choice_and_what_is_chosen_is_connected(browser, visit, installation, team):
    session, app = browser(team.editor), installation.app
    secret = installation.secret("meta").get_secret_value()
    choice = visit(session, "POST", "/connect/secret", data={"provider": "meta", "secret": secret}, files={"file": ("", b"")})
    (other,) = re.findall(r'value="(\d+)" id="account-\d+"[^>]*></td>\s*<th scope="row"><label for="account-\d+">Sakura Tea<', choice.text)
    assert "connected already" in choice.text
    assert secret not in choice.text

    refused = visit(session, "POST", _path(choice), data={"sync_frequency": "hourly"})
    assert (refused.status_code, "Choose an account." in refused.text) == (400, True)
    visit(session, "POST", _path(choice), data={"account": other, "sync_frequency": "hourly"})

    made = app.connections.get("Sakura Tea")
    assert made.connection.frequency == "hourly"
    assert app.runs.history(made.connection.id, 1)[0].state is RunState.QUEUED


def test_an_uploaded_service_account_is_as_good_as_a_token(browser, visit, installation, team):
    key = installation.secret("google", "service account").get_secret_value()

    choice = visit(browser(team.editor), "POST", "/connect/secret", data={"provider": "google"}, files={"file": ("key.json", key)})

    assert "Alpenglow Reisen" in choice.text


def test_neither_token_nor_file_is_told(browser, visit, team):
    answer = visit(browser(team.editor), "POST", "/connect/secret", data={"provider": "meta"}, files={"file": ("", b"")})

    assert (answer.status_code, "Paste a token, or choose a file." in answer.text) == (400, True)


def test_a_fresh_token_reconnects_and_the_history_stays(browser, visit, installation, team):
    session, app = browser(team.editor), installation.app
    app.connections.set_status(team.connection.id, ConnectionStatus.NEEDS_REAUTH, "Connect it again with a fresh token.")
    assert f'/connect?connection={team.connection.id}"' in visit(session, "GET", "/connections").text
    secret = installation.secret("meta").get_secret_value()

    form = {"provider": "meta", "connection": team.connection.id, "secret": secret}
    visit(session, "POST", "/connect/secret", data=form, files={"file": ("", b"")})

    assert app.connections.get(team.connection.id).connection.status is ConnectionStatus.ACTIVE
    assert team.run_id in {run.id for run in app.runs.history(team.connection.id)}


@pytest.mark.parametrize(("token", "scope"), [("other_app", f"meta:{OTHER_APP.id}"), ("business_system_user", "meta")])
def test_a_fresh_token_may_be_a_system_users_or_of_another_app(browser, visit, installation, team, token, scope):
    form = {"provider": "meta", "connection": team.connection.id, "secret": installation.secret("meta", token).get_secret_value()}

    visit(browser(team.editor), "POST", "/connect/secret", data=form, files={"file": ("", b"")})

    assert installation.app.connections.get(team.connection.id).connection.scope == scope


def test_a_pages_token_is_told_apart_on_the_page(browser, visit, installation, team):
    secret = installation.secret("meta", "page").get_secret_value()
    form = {"provider": "meta", "connection": team.connection.id, "secret": secret}

    shown = visit(browser(team.editor), "POST", "/connect/secret", data=form, files={"file": ("", b"")})

    assert "This is a Page&#39;s token, which reaches no ad account" in shown.text
    assert secret not in shown.text


def test_the_first_workspace_is_made_with_the_first_account(visit, installation):
    app = installation.app
    with installation.engine.begin() as session:
        session.exec_driver_sql("DELETE FROM workspace")
    operator = requests.Session()
    home = visit(operator, "GET", f"/login/{app.sessions.link().get_secret_value()}")
    operator.headers["Origin"] = home.url.partition("/app")[0]
    secret = installation.secret("meta").get_secret_value()

    form = {"provider": "meta", "workspace": "Northwind", "secret": secret}
    choice = visit(operator, "POST", "/connect/secret", data=form, files={"file": ("", b"")})

    assert "Choose accounts for Northwind" in choice.text


def test_a_cancelled_consent_is_told_on_a_page(address, installation):  # noqa: ARG001 - the server answers for it
    answer = requests.get(
        f"{address}/oauth/callback", params={"state": "x", "error": "access_denied"}, headers={"Accept": "text/html"}, timeout=30
    )

    assert answer.headers["content-type"].startswith("text/html")
    assert answer.status_code in (400, 401, 404)


def test_a_dead_letter_is_replayed_from_the_health_page(browser, visit, installation, team):
    from adpulse.errors import BadRequest  # noqa: PLC0415 - only here

    (lease,) = installation.claim()
    installation.app.runs.dead(lease, _leg(), BadRequest("Field 'x' does not exist."), next_due_at=installation.app.clock.now())
    session = browser(team.editor)

    page = visit(session, "GET", "/health").text
    assert "Field &#39;x&#39; does not exist." in page
    (letter,) = installation.app.runs.dead_letters()
    visit(session, "POST", f"/dead-letters/{letter.id}/replay")

    assert installation.app.runs.dead_letters() == []
    assert installation.app.runs.history(team.connection.id, 1)[0].state is RunState.QUEUED
    assert "No dead letters." in visit(session, "GET", "/health").text


def test_the_health_page_says_what_somebody_made_of_a_schedule_in_prefect(browser, visit, installation, team):
    sentence = "The schedule of meta-5min was paused in Prefect."
    installation.app.schedule_changes.store({"meta-5min": sentence})

    assert sentence in visit(browser(team.viewer), "GET", "/health").text


def test_the_health_page_says_that_an_api_version_ends(browser, visit, installation, team, monkeypatch):
    monkeypatch.setattr(installation.app, "settings", installation.app.settings.with_platform_settings(MetaSettings(version="v25.0")))
    session = browser(team.viewer)
    installation.sandbox.clock.set(datetime(2026, 11, 24, tzinfo=UTC))  # tests share the sandbox, and others set its clock, too
    before = visit(session, "GET", "/health").text
    installation.sandbox.clock.set(datetime(2027, 1, 10, tzinfo=UTC))

    assert "v25.0" not in before
    assert "Meta Ads v25.0 ends on 2027-02-23, in 44 days." in visit(session, "GET", "/health").text


def test_the_health_page_finds_one_of_many(browser, visit, installation, team):
    other = installation.connect("Nordlicht Moebel")
    session = browser(team.viewer)

    found = visit(session, "GET", "/health", params={"q": "nordlicht"}).text

    assert f"health-{other.id}" in found
    assert f"health-{team.connection.id}" not in found


def _path(answer):
    return answer.url.partition(ROOT)[2]


def _leg():
    from storage.control.runs import Leg  # noqa: PLC0415 - only here

    return Leg()


def test_a_warning_is_told_where_one_looks(browser, visit, installation, team, sandbox):
    installation.app.client(team.connection)._sleep = lambda _: None
    sandbox.faults.add([{"action": "refused", "kind": "ads", "account": team.connection.external_id}])
    installation.sync(team.connection)
    sandbox.faults.clear()

    listed = visit(browser(team.viewer), "GET", "/connections").text
    page = visit(browser(team.viewer), "GET", f"/connections/{team.connection.id}").text

    (warning,) = installation.app.connections.get(team.connection.id).warnings
    assert "Idle, 1 warning" in listed
    assert "Cannot read the list of campaigns and all below them" in page
    assert warning.message in html.unescape(page)
