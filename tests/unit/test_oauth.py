"""Consent in the browser, and what both platforms' clients make of it: addresses, credentials, ends, refusals."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from browsing import consent
from pydantic import SecretStr

from adpulse.clock import SandboxClock
from adpulse.errors import AccountRefused, AdpulseError, AuthExpired, BadRequest, Unavailable, Usage
from adpulse.platforms.consent import AuthorizationRequest, CredentialInfo
from adpulse.platforms.google.consent import GoogleConsent
from adpulse.platforms.meta.consent import MetaConsent
from adpulse.platforms.meta.tokens import UNNAMED_APP
from adpulse.redact import MASK, redact
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET, PATH
from adpulse_sandbox.google.running import Options
from adpulse_sandbox.meta.graph import APP_ID, APP_SECRET
from adpulse_sandbox.meta.login import BUSINESS, PERSON
from adpulse_sandbox.meta.tokens import OTHER_APP

ASKING = AuthorizationRequest(state="s1", verifier=SecretStr("v" * 64), redirect_uri="http://localhost:8400/oauth/callback")


@pytest.fixture
def sandbox():
    with Sandbox.start(google=Options(testing=True)) as running:
        yield running


def meta(sandbox, **changed):
    told = {"login_url": sandbox.login_url, "graph_url": sandbox.graph_url, "version": "v25.0", "app_id": APP_ID}
    told |= {"app_secret": SecretStr(APP_SECRET), "clock": SandboxClock(sandbox.control_url)}
    return MetaConsent(**told | changed)


def google(sandbox, **changed):
    told = {"auth_url": sandbox.login_url + PATH, "token_url": sandbox.google.token_url, "client_id": CLIENT_ID}
    told |= {"client_secret": SecretStr(CLIENT_SECRET), "clock": SandboxClock(sandbox.control_url)}
    return GoogleConsent(**told | changed)


def code_of(client, user="full", asking=ASKING):
    """What the browser brings back."""
    return SecretStr(dict(parse_qsl(urlsplit(consent(client.authorization_url(asking), user)).query))["code"])


@pytest.fixture(params=[meta, google], ids=["meta", "google"])
def client(request, sandbox):
    return request.param(sandbox)


def test_the_real_addresses_are_the_platforms_own():
    told = {"app_id": "1", "app_secret": SecretStr("s"), "version": "v26.0", "graph_url": "https://graph.facebook.com", "clock": None}
    dialog = MetaConsent(login_url="https://www.facebook.com", **told).authorization_url(ASKING)

    assert dialog.startswith("https://www.facebook.com/v26.0/dialog/oauth?client_id=1&redirect_uri=http%3A%2F%2Flocalhost")
    assert parse_qs(urlsplit(dialog).query)["scope"] == ["ads_read"]
    assert "config_id" not in dialog
    with_it = parse_qs(
        urlsplit(MetaConsent(login_url="https://www.facebook.com", configuration="42", **told).authorization_url(ASKING)).query
    )
    assert (with_it["config_id"], "scope" in with_it) == (["42"], False)


def test_an_address_tells_the_challenge_and_not_the_verifier_nor_a_secret(sandbox):
    for client in (meta(sandbox), google(sandbox)):
        assert [word for word in ("v" * 64, APP_SECRET, CLIENT_SECRET) if word in client.authorization_url(ASKING)] == []


def test_metas_code_becomes_a_token_of_sixty_days(sandbox):
    client = meta(sandbox)
    given = client.redeem(code_of(client), ASKING)

    assert given.expires_at == sandbox.clock.now() + timedelta(days=60)
    assert sandbox.world.tokens[given.secret.get_secret_value()].accounts == sandbox.world.token("full").accounts


@pytest.mark.parametrize(("configuration", "days"), [(PERSON, 60), (BUSINESS, None)])
def test_with_a_configuration_a_system_users_token_is_kept_as_it_is_and_a_persons_is_made_to_last(sandbox, configuration, days):
    client = meta(sandbox, configuration=configuration)
    given = client.redeem(code_of(client), ASKING)

    assert given.expires_at == (sandbox.clock.now() + timedelta(days=days) if days else None)
    assert sandbox.world.tokens[given.secret.get_secret_value()].scopes == ("public_profile", "ads_read")
    assert [call.params.get("grant_type") for call in sandbox.calls.calls() if call.kind == "oauth/access_token"] == (
        [None, "fb_exchange_token"] if days else [None]
    )


def test_googles_code_becomes_the_json_of_an_authorised_user_with_its_end_in_testing(sandbox):
    client = google(sandbox)
    given = client.redeem(code_of(client), ASKING)
    told = json.loads(given.secret.get_secret_value())

    assert (told["type"], told["client_id"], told["client_secret"]) == ("authorized_user", CLIENT_ID, CLIENT_SECRET)
    assert told["refresh_token"] in {each.refresh_token for each in sandbox.google.world.credentials.values()}
    assert given.expires_at == sandbox.clock.now() + timedelta(days=7)


def test_outside_of_testing_googles_credential_has_no_end():
    with Sandbox.start() as sandbox:
        client = google(sandbox)

        assert client.redeem(code_of(client), ASKING).expires_at is None


def test_a_code_is_good_once_and_only_for_the_address_it_was_asked_for(client):
    used, elsewhere = code_of(client), code_of(client)
    client.redeem(used, ASKING)
    other = AuthorizationRequest(state="s1", verifier=ASKING.verifier, redirect_uri="http://localhost:9999/oauth/callback")

    with pytest.raises(BadRequest, match="Connect again from the start"):
        client.redeem(used, ASKING)
    with pytest.raises((BadRequest, Usage)):
        client.redeem(elsewhere, other)


def test_googles_code_is_not_good_for_who_has_no_verifier(sandbox):
    client = google(sandbox)
    code = code_of(client)

    with pytest.raises(BadRequest) as refused:
        client.redeem(code, AuthorizationRequest(state="s1", verifier=SecretStr("w" * 64), redirect_uri=ASKING.redirect_uri))

    assert refused.value.code == "invalid_grant"


@pytest.mark.parametrize(
    ("make", "changed"),
    [
        (meta, {"app_secret": SecretStr("wr0ng-secret")}),
        (meta, {"app_id": "1"}),
        (google, {"client_secret": SecretStr("wr0ng-secret")}),
        (google, {"client_id": "1"}),
    ],
)
def test_an_app_that_the_platform_does_not_accept_names_the_settings(sandbox, make, changed):
    code = code_of(make(sandbox))

    with pytest.raises(Usage, match="ADPULSE_") as refused:
        make(sandbox, **changed).redeem(code, ASKING)

    assert "wr0ng-secret" not in f"{refused.value!r}"


def test_a_person_who_did_not_tick_google_ads_is_told(sandbox):
    client = google(sandbox)
    url = client.authorization_url(ASKING).replace("https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fadwords", "email")
    code = SecretStr(dict(parse_qsl(urlsplit(consent(url)).query))["code"])

    with pytest.raises(AccountRefused, match="not ticked"):
        client.redeem(code, ASKING)


def test_metas_token_is_renewed_and_what_its_user_consented_to_bounds_it(sandbox):
    client = meta(sandbox)
    begun = sandbox.clock.now()
    given = client.redeem(code_of(client), ASKING)
    sandbox.clock.advance(50 * 86_400)
    renewed = client.renew(given.secret)

    assert renewed.secret != given.secret
    assert renewed.expires_at == begun + timedelta(days=90)
    assert google(sandbox).renew(given.secret) is None


def test_a_token_that_ended_cannot_be_renewed(sandbox):
    client = meta(sandbox)
    given = client.redeem(code_of(client), ASKING)
    sandbox.clock.advance(61 * 86_400)

    with pytest.raises(AuthExpired):
        client.renew(given.secret)


def test_when_a_pasted_token_ends_is_told_where_the_app_may_know(sandbox):
    client, tokens = meta(sandbox), sandbox.world
    expiring = SecretStr(tokens.token("expiring").value)

    assert client.inspect(expiring).ends_at == tokens.token("expiring").expires_at
    assert client.inspect(SecretStr(tokens.token("full").value)) == CredentialInfo(app_id=APP_ID)
    with pytest.raises(AdpulseError):
        meta(sandbox, app_secret=SecretStr("wrong")).inspect(expiring)


@pytest.mark.parametrize("label", ["other_app", "other_app_user"])
def test_whose_a_token_is_that_is_not_the_apps_own_the_token_itself_tells(sandbox, label):
    client, token = meta(sandbox), SecretStr(sandbox.world.token(label).value)

    assert client.inspect(token) == CredentialInfo(app_id=OTHER_APP.id)
    sandbox.faults.add([{"action": "refused", "kind": "app"}])
    assert client.inspect(token) == CredentialInfo(app_id=UNNAMED_APP)


@pytest.mark.parametrize(
    ("label", "said"), [("page", "a Page's token"), ("app", "an app's own token"), ("strict_app", "Turn off 'Require app secret'")]
)
def test_a_token_that_cannot_be_used_says_why(sandbox, label, said):
    with pytest.raises(AccountRefused, match=said):
        meta(sandbox).inspect(SecretStr(sandbox.world.token(label).value))


def test_without_what_the_app_may_know_the_answer_tells_when_the_token_ends(sandbox):
    sandbox.faults.add([{"action": "transient", "kind": "debug_token"}])
    client = meta(sandbox)

    assert client.redeem(code_of(client), ASKING).expires_at == sandbox.clock.now() + timedelta(days=60)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (meta, {"action": "drop", "kind": "oauth/access_token"}),
        (meta, {"action": "transient", "kind": "oauth/access_token"}),
        (google, {"action": "server_error", "kind": "token"}),
    ],
)
def test_a_platform_that_fails_is_unavailable_and_its_answer_is_not_repeated(sandbox, make, fault):
    client = make(sandbox)
    code = code_of(client)
    sandbox.faults.add([fault])

    with pytest.raises(Unavailable) as failed:
        client.redeem(code, ASKING)

    error = failed.value
    told = f"{error}{error!r}{vars(error)}{error.__cause__!r}"
    assert [secret for secret in (code.get_secret_value(), APP_SECRET, CLIENT_SECRET) if secret in told] == []
    assert error.__suppress_context__ or error.__context__ is None


def test_nobody_listening_is_unavailable_without_the_address_that_holds_the_secret(sandbox):
    dead = meta(sandbox, graph_url="http://127.0.0.1:9")

    with pytest.raises(Unavailable) as failed:
        dead.redeem(SecretStr("c0de-of-a-person"), ASKING)

    assert "c0de-of-a-person" not in f"{failed.value!r}{failed.value.__cause__!r}"


def test_what_was_given_is_masked_from_then_on_and_shows_in_no_repr(client):
    code = code_of(client)
    given = client.redeem(code, ASKING)
    text = given.secret.get_secret_value()
    token = json.loads(text)["refresh_token"] if text.startswith("{") else text

    assert redact(f"{code.get_secret_value()} {token}") == f"{MASK} {MASK}"
    assert token not in f"{given!r}{client!r}{ASKING!r}"


def test_an_end_is_an_instant_of_utc(sandbox):
    client = meta(sandbox)

    ends = client.redeem(code_of(client), ASKING).expires_at
    assert (ends.tzinfo, ends > datetime(2026, 3, 20, tzinfo=UTC)) == (UTC, True)
