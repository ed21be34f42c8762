"""Whose token, whose accounts: the client over the unmodified SDK, with tokens of every kind, and of other apps."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from clients import MetaRig

from adpulse.errors import AccountRefused, BadRequest, Unavailable
from adpulse_sandbox.meta.tokens import OTHER_APP, OWN_APP, STRICT_APP


def reached(rig):
    return sorted(facts.external_id for facts in rig.client.accounts(rig.slot))


def paths(sandbox):
    return [call.path for call in sandbox.calls.calls()]


@pytest.mark.parametrize("token", ["full", "system_user", "system_user_both", "business_system_user"])
@pytest.mark.parametrize("app", [None, OWN_APP], ids=["without a secret", "with a secret"])
def test_every_account_is_found_wherever_meta_lists_it(sandbox, token, app):
    rig = MetaRig(sandbox, token, app=app)

    assert reached(rig) == sorted(sandbox.world.token("full").accounts)
    assert paths(sandbox) == ["me/adaccounts", "me/assigned_ad_accounts"]
    assert (rig.slots, rig.client.scope) == (2, "meta")


@pytest.mark.parametrize("token", ["none", "single"])
def test_a_users_token_needs_no_permission_for_what_system_users_have(sandbox, token):
    assert reached(MetaRig(sandbox, token)) == sorted(sandbox.world.token(token).accounts)


@pytest.mark.parametrize(
    ("token", "said"),
    [("page", "a Page's token"), ("app", "an app's own token"), ("unscoped", "with the permission ads_read")],
)
def test_a_token_that_reaches_no_account_whatever_it_is_allowed_says_so(sandbox, token, said):
    rig = MetaRig(sandbox, token)

    with pytest.raises(AccountRefused, match=said) as refused:
        rig.client.accounts(rig.slot)

    assert rig.secret not in repr(refused.value)


def test_an_apps_own_token_is_not_sent(sandbox):
    with pytest.raises(AccountRefused):
        MetaRig(sandbox, "app").client.accounts(lambda: None)

    assert sandbox.calls.calls() == []


def test_what_is_too_long_for_a_token_is_not_sent(sandbox):
    value = "EAA" + "é" * 700
    sandbox.world.tokens[value] = replace(sandbox.world.token("full"), label="long", value=value)

    with pytest.raises(AccountRefused, match="longer than any"):
        MetaRig(sandbox, "long").client.accounts(lambda: None)

    assert sandbox.calls.calls() == []


def test_a_system_user_without_its_own_list_and_without_permission_is_told_of_the_permission(sandbox):
    token = sandbox.world.token("business_system_user")
    sandbox.world.tokens[token.value] = replace(token, scopes=())

    with pytest.raises(AccountRefused, match="ads_read"):
        MetaRig(sandbox, "business_system_user").client.accounts(lambda: None)


def test_a_list_that_fails_is_not_taken_for_an_empty_one(sandbox):
    sandbox.faults.add([{"action": "server_error", "kind": "me/assigned_ad_accounts"}])

    with pytest.raises(Unavailable):
        MetaRig(sandbox, "system_user_both").client.accounts(lambda: None)


@pytest.mark.parametrize("token", ["other_app", "other_app_user"])
def test_a_refused_proof_shows_whose_token_it_is_once_and_no_proof_is_sent_again(sandbox, token):
    rig = MetaRig(sandbox, token, app=OWN_APP)

    mine = reached(rig)
    rig.ads()

    assert mine == sorted(sandbox.world.token("full").accounts)
    assert rig.client.scope == f"meta:{OTHER_APP.id}"
    assert paths(sandbox)[:4] == ["me/adaccounts", "app", "me/adaccounts", "me/assigned_ad_accounts"]
    assert len([call for call in sandbox.calls.calls() if call.status == 400]) == 1
    assert rig.slots == len(sandbox.calls.calls())


def test_threads_that_are_refused_at_once_all_get_their_answer(sandbox):
    rig = MetaRig(sandbox, "other_app", app=OWN_APP)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: reached(rig), range(8)))

    assert found == [sorted(sandbox.world.token("full").accounts)] * 8
    assert rig.client.scope == f"meta:{OTHER_APP.id}"


def test_no_proof_is_sent_where_the_app_is_known_to_be_another(sandbox):
    rig = MetaRig(sandbox, "other_app", app=OWN_APP, issuer=OTHER_APP.id)

    assert reached(rig) == sorted(sandbox.world.token("full").accounts)
    assert paths(sandbox) == ["me/adaccounts", "me/assigned_ad_accounts"]
    assert rig.client.scope == f"meta:{OTHER_APP.id}"


def test_an_app_that_became_the_installations_own_gets_its_proof(sandbox):
    rig = MetaRig(sandbox, "strict_app", app=STRICT_APP, issuer=STRICT_APP.id)

    assert reached(rig) == sorted(sandbox.world.token("full").accounts)
    assert rig.client.scope == "meta"


@pytest.mark.parametrize(
    ("app", "issuer", "said"),
    [
        (None, None, "issued by an app, and that app accepts"),
        (OWN_APP, None, f"issued by an app and not by yours \\({OWN_APP.id}\\)"),
        (OWN_APP, STRICT_APP.id, f"issued by the app {STRICT_APP.id} and not by yours \\({OWN_APP.id}\\)"),
    ],
)
def test_an_app_that_requires_a_proof_that_nobody_can_make_is_named_with_what_to_do(sandbox, app, issuer, said):
    rig = MetaRig(sandbox, "strict_app", app=app, issuer=issuer)
    before = rig.client.scope

    with pytest.raises(AccountRefused, match=said) as refused:
        rig.ads()

    assert "Turn off 'Require app secret'" in refused.value.message
    assert "ADPULSE_META_APP_ID and ADPULSE_META_APP_SECRET" in refused.value.message
    assert rig.client.scope == before


def test_a_wrong_secret_of_our_own_app_is_not_taken_for_another_apps_token(sandbox):
    rig = MetaRig(sandbox, app=replace(OWN_APP, secret="wr0ng-secret"))

    for _ in range(2):
        with pytest.raises(BadRequest, match="Check ADPULSE_META_APP_SECRET") as refused:
            rig.ads()
        assert "wr0ng" not in repr(refused.value)

    assert rig.client.scope == "meta"


def test_an_app_that_meta_does_not_name_is_another_one_all_the_same(sandbox):
    sandbox.faults.add([{"action": "refused", "kind": "app"}])
    rig = MetaRig(sandbox, "other_app", app=OWN_APP)

    assert reached(rig) == sorted(sandbox.world.token("full").accounts)
    assert rig.client.scope == "meta:another-app"
