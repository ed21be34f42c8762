"""What a person may give for Google Ads, and that none of it is ever repeated."""

import json
from functools import lru_cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from adpulse.errors import Usage
from adpulse.platforms.google.credentials import OauthClient, parse
from adpulse.redact import MASK, redact

TOKEN_URL = "https://oauth2.example/token"
CLIENT = OauthClient(token_url=TOKEN_URL, id="123456789-abc.apps.googleusercontent.com", secret=SecretStr("client-s3cret-value"))
REFRESH = "1//0refresh-t0ken-value"
AUTHORISED = {
    "type": "authorized_user",
    "client_id": "987654321-xyz.apps.googleusercontent.com",
    "client_secret": "json-s3cret-value",
    "refresh_token": "1//0json-t0ken-value",
}


@lru_cache(maxsize=1)
def private_key():
    made = rsa.generate_private_key(65_537, 2_048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def service_account(**changed):
    told = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key": private_key(),
        "client_email": "robot@my-project.iam.gserviceaccount.com",
    }
    return {name: value for name, value in (told | changed).items() if value is not None}


def key(told, client=CLIENT):
    return parse(SecretStr(told if isinstance(told, str) else json.dumps(told)), client)


def test_a_refresh_token_is_used_with_the_installations_client():
    made = key(f"  {REFRESH}\n").credentials()

    assert (made.refresh_token, made.client_id, made.client_secret) == (REFRESH, CLIENT.id, "client-s3cret-value")
    assert (made.token_uri, made.token, made.valid) == (TOKEN_URL, None, False)


def test_an_authorised_user_brings_its_own_client():
    made = key(AUTHORISED, OauthClient(token_url=TOKEN_URL)).credentials()

    assert (made.refresh_token, made.client_id, made.client_secret) == (
        "1//0json-t0ken-value",
        AUTHORISED["client_id"],
        "json-s3cret-value",
    )


def test_a_service_account_asks_where_the_installation_does_whatever_address_its_file_names():
    elsewhere = key(service_account(token_uri="http://169.254.169.254/token")).credentials()
    ours = key(service_account()).credentials()

    assert (elsewhere._token_uri, ours._token_uri) == (TOKEN_URL, TOKEN_URL)
    assert ours.service_account_email == "robot@my-project.iam.gserviceaccount.com"
    assert list(ours.scopes) == ["https://www.googleapis.com/auth/adwords"]


@pytest.mark.parametrize(
    ("told", "project"),
    [
        (REFRESH, "123456789"),
        (AUTHORISED, "987654321"),
        ({**AUTHORISED, "client_id": "sandbox.apps.googleusercontent.com"}, "sandbox.apps.googleusercontent.com"),
    ],
)
def test_the_project_is_the_number_that_a_client_id_begins_with(told, project):
    assert key(told).project == project


def test_the_project_of_a_service_account_is_in_its_file():
    assert key(service_account()).project == "my-project"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("{not json", "begin like JSON"),
        ("{}", "authorized_user, service_account"),
        ('{"type": "external_account"}', "authorized_user, service_account"),
        ({**AUTHORISED, "refresh_token": ""}, "lack refresh_token"),
        ({name: value for name, value in AUTHORISED.items() if name != "client_secret"}, "lack client_secret"),
        ({"type": "authorized_user"}, "lack client_id, client_secret, refresh_token"),
        ({**AUTHORISED, "refresh_token": 7}, "lack refresh_token"),
        ({**AUTHORISED, "refresh_token": None}, "lack refresh_token"),
        ("", "lack refresh_token"),
        ("   ", "lack refresh_token"),
    ],
)
def test_what_is_incomplete_is_told_by_what_is_missing(told, said):
    with pytest.raises(Usage, match=said):
        key(told)


@pytest.mark.parametrize("missing", ["client_email", "private_key", "project_id"])
def test_a_service_account_needs_every_part(missing):
    with pytest.raises(Usage, match=f"lack {missing}"):
        key(service_account(**{missing: None}))


@pytest.mark.parametrize("client", [OauthClient(token_url=TOKEN_URL), OauthClient(token_url=TOKEN_URL, id="1-a")])
def test_a_refresh_token_without_the_installations_client_names_both_settings(client):
    with pytest.raises(Usage, match=r"ADPULSE_GOOGLE_CLIENT_ID and ADPULSE_GOOGLE_CLIENT_SECRET"):
        key(REFRESH, client)


def test_a_private_key_that_is_none_is_refused_without_repeating_it():
    with pytest.raises(Usage, match="private key cannot be read") as caught:
        key(service_account(private_key="-----BEGIN PRIVATE KEY-----\nn0t-a-key\n-----END PRIVATE KEY-----"))

    assert "n0t-a-key" not in f"{caught.value}{caught.value!r}"


REFUSED = [
    ("{" + f'"refresh_token": "{REFRESH}"', CLIENT),
    (json.dumps({"type": "other", "refresh_token": REFRESH}), CLIENT),
    (json.dumps({"type": "authorized_user", "refresh_token": REFRESH}), CLIENT),
    (REFRESH, OauthClient(token_url=TOKEN_URL)),
]


@pytest.mark.parametrize(("told", "client"), REFUSED)
def test_no_refusal_repeats_a_value(told, client):
    with pytest.raises(Usage) as caught:
        key(told, client)

    error = caught.value
    assert REFRESH not in f"{error}{error!r}{error.args}{vars(error)}"
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("told", [REFRESH, AUTHORISED, "service account"])
def test_what_a_key_shows_of_itself_has_no_secret(told):
    told = service_account() if told == "service account" else told

    shown = f"{key(told)!r}{key(told)}{CLIENT!r}"

    secrets = [REFRESH, "json-s3cret-value", "1//0json-t0ken-value", "client-s3cret-value", "PRIVATE KEY"]
    assert [secret for secret in secrets if secret in shown] == []


def test_every_secret_part_is_masked_from_then_on():
    secret = "w0rds-never-seen-before"
    told = {**AUTHORISED, "client_secret": f"{secret}-1", "refresh_token": f"{secret}-2"}

    key(told)
    key(f"{secret}-3")

    assert redact(f"a {secret}-1 b {secret}-2 c {secret}-3 d") == f"a {MASK} b {MASK} c {MASK} d"


def test_a_private_key_is_masked_from_then_on():
    key(service_account())

    assert redact(private_key()) == MASK
