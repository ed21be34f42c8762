"""Tokens of every kind and of other apps, over bare HTTP: the answers and the refusals of each."""

import pytest
import requests

from adpulse_sandbox.meta.tokens import OTHER_APP, OWN_APP, STRICT_APP

INVALID, REQUIRED = "Invalid appsecret_proof provided in the API argument", "API calls from the server require an appsecret_proof argument"
FOREIGN = "(#100) The App_id in the input_token did not match the Viewing App"


def value(standing, label):
    return standing.world.token(label).value


def debug(standing, label, asker=OWN_APP.token):
    params = {"input_token": value(standing, label), "access_token": asker}
    return requests.get(f"{standing.graph_url}/v25.0/debug_token", params=params, timeout=30)


@pytest.mark.parametrize(
    ("token", "prover", "refusal"),
    [
        ("full", None, None),
        ("full", OWN_APP, None),
        ("full", OTHER_APP, INVALID),
        ("other_app", None, None),
        ("other_app", OWN_APP, INVALID),
        ("other_app", OTHER_APP, None),
        ("strict_app", None, REQUIRED),
        ("strict_app", OWN_APP, INVALID),
        ("strict_app", STRICT_APP, None),
    ],
)
def test_a_proof_is_accepted_from_the_app_that_issued_the_token_only(ask, standing, token, prover, refusal):
    proof = {"appsecret_proof": prover.proof(value(standing, token))} if prover else {}

    answer = ask("app", token=token, **proof)

    if refusal is None:
        issuer = standing.world.token(token).app
        assert answer.json() == {"id": issuer.id, "name": issuer.name}
    else:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["message"], error["type"]) == (400, 100, refusal, "GraphMethodException")


def test_a_batch_passes_its_proof_on_to_each_call(ask, standing):
    batch = [{"method": "GET", "relative_url": "me"}]
    proof = STRICT_APP.proof(value(standing, "strict_app"))

    proved = ask("", method="POST", token="strict_app", batch=batch, appsecret_proof=proof).json()
    bare = ask("", method="POST", token="strict_app", batch=batch).json()

    assert [error["code"] for error in (*proved, *bare)] == [200, 400]


ALL = 4
LISTS = {
    # the token: accounts in me/adaccounts and in me/assigned_ad_accounts, or the code and the words of the refusal
    "full": (ALL, (200, "Requires business_management permission")),
    "system_user": (0, ALL),
    "system_user_both": (1, ALL - 1),
    "business_system_user": ((100, "nonexisting field (adaccounts) on node type (SystemUser)"), ALL),
    "page": (
        (100, "nonexisting field (adaccounts) on node type (Page)"),
        (100, "nonexisting field (assigned_ad_accounts) on node type (Page)"),
    ),
    "app": ((2500, "An active access token must be used"), (2500, "An active access token must be used")),
    "other_app": (0, ALL),
    "other_app_user": (ALL, (200, "Requires business_management permission")),
}


@pytest.mark.parametrize("token", LISTS)
def test_each_kind_of_token_lists_its_accounts_where_meta_does(ask, token):
    for edge, expected in zip(("adaccounts", "assigned_ad_accounts"), LISTS[token], strict=True):
        answer = ask(f"me/{edge}", token=token).json()

        if isinstance(expected, int):
            assert len(answer["data"]) == expected
        else:
            assert answer["error"]["code"] == expected[0]
            assert expected[1] in answer["error"]["message"]


def test_the_app_can_inspect_its_own_token(standing):
    info = debug(standing, "system_user").json()["data"]

    token = standing.world.token("system_user")
    assert info == {
        "app_id": OWN_APP.id,
        "type": "SYSTEM_USER",
        "application": OWN_APP.name,
        "data_access_expires_at": 0,
        "expires_at": 0,
        "is_valid": True,
        "issued_at": int(token.issued_at.timestamp()),
        "scopes": ["ads_read"],
        "granular_scopes": [{"scope": "ads_read", "target_ids": list(token.accounts)}],
        "user_id": "1000042",
    }
    assert debug(standing, "full").json()["data"]["type"] == "USER"
    assert debug(standing, "page").json()["data"]["type"] == "PAGE"
    assert debug(standing, "app").json()["data"]["type"] == "APP"


@pytest.mark.parametrize("token", ["other_app", "other_app_user", "strict_app"])
def test_an_app_cannot_inspect_another_apps_token(standing, token):
    answer = debug(standing, token)

    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["message"]) == (400, 100, FOREIGN)


def test_an_app_cannot_exchange_another_apps_token(standing):
    wanted = {"grant_type": "fb_exchange_token", "fb_exchange_token": value(standing, "other_app")}
    params = {"client_id": OWN_APP.id, "client_secret": OWN_APP.secret, **wanted}

    answer = requests.get(f"{standing.graph_url}/v25.0/oauth/access_token", params=params, timeout=30)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 190)
