"""Connecting accounts over HTTP, with a browser that keeps cookies and a sandbox that asks for consent as the platforms do."""

import json
import logging
from datetime import timedelta
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from browsing import consent
from pydantic import SecretStr
from repeats import first_quick

from adpulse.crypto import digest
from adpulse.model import ConnectionStatus, RunState
from adpulse.platforms.google.settings import GoogleSettings
from adpulse.platforms.meta.settings import MetaSettings
from adpulse.role import Role
from adpulse_sandbox.google.login import CLIENT_SECRET
from adpulse_sandbox.meta.graph import APP_SECRET
from adpulse_sandbox.meta.login import BUSINESS
from adpulse_sandbox.meta.tokens import OTHER_APP, OWN_APP
from storage.control import grants

HARBOR, ALPENGLOW = "Harbor Outdoor", "Alpenglow Reisen"
NAMES = {"meta": HARBOR, "google": ALPENGLOW}


class Browser:
    """Somebody at a keyboard: a page of ours that begins, the platform's page, and the way back, with the cookies of all of it."""

    def __init__(self, home):
        self.home = home
        self.session = requests.Session()

    def begin(self, team, provider, key=None, **more):
        """Where the platform's page is."""
        path, headers = f"/workspaces/{team.workspace.id}/authorizations", {"Authorization": f"Bearer {key or team.editor}"}
        answer = self.session.post(self.home + path, json={"provider": provider, **more}, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["authorize_url"]

    def open(self, location, **options):
        """Follow a redirect to us."""
        return self.session.get(location, timeout=60, **options)

    def consents(self, team, provider, user="full", decision="allow", **more):
        """All of it; what we answer in the end."""
        return self.open(consent(self.begin(team, provider, **more), user, decision))


@pytest.fixture
def home(address):
    """As people open it: Meta sends nobody back to 127.0.0.1."""
    return address.replace("127.0.0.1", "localhost")


@pytest.fixture
def browser(home):
    return Browser(home)


@pytest.fixture
def workspace(installation):
    """A workspace without connections, and an editor's key."""
    made = installation.app.workspaces.create("Cumulus")
    installation.workspace = made
    return Team(installation, made)


class Team:
    def __init__(self, installation, workspace):
        self.workspace = workspace
        self.editor = installation.app.keys.create("e", Role.EDITOR, workspace.id)[1].get_secret_value()


def connect(ask, team, **body):
    return ask("POST", f"/workspaces/{team.workspace.id}/connections", team.editor, json=body)


def account(granted, name):
    return next(each for each in granted["accounts"] if each["name"] == name)


def tampered(location, **changed):
    """The address with other parameters."""
    told = dict(parse_qsl(urlsplit(location).query)) | changed
    return f"{location.partition('?')[0]}?{urlencode({name: value for name, value in told.items() if value is not None})}"


@pytest.mark.parametrize("provider", ["meta", "google"])
def test_from_consent_to_a_first_sync_with_the_token_that_came_of_it(ask, installation, browser, workspace, provider):
    granted = browser.consents(workspace, provider).json()
    chosen = account(granted, NAMES[provider])
    assert (chosen["can_be_synced"], chosen["connected"]) == (True, False)

    answer = connect(ask, workspace, grant_id=granted["grant_id"], accounts=[chosen["external_id"]], sync_frequency="5min")

    assert answer.status_code == 201, answer.text
    (made,) = answer.json()
    assert (made["connection"]["name"], made["connection"]["sync_frequency"]) == (NAMES[provider], "5min")
    assert ask("GET", f"/jobs/{made['job_id']}", workspace.editor).json()["status"] == "queued"
    (run,) = [run for run in installation.work(installation.claim()) if run.id == made["job_id"]]
    run = installation.finish(run)
    assert (run.state, run.counts.fetched > 0) == (RunState.DONE, True)
    connection = installation.app.connections.get(made["connection"]["id"]).connection
    assert installation.app.credentials.open(connection.credential_id).get_secret_value() not in known_secrets(installation)


def known_secrets(installation):
    """The sandbox's own credentials, which no login made."""
    tokens = {each.value for each in installation.sandbox.world.tokens.values() if not each.label.startswith("login-")}
    return tokens | {each.refresh_token for each in installation.sandbox.google.world.credentials.values()}


@pytest.mark.parametrize("provider", ["meta", "google"])
def test_a_cancelled_consent_is_told_and_stores_nothing(installation, browser, workspace, provider):
    answer = browser.consents(workspace, provider, decision="cancel")

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:adpulse:usage")
    assert "was not connected: access was not allowed (access_denied)" in answer.json()["detail"]
    with installation.engine.connect() as session:
        assert session.exec_driver_sql("SELECT * FROM credential_grant").all() == []


def test_only_the_platforms_own_word_for_an_error_is_repeated(browser, workspace):
    location = consent(browser.begin(workspace, "meta"), decision="cancel")

    answer = browser.open(tampered(location, error="<script>alert(1)</script>"))

    assert "script" not in answer.text


def test_whoever_has_only_the_link_gets_nowhere_and_spoils_nothing(browser, home, workspace, others):
    """An attacker begins in a workspace of their own and sends the link to somebody who can consent, or steals the way back."""
    location = consent(browser.begin(workspace, "meta"))
    stranger = Browser(home)
    stranger.begin(others, "meta")  # who has begun something of their own, too

    refused = [stranger.open(location), requests.get(location, timeout=30)]
    refused.append(requests.get(location, timeout=30, headers={"Authorization": f"Bearer {others.editor}"}))

    assert [answer.status_code for answer in refused] == [400] * 3
    assert all("in this browser" in answer.json()["detail"] for answer in refused)
    granted = browser.open(location)
    assert (granted.status_code, granted.json()["workspace_id"]) == (200, workspace.workspace.id)


def test_a_cookie_of_another_authorisation_is_no_proof(browser, workspace):
    first, second = (consent(browser.begin(workspace, "meta")) for _ in range(2))
    state, other = (dict(parse_qsl(urlsplit(each).query))["state"] for each in (first, second))
    cookies = {cookie.name: cookie.value for cookie in browser.session.cookies}
    forged = {name(state): cookies[name(other)]}

    assert requests.get(first, cookies=forged, timeout=30).status_code == 400


def name(state):
    return f"adpulse_authorization_{digest(state)[:16]}"


def test_two_at_once_in_one_browser_are_both_finished(browser, workspace):
    locations = [consent(browser.begin(workspace, provider)) for provider in ("meta", "google")]

    assert [browser.open(each).json()["provider"] for each in locations] == ["meta", "google"]


def test_the_key_that_began_finishes_without_a_browser(ask, home, workspace):
    location = consent(Browser(home).begin(workspace, "google"))
    path = location.removeprefix(home)

    assert ask("GET", path, "adp_00000000_x").status_code == 401
    assert ask("GET", path, workspace.editor).json()["workspace_id"] == workspace.workspace.id


def test_a_state_is_good_once(browser, workspace):
    location = consent(browser.begin(workspace, "google"))

    answers = [browser.open(location).status_code for _ in range(2)]
    assert answers == [200, 400]


@pytest.mark.parametrize("changed", [{"state": None}, {"state": ""}, {"state": "forged"}, {"state": "x" * 500}])
def test_a_forged_state_is_refused(browser, workspace, changed):
    location = consent(browser.begin(workspace, "google"))

    assert browser.open(tampered(location, **changed)).status_code in (400, 422)


def test_a_state_ends_after_ten_minutes(browser, installation, workspace):
    location = consent(browser.begin(workspace, "google"))
    installation.wall.advance(timedelta(minutes=10))

    assert browser.open(location).status_code == 400


def test_a_code_that_was_used_elsewhere_connects_nothing(browser, workspace):
    first, second = (consent(browser.begin(workspace, "meta")) for _ in range(2))
    code = dict(parse_qsl(urlsplit(first).query))["code"]
    browser.open(first)

    answer = browser.open(tampered(second, code=code))

    assert (answer.status_code, answer.json()["type"]) == (422, "urn:adpulse:bad-request")
    assert code not in answer.text


def test_the_cookie_is_out_of_reach_of_scripts_and_other_paths(home, workspace):
    headers = {"Authorization": f"Bearer {workspace.editor}"}
    path = f"{home}/workspaces/{workspace.workspace.id}/authorizations"
    answer = requests.post(path, json={"provider": "google"}, headers=headers, timeout=30)
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()

    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/oauth/callback")
    assert cookie.value not in answer.json()["authorize_url"]


def test_where_people_reach_it_is_where_they_are_sent_back_to(ask, installation, workspace, monkeypatch):
    config = installation.app.settings.model_copy(update={"public_url": "https://ads.example/adpulse"})
    monkeypatch.setattr(installation.app, "settings", config)
    answer = ask("POST", f"/workspaces/{workspace.workspace.id}/authorizations", workspace.editor, json={"provider": "meta"})
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()

    query = dict(parse_qsl(urlsplit(answer.json()["authorize_url"]).query))
    assert query["redirect_uri"] == "https://ads.example/adpulse/oauth/callback"
    assert (cookie["secure"], cookie["path"]) == (True, "/adpulse/oauth/callback")


@pytest.mark.parametrize(
    ("host", "provider", "said"),
    [
        ("ads.example", "google", "ADPULSE_PUBLIC_URL"),
        ("localhost.evil.example", "google", "ADPULSE_PUBLIC_URL"),
        ("127.0.0.1:8400", "meta", "http://localhost:8400"),
    ],
)
def test_nobody_is_sent_back_to_an_address_that_is_not_known(address, workspace, host, provider, said):
    headers = {"Authorization": f"Bearer {workspace.editor}", "Host": host}
    path = f"{address}/workspaces/{workspace.workspace.id}/authorizations"
    answer = requests.post(path, json={"provider": provider}, headers=headers, timeout=30)

    assert answer.status_code == 400
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(("provider", "setting"), [("meta", "ADPULSE_META_APP_ID"), ("google", "ADPULSE_GOOGLE_CLIENT_ID")])
def test_without_an_app_of_its_own_it_says_which_settings_are_missing(ask, installation, workspace, monkeypatch, provider, setting):
    without_app = MetaSettings(app_secret=None) if provider == "meta" else GoogleSettings(client_secret=None)
    monkeypatch.setattr(installation.app, "settings", installation.app.settings.with_platform_settings(without_app))

    answer = ask("POST", f"/workspaces/{workspace.workspace.id}/authorizations", workspace.editor, json={"provider": provider})
    assert answer.status_code == 400
    assert setting in answer.json()["detail"]


@pytest.mark.parametrize(
    ("provider", "user", "status", "said"),
    [
        ("meta", "unscoped", 422, "ads_read"),
        ("google", "revoked", 422, "Connect it again"),
        ("google", "test_only", 422, ""),
    ],
)
def test_who_consents_without_what_is_needed_is_told_and_nothing_is_stored(browser, workspace, provider, user, status, said):
    answer = browser.consents(workspace, provider, user)

    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_who_reaches_no_account_sees_that_there_is_nothing_to_connect(ask, browser, workspace):
    granted = browser.consents(workspace, "meta", "none").json()

    answer = connect(ask, workspace, grant_id=granted["grant_id"], accounts="all")
    assert (granted["accounts"], answer.status_code) == ([], 400)


def test_a_pasted_credential_tells_every_account_with_its_manager_and_what_is_connected(ask, installation, workspace):
    connected = installation.connect(ALPENGLOW)
    secret = installation.secret("google", "service account").get_secret_value()

    granted = ask("POST", f"/workspaces/{workspace.workspace.id}/discover", workspace.editor, json={"provider": "google", "secret": secret})

    accounts = {each["name"]: each for each in granted.json()["accounts"]}
    manager = accounts["Summit Media Group"]
    assert (manager["manager"], manager["can_be_synced"]) == (True, False)
    assert accounts[ALPENGLOW] == {
        "external_id": connected.external_id, "name": ALPENGLOW, "currency": "EUR", "timezone": "Europe/Berlin", "status": "enabled",
        "can_be_synced": True, "manager": False, "manager_id": manager["external_id"], "connected": True,
    } | {"manager_id": accounts[ALPENGLOW]["manager_id"]}  # fmt: skip
    assert accounts["Pacific Trail Outfitters"]["manager_id"] == manager["external_id"]
    read = ask("GET", f"/workspaces/{workspace.workspace.id}/grants/{granted.json()['grant_id']}", workspace.editor)
    assert read.json() == granted.json()


def test_an_equal_account_id_on_the_other_platform_is_not_taken_for_connected(ask, installation, workspace):
    meta = installation.connect(HARBOR)
    secret = installation.secret("google", "service account").get_secret_value()
    path, body = f"/workspaces/{workspace.workspace.id}/discover", {"provider": "google", "secret": secret}
    chosen = account(ask("POST", path, workspace.editor, json=body).json(), ALPENGLOW)
    with installation.engine.begin() as session:
        session.exec_driver_sql(
            f"UPDATE connection SET external_id = '{chosen['external_id']}', currency = '{chosen['currency']}' WHERE id = '{meta.id}'"
        )

    granted = ask("POST", path, workspace.editor, json=body).json()
    made = connect(ask, workspace, grant_id=granted["grant_id"], accounts=[chosen["external_id"]])

    assert account(granted, ALPENGLOW)["connected"] is False
    assert made.status_code == 201, made.text


def test_all_takes_what_can_be_synced_and_is_not_connected_yet(ask, installation, workspace):
    installation.connect(HARBOR)
    secret = installation.secret("meta").get_secret_value()

    made = connect(ask, workspace, provider="meta", secret=secret, accounts="all", sync_frequency="hourly").json()

    assert {each["connection"]["name"] for each in made} == {"Nordlicht Moebel", "Sakura Tea"}
    again = connect(ask, workspace, provider="meta", secret=secret, accounts="all")
    assert (again.status_code, "not connected yet" in again.json()["detail"]) == (400, True)


def test_all_through_a_manager_takes_only_what_is_reached_through_it(ask, installation, workspace):
    secret = installation.secret("google").get_secret_value()
    told = ask(
        "POST", f"/workspaces/{workspace.workspace.id}/discover", workspace.editor, json={"provider": "google", "secret": secret}
    ).json()
    through = {each["manager_id"] for each in told["accounts"] if each["can_be_synced"]}
    manager = next(each for each in through if each)
    wanted = {each["external_id"] for each in told["accounts"] if each["can_be_synced"] and each["manager_id"] == manager}
    dashed = f"{manager[:3]}-{manager[3:6]}-{manager[6:]}"

    nobody = connect(ask, workspace, grant_id=told["grant_id"], accounts="all", manager_id="999-999-9999")
    listed = connect(ask, workspace, grant_id=told["grant_id"], accounts=sorted(wanted), manager_id=manager)
    made = connect(ask, workspace, grant_id=told["grant_id"], accounts="all", manager_id=dashed)

    assert (nobody.status_code, listed.status_code, made.status_code) == (400, 422, 201)
    assert "through 9999999999" in nobody.json()["detail"]
    assert len(through) > 1
    assert {each["connection"]["external_id"] for each in made.json()} == wanted


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"accounts": ["999"]}, (400, "does not reach account 999")),
        ({"accounts": "all", "sync_frequency": "sometimes"}, (400, "hourly")),
        ({"accounts": "all", "sync_frequency": "realtime"}, (400, "granted")),
        ({"accounts": []}, (422, "accounts")),
        ({"accounts": "some"}, (422, "accounts")),
        ({"accounts": "all", "secret": "EAAtoken-of-somebody"}, (422, "either grant_id")),
        ({"accounts": "all", "provider": "meta"}, (422, "either grant_id")),
    ],
)
def test_what_cannot_be_connected_leaves_the_grant_as_it_was(ask, installation, browser, workspace, body, refusal):
    status, said = refusal
    granted = browser.consents(workspace, "meta").json()

    answer = connect(ask, workspace, grant_id=granted["grant_id"], **body)

    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)
    assert "EAAtoken-of-somebody" not in answer.text
    assert installation.app.connections.all(workspace.workspace.id) == []
    assert connect(ask, workspace, grant_id=granted["grant_id"], accounts="all").status_code == 201


@pytest.mark.parametrize(("name", "said"), [("Closed Bakery", "cannot be synced"), ("Summit Media Group", "Connect its clients")])
def test_an_account_that_cannot_be_synced_is_refused_with_the_reason(ask, installation, workspace, name, said):
    secret = installation.secret("google").get_secret_value()
    path = f"/workspaces/{workspace.workspace.id}/discover"
    granted = ask("POST", path, workspace.editor, json={"provider": "google", "secret": secret}).json()
    closed = next(each for each in granted["accounts"] if name in each["name"] or each["external_id"] == _id(installation, name))

    answer = connect(ask, workspace, grant_id=granted["grant_id"], accounts=[closed["external_id"]])
    assert (answer.status_code, said in answer.json()["detail"]) == (400, True)


def _id(installation, name):
    return installation.sandbox.google.world.customer(name).id


def test_a_grant_is_used_once(ask, browser, workspace):
    granted = browser.consents(workspace, "meta").json()
    first, second = (account(granted, name)["external_id"] for name in (HARBOR, "Sakura Tea"))

    answers = [connect(ask, workspace, grant_id=granted["grant_id"], accounts=[each]) for each in (first, second)]

    assert [answer.status_code for answer in answers] == [201, 404]
    assert answers[1].json()["type"] == "urn:adpulse:not-found"


def test_a_grant_is_over_after_an_hour(ask, browser, installation, workspace):
    granted = browser.consents(workspace, "meta").json()
    installation.wall.advance(grants.LIFETIME)

    assert connect(ask, workspace, grant_id=granted["grant_id"], accounts="all").status_code == 404
    assert ask("GET", f"/workspaces/{workspace.workspace.id}/grants/{granted['grant_id']}", workspace.editor).status_code == 404


def test_a_grant_of_another_workspace_is_not_there(ask, browser, installation, workspace, others):
    granted = browser.consents(workspace, "meta").json()

    answers = [
        connect(ask, others, grant_id=granted["grant_id"], accounts="all"),
        ask("GET", f"/workspaces/{others.workspace.id}/grants/{granted['grant_id']}", others.editor),
        ask("POST", f"/connections/{others.connection.id}/reconnect", others.editor, json={"grant_id": granted["grant_id"]}),
    ]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert len(installation.app.connections.all(others.workspace.id)) == 1


def test_a_connection_of_another_workspace_cannot_be_begun_for(ask, team, others):
    body = {"provider": "meta", "connection_id": others.connection.id}

    assert ask("POST", f"/workspaces/{team.workspace.id}/authorizations", team.editor, json=body).status_code == 404


def test_a_workspace_asks_what_a_credential_reaches_only_so_often(ask, installation, workspace, others):
    path, body = f"/workspaces/{workspace.workspace.id}/discover", {"provider": "meta", "secret": "EAAnobodysToken1234567"}
    for _ in range(grants.MAX_PER_HOUR):
        assert ask("POST", path, workspace.editor, json=body).status_code == 422
    asked = len(installation.sandbox.calls.calls())

    answer = ask("POST", path, workspace.editor, json=body)

    assert (answer.status_code, 0 < int(answer.headers["Retry-After"]) <= 3600) == (429, True)
    assert len(installation.sandbox.calls.calls()) == asked
    other = f"/workspaces/{others.workspace.id}/discover"
    assert ask("POST", other, others.editor, json=body).status_code == 422


def test_reconnecting_through_a_consent_keeps_the_history_and_the_id(ask, installation, browser, team, numbers):
    connection = numbers
    before = installation.rows("SELECT count(*) AS n FROM daily")
    installation.app.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "The token has expired.")

    granted = browser.consents(team, "meta", connection_id=connection.id).json()
    answer = ask("POST", f"/connections/{connection.id}/reconnect", team.editor, json={"grant_id": granted["grant_id"]})

    assert granted["connection_id"] == connection.id
    (made,) = answer.json()
    assert (made["connection"]["id"], made["connection"]["status"]) == (connection.id, "active")
    assert made["connection"]["credential_expires_at"] is not None
    assert installation.finish(installation.work(installation.claim())[0]).state is RunState.DONE
    assert installation.rows("SELECT count(*) AS n FROM daily") >= before


def test_what_does_not_reach_the_connections_account_does_not_reconnect_it(ask, installation, browser, team):
    granted = browser.consents(team, "meta", "none").json()
    google = browser.consents(team, "google").json()
    path = f"/connections/{team.connection.id}/reconnect"

    answers = [ask("POST", path, team.editor, json={"grant_id": each["grant_id"]}) for each in (granted, google)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert "does not reach" in answers[0].json()["detail"]
    assert "Google Ads" in answers[1].json()["detail"]
    assert installation.app.grants.get(google["grant_id"], team.workspace.id)


def test_a_paused_connection_is_resumed_and_a_disconnected_one_needs_a_token(ask, team):
    path = f"/connections/{team.connection.id}"
    ask("POST", f"{path}/pause", team.editor)

    resumed = ask("POST", f"{path}/resume", team.editor)
    gone = ask("POST", f"{path}/disconnect", team.editor)
    refused = ask("POST", f"{path}/resume", team.editor)

    assert (resumed.status_code, resumed.json()["status"]) == (202, "queued")
    assert gone.json()["status"] == "disconnected"
    assert (refused.status_code, "fresh token" in refused.json()["detail"]) == (400, True)


def test_no_secret_is_in_an_answer_a_log_or_the_database(ask, installation, browser, workspace, caplog):
    caplog.set_level(logging.DEBUG)
    answers, secrets = [], [APP_SECRET, CLIENT_SECRET]
    for provider in ("meta", "google"):
        location = consent(browser.begin(workspace, provider))
        told = dict(parse_qsl(urlsplit(location).query))
        secrets += [told["code"], told["state"], *(cookie.value for cookie in browser.session.cookies)]
        granted = browser.open(location)
        answers += [granted.text, browser.open(location).text]
        answers.append(connect(ask, workspace, grant_id=granted.json()["grant_id"], accounts="all").text)
        answers.append(ask("POST", f"/workspaces/{workspace.workspace.id}/discover", workspace.editor, json=pasted(provider)).text)
        secrets.append(pasted(provider)["secret"])
    for view in installation.app.connections.all(workspace.workspace.id):
        secrets.append(opened(installation.app.credentials.open(view.connection.credential_id)))

    texts = {"answers": "\n".join(answers), "log": "\n".join(logged(caplog)), "database": database(installation)}
    assert [(place, secret) for place, text in texts.items() for secret in secrets if secret in text] == []


def pasted(provider):
    return {"provider": provider, "secret": f"{'EAA' if provider == 'meta' else '1//'}pastedByAPersonInAHurry"}


def opened(secret: SecretStr):
    text = secret.get_secret_value()
    return json.loads(text)["refresh_token"] if text.startswith("{") else text


def logged(caplog):
    """What was logged at any level, but for what this test's own browser asked."""
    own = ("GET /oauth/callback?", "/dialog/oauth?", "/o/oauth2/v2/auth?")
    return [line for line in caplog.text.splitlines() if not any(each in line for each in own)]


def database(installation):
    """Every byte of it, the write-ahead log too."""
    found = installation.app.settings.home.glob("control.db*")
    return "".join(path.read_bytes().decode("latin-1") for path in found)


@pytest.mark.parametrize("way", first_quick(["a grant", "the secret itself"]))
@pytest.mark.parametrize("token", first_quick(["system_user", "other_app", "business_system_user"]))
def test_a_pasted_token_of_a_system_user_or_of_another_app_connects_its_accounts(ask, installation, workspace, token, way):
    given = {"provider": "meta", "secret": installation.secret("meta", token).get_secret_value()}
    if way == "a grant":
        granted = ask("POST", f"/workspaces/{workspace.workspace.id}/discover", workspace.editor, json=given).json()
        assert len(granted["accounts"]) == len(installation.sandbox.world.token("full").accounts)
        given = {"grant_id": granted["grant_id"]}

    (made,) = connect(ask, workspace, **given, accounts=[installation.sandbox.world.account(HARBOR).id]).json()

    connection = installation.app.connections.get(made["connection"]["id"]).connection
    assert connection.scope == (f"meta:{OTHER_APP.id}" if token == "other_app" else "meta")
    runs = [installation.finish(run) for run in installation.work(installation.claim()) if run.id == made["job_id"]]
    assert [run.state for run in runs] == [RunState.DONE]


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("page", "This is a Page's token, which reaches no ad account. Give a user's or a System User's token."),
        ("app", "This is an app's own token"),
        ("other_apps_own", "This is an app's own token"),
        ("strict_app", f"issued by an app and not by yours ({OWN_APP.id}), and that app accepts calls only with a proof"),
    ],
)
def test_a_token_that_cannot_be_used_is_told_with_what_to_do_and_not_kept(ask, installation, workspace, token, said):
    secret = installation.secret("meta", token).get_secret_value()

    answer = ask("POST", f"/workspaces/{workspace.workspace.id}/discover", workspace.editor, json={"provider": "meta", "secret": secret})

    assert (answer.status_code, answer.json()["type"]) == (422, "urn:adpulse:account-refused")
    assert said in answer.json()["detail"]
    assert secret not in answer.text


def test_login_for_business_gives_a_system_users_token_and_its_assigned_accounts(ask, installation, browser, workspace, set_up):
    set_up(ADPULSE_META_LOGIN_CONFIGURATION=BUSINESS)

    granted = browser.consents(workspace, "meta").json()

    assert len(granted["accounts"]) == len(installation.sandbox.world.token("full").accounts)
    (made,) = connect(ask, workspace, grant_id=granted["grant_id"], accounts=[account(granted, HARBOR)["external_id"]]).json()
    runs = [installation.finish(run) for run in installation.work(installation.claim()) if run.id == made["job_id"]]
    assert [run.state for run in runs] == [RunState.DONE]


def test_a_connection_is_reconnected_with_a_token_of_another_app(ask, installation, team):
    secret = installation.secret("meta", "other_app").get_secret_value()

    answer = ask("POST", f"/connections/{team.connection.id}/reconnect", team.editor, json={"secret": secret})

    assert answer.status_code == 200
    assert installation.app.connections.get(team.connection.id).connection.scope == f"meta:{OTHER_APP.id}"
