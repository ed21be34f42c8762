"""Consent in the browser: pages, buttons and redirects of both platforms, and every kind of invalid request."""

import base64
import hashlib
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from browsing import Form, decide, fields

from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET, PATH, SCOPE
from adpulse_sandbox.google.running import Options
from adpulse_sandbox.meta.graph import APP_ID, APP_SECRET
from adpulse_sandbox.meta.login import BUSINESS, PERSON

HOME = "http://localhost:8400/oauth/callback"
PUBLIC = "https://ads.example/oauth/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
META = {"client_id": APP_ID, "redirect_uri": HOME, "state": "s1", "scope": "ads_read", "response_type": "code"}
GOOGLE = {
    "client_id": CLIENT_ID, "redirect_uri": HOME, "state": "s1", "scope": SCOPE, "response_type": "code", "access_type": "offline",
    "prompt": "consent", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}  # fmt: skip


@pytest.fixture(scope="module")
def public():
    """A sandbox whose clients have a registered address, in a project whose publishing status is testing."""
    with Sandbox.start(redirect_uris=(PUBLIC,), google=Options(testing=True)) as running:
        yield running


def dialog(sandbox, platform, **changed):
    """The answer to a browser that opens the consent dialog."""
    params, path = (META, "/v25.0/dialog/oauth") if platform == "meta" else (GOOGLE, PATH)
    sent = {name: value for name, value in (params | changed).items() if value is not None}
    return requests.get(sandbox.login_url + path, params=sent, timeout=30, allow_redirects=False)


def consent(sandbox, platform, user="full", decision="allow", **changed):
    """The parameters that the client gets after a button was pressed."""
    return fields(decide(dialog(sandbox, platform, **changed), user, decision))


def meta_token(sandbox, version="v25.0", **form):
    params = {"client_id": APP_ID, "client_secret": APP_SECRET, **form}
    return requests.get(f"{sandbox.graph_url}/{version}/oauth/access_token", params=params, timeout=30)


def meta_code(sandbox, code, **changed):
    return meta_token(sandbox, **{"code": code, "redirect_uri": HOME, **changed})


def exchanged(sandbox, token):
    return meta_token(sandbox, grant_type="fb_exchange_token", fb_exchange_token=token)


def google_token(sandbox, code, **changed):
    form = {
        "grant_type": "authorization_code", "code": code, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uri": HOME,
        "code_verifier": VERIFIER,
    }  # fmt: skip
    sent = {name: value for name, value in (form | changed).items() if value is not None}
    return requests.post(sandbox.google.token_url, data=sent, timeout=30)


def refreshed(sandbox, token):
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return requests.post(sandbox.google.token_url, data=form, timeout=30)


@pytest.mark.parametrize("platform", ["meta", "google"])
def test_the_page_asks_with_two_buttons_and_no_script(standing, platform):
    shown = dialog(standing, platform)
    form = Form.of(shown)

    assert (shown.status_code, form.method, form.buttons) == (200, "post", ["allow", "cancel"])
    assert "<script" not in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]


@pytest.mark.parametrize("platform", ["meta", "google"])
def test_a_cancelled_consent_comes_back_with_the_platforms_words_and_the_state(standing, platform):
    body = consent(standing, platform, decision="cancel")
    own = {"error_reason": "user_denied", "error_description": "Permissions error.", "error_code": "200"}

    assert body == {"error": "access_denied", "state": "s1", **(own if platform == "meta" else {})}


@pytest.mark.parametrize("platform", ["meta", "google"])
def test_a_page_is_answered_once(standing, platform):
    shown = dialog(standing, platform)
    decide(shown, "full", "allow")

    assert decide(shown, "full", "allow").status_code == 400


@pytest.mark.parametrize("platform", ["meta", "google"])
def test_an_unknown_page_or_an_unknown_user_is_no_consent(standing, platform):
    answers = [
        decide(dialog(standing, platform), "full", "allow", request="made-up"),
        decide(dialog(standing, platform), "nobody", "allow"),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]


@pytest.mark.parametrize(
    ("platform", "changed", "message"),
    [
        ("meta", {"client_id": "1"}, "Invalid App ID"),
        ("meta", {"redirect_uri": None}, "redirect_uri is required"),
        ("meta", {"redirect_uri": "/oauth/callback"}, "must be an absolute URI"),
        ("meta", {"redirect_uri": "https://evil.example/oauth/callback"}, "URL blocked"),
        ("meta", {"redirect_uri": "http://127.0.0.1:8400/oauth/callback"}, "URL blocked"),
        ("meta", {"redirect_uri": f"{PUBLIC}/more"}, "URL blocked"),
        ("meta", {"scope": "ads_read,ads_burn"}, "Invalid Scopes: ads_burn"),
        ("meta", {"response_type": "token"}, "response_type"),
        ("meta", {"config_id": "1"}, "config_id"),
        ("google", {"client_id": "1-a.apps.googleusercontent.com"}, "Error 401: invalid_client"),
        ("google", {"redirect_uri": None}, "Required parameter is missing: redirect_uri"),
        ("google", {"redirect_uri": "https://evil.example/oauth/callback"}, "Error 400: redirect_uri_mismatch"),
        ("google", {"redirect_uri": "http://localhost.evil.example/oauth/callback"}, "Error 400: redirect_uri_mismatch"),
        ("google", {"scope": "https://www.googleapis.com/auth/everything"}, "Error 400: invalid_scope"),
        ("google", {"response_type": None}, "Required parameter is missing: response_type"),
        ("google", {"code_challenge_method": "plain"}, "S256"),
        ("google", {"code_challenge": "short"}, "43 to 128"),
    ],
)
def test_an_invalid_consent_request_gets_an_error_page_and_no_redirect(public, platform, changed, message):
    shown = dialog(public, platform, **changed)

    assert shown.status_code in (400, 401)
    assert "location" not in shown.headers
    assert message in shown.text.replace("&#x27;", "'")


def test_a_registered_address_is_accepted_and_keeps_its_own_query(public):
    back = decide(dialog(public, "google", redirect_uri=PUBLIC), "full", "allow").headers["location"]

    assert back.startswith(f"{PUBLIC}?state=s1&code=")


def test_an_ended_version_has_no_dialog(standing):
    shown = requests.get(f"{standing.login_url}/v3.0/dialog/oauth", params=META, timeout=30)

    assert shown.status_code == 400


def test_the_dialog_is_not_on_the_apis_host(standing):
    assert requests.get(f"{standing.graph_url}/v25.0/dialog/oauth", params=META, timeout=30).status_code == 400
    assert requests.get(f"{standing.login_url}/v25.0/oauth/access_token", timeout=30).status_code == 404


def test_metas_code_becomes_a_short_lived_token_and_that_a_long_lived_one(sandbox, ask_own):
    short = meta_code(sandbox, consent(sandbox, "meta")["code"]).json()
    long = exchanged(sandbox, short["access_token"]).json()

    assert (short["token_type"], short["expires_in"], long["expires_in"]) == ("bearer", 3600, 60 * 86_400)
    reached = ask_own.rows("me/adaccounts", token=long["access_token"])
    assert {row["account_id"] for row in reached} == set(sandbox.world.token("full").accounts)
    sandbox.clock.advance(3601)
    assert ask_own("me", token=short["access_token"]).json()["error"]["code"] == 190
    assert exchanged(sandbox, short["access_token"]).json()["error"]["error_subcode"] == 463
    assert ask_own("me", token=long["access_token"]).status_code == 200


def test_a_token_reaches_what_its_user_reaches_with_the_scopes_that_were_given(sandbox, ask_own):
    def token(user, scope):
        return meta_code(sandbox, consent(sandbox, "meta", user, scope=scope)["code"]).json()["access_token"]

    assert len(ask_own.rows("me/adaccounts", token=token("single", "ads_read"))) == 1
    for user, scope in (("full", "public_profile"), ("unscoped", "ads_read")):
        assert ask_own("me/adaccounts", token=token(user, scope)).json()["error"]["code"] == 200


@pytest.mark.parametrize(("configuration", "lasts"), [(PERSON, 3600), (BUSINESS, None)])
def test_a_login_configuration_decides_the_scopes_and_the_kind_of_token(sandbox, ask_own, configuration, lasts):
    body = meta_code(sandbox, consent(sandbox, "meta", scope=None, config_id=configuration)["code"]).json()

    assert body.get("expires_in") == lasts
    edge = "assigned_ad_accounts" if configuration == BUSINESS else "adaccounts"
    assert ask_own.rows(f"me/{edge}", token=body["access_token"])
    sandbox.clock.advance(100 * 86_400)
    assert ask_own("me", token=body["access_token"]).status_code == (400 if lasts else 200)


@pytest.mark.parametrize(
    ("changed", "code", "subcode"),
    [
        ({"redirect_uri": "http://localhost:8401/oauth/callback"}, 100, 36008),
        ({"redirect_uri": ""}, 100, 36008),
        ({"client_id": "1"}, 101, None),
        ({"client_secret": "wrong"}, 1, None),
        ({"code": "made-up"}, 100, None),
        ({"version": "v3.0"}, 2635, None),
    ],
)
def test_meta_gives_no_token_for_an_invalid_code_request(standing, changed, code, subcode):
    error = meta_code(standing, **{"code": consent(standing, "meta")["code"], **changed}).json()["error"]

    assert (error["code"], error.get("error_subcode")) == (code, subcode)


def test_metas_code_is_good_once_and_for_ten_minutes(sandbox):
    used, late = (consent(sandbox, "meta")["code"] for _ in range(2))
    meta_code(sandbox, used)
    sandbox.clock.advance(600)

    assert [meta_code(sandbox, code).json()["error"]["error_subcode"] for code in (used, late)] == [36009, 36007]


def test_only_the_app_can_read_when_a_token_expires(sandbox):
    token = meta_code(sandbox, consent(sandbox, "meta")["code"]).json()["access_token"]

    def debug(token, asker=f"{APP_ID}|{APP_SECRET}"):
        return requests.get(f"{sandbox.graph_url}/debug_token", params={"input_token": token, "access_token": asker}, timeout=30).json()

    info, system = debug(token)["data"], debug(sandbox.world.token("full").value)["data"]
    now = int(sandbox.clock.now().timestamp())
    assert (info["expires_at"] - now, info["data_access_expires_at"] - now) == (3600, 90 * 86_400)
    assert (system["is_valid"], system["expires_at"], system["data_access_expires_at"]) == (True, 0, 0)
    assert debug("made-up")["data"]["is_valid"] is False
    assert debug(token, asker=token)["error"]["code"] == 190


def test_consent_to_data_access_ends_after_ninety_days_however_often_the_token_is_exchanged(sandbox, ask_own):
    token = meta_code(sandbox, consent(sandbox, "meta")["code"]).json()["access_token"]
    for days in (0, 45, 44):
        sandbox.clock.advance(days * 86_400)
        token = exchanged(sandbox, token).json()["access_token"]
        assert ask_own("me", token=token).status_code == 200

    sandbox.clock.advance(2 * 86_400)
    assert ask_own("me", token=token).json()["error"]["code"] == 190


def test_the_call_log_holds_no_secret_of_a_login(sandbox):
    code = consent(sandbox, "meta")["code"]
    token = meta_code(sandbox, code).json()["access_token"]
    exchanged(sandbox, token)

    logged = repr(sandbox.calls.calls())
    assert [call.kind for call in sandbox.calls.calls()] == ["oauth/access_token"] * 2
    assert [secret for secret in (code, token, APP_SECRET) if secret in logged] == []


def test_googles_code_becomes_a_refresh_token(sandbox):
    body = google_token(sandbox, consent(sandbox, "google", "single")["code"]).json()

    assert body.keys() == {"access_token", "expires_in", "token_type", "scope", "refresh_token"}
    assert body["scope"] == SCOPE
    assert refreshed(sandbox, body["refresh_token"]).json()["access_token"].startswith("ya29.")


@pytest.mark.parametrize(
    ("changed", "status", "error", "message"),
    [
        ({"code_verifier": None}, 400, "invalid_grant", "Missing code verifier."),
        ({"code_verifier": "w" * 64}, 400, "invalid_grant", "Invalid code verifier."),
        ({"redirect_uri": "http://localhost:8401/oauth/callback"}, 400, "redirect_uri_mismatch", "Bad Request"),
        ({"client_id": "other"}, 401, "invalid_client", "The OAuth client was not found."),
        ({"client_secret": "wrong"}, 401, "invalid_client", "The provided client secret is invalid."),
        ({"code": "made-up"}, 400, "invalid_grant", "Malformed auth code."),
        ({"code": None}, 400, "invalid_request", "Missing required parameter: code"),
    ],
)
def test_google_gives_no_token_for_an_invalid_code_request(standing, changed, status, error, message):
    answer = google_token(standing, **{"code": consent(standing, "google")["code"], **changed})

    assert (answer.status_code, answer.json()) == (status, {"error": error, "error_description": message})


def test_a_verifier_without_a_challenge_is_refused(standing):
    code = consent(standing, "google", code_challenge=None, code_challenge_method=None)["code"]

    assert google_token(standing, code).json()["error_description"] == "code_verifier or verifier is not needed."


def test_googles_code_is_good_once_and_for_ten_minutes(sandbox):
    used, late = (consent(sandbox, "google")["code"] for _ in range(2))
    google_token(sandbox, used)
    sandbox.clock.advance(600)

    assert [google_token(sandbox, code).json()["error"] for code in (used, late)] == ["invalid_grant"] * 2


def test_a_refresh_token_comes_with_offline_access_and_again_only_with_prompt_consent(sandbox):
    def gets_refresh_token(**changed):
        return "refresh_token" in google_token(sandbox, consent(sandbox, "google", **changed)["code"]).json()

    assert [gets_refresh_token(access_type="online"), gets_refresh_token(), gets_refresh_token(prompt=None)] == [False, True, False]


def test_in_testing_a_refresh_token_ends_after_seven_days(public):
    body = google_token(public, consent(public, "google")["code"]).json()

    assert body["refresh_token_expires_in"] == timedelta(days=7).total_seconds()
    assert refreshed(public, body["refresh_token"]).status_code == 200
    public.clock.advance(body["refresh_token_expires_in"])
    assert refreshed(public, body["refresh_token"]).json()["error_description"] == "Token has been expired or revoked."


def test_the_state_comes_back_as_it_was_given(standing):
    state = "a b&c=d#é"
    back = decide(dialog(standing, "google", state=state), "full", "allow").headers["location"]

    assert parse_qs(urlsplit(back).query)["state"] == [state]
    assert re.fullmatch(r"[\x21-\x7e]+", back)
