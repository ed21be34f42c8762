"""Tokens of another app than the installation's, whose secret is set: connected, synced, counted apart, never renewed."""

from dataclasses import replace

import pytest
from installation import Installation
from repeats import first_quick
from sqlalchemy import select

from adpulse import bootstrap, settings
from adpulse.model import ConnectionStatus, RunState
from adpulse.services import authorising, connecting
from adpulse.services.discovering import discover
from adpulse_sandbox.meta.tokens import OTHER_APP, OWN_APP, STRICT_APP
from storage.control.tables import CallRow

HARBOR, SAKURA = "Harbor Outdoor", "Sakura Tea"
FOREIGN = f"meta:{OTHER_APP.id}"
DAY = 86_400


def refused(installation):
    return [call for call in installation.sandbox.calls.calls() if call.status == 400 and call.kind != "debug_token"]


def connect(installation, token="other_app", name=SAKURA):
    """As people connect: what the token reaches is asked for first."""
    secret = installation.secret("meta", token)
    reached = discover(installation.app, "meta", secret)
    chosen = replace(reached, accounts=[each for each in reached.accounts if each.name == name])
    (view,) = connecting.connect(installation.app, installation.workspace.id, "meta", secret, chosen, "manual")
    return view.connection


def known_as_ours(installation, token="other_app", *names):
    """Connections from before anybody asked whose token it is."""
    app, secret = installation.app, installation.secret("meta", token)
    reached = discover(app, "meta", secret)
    chosen = replace(reached, accounts=[each for each in reached.accounts if each.name in names], scope="meta")
    made = connecting.connect(app, installation.workspace.id, "meta", secret, chosen, "manual")
    app.leases.release(installation.claim())
    installation.sandbox.calls.clear()
    return [view.connection for view in made]


def scopes(installation):
    return {view.connection.name: view.connection.scope for view in installation.app.connections.all(installation.workspace.id)}


def test_a_token_of_another_app_is_connected_and_synced_without_a_refusal(installation):
    connection = connect(installation)

    (run,) = installation.work(installation.claim())

    assert (installation.finish(run).state, connection.scope) == (RunState.DONE, FOREIGN)
    assert installation.differences(connection) == []
    assert refused(installation) == []
    assert [call.path for call in installation.sandbox.calls.calls()][:4] == [
        "debug_token",
        "app",
        "me/adaccounts",
        "me/assigned_ad_accounts",
    ]


def test_its_calls_are_counted_apart_from_those_of_the_own_app(installation):
    for name, token in ((HARBOR, "full"), (SAKURA, "other_app")):
        connect(installation, token, name)
    installation.work(installation.claim())

    with installation.engine.connect() as session:
        counted = set(session.execute(select(CallRow.key, CallRow.scope).where(CallRow.key.not_like("%token%"))))
    ids = {name: installation.sandbox.world.account(name).id for name in (HARBOR, SAKURA)}
    assert counted == {(f"meta:{ids[HARBOR]}", "meta"), (f"meta:{ids[SAKURA]}", FOREIGN)}


@pytest.mark.slow
def test_a_connection_from_before_learns_whose_token_it_has_at_the_first_refusal_and_for_all_that_share_it(installation):
    first, second = known_as_ours(installation, "other_app", HARBOR, SAKURA)

    runs = []
    for _ in range(3):  # what does not fit the hour is postponed
        runs += installation.work(installation.claim())
        installation.sandbox.clock.advance(3600)

    assert {run.connection_id for run in runs} == {first.id, second.id}
    assert {run.state for run in runs} <= {RunState.DONE, RunState.POSTPONED}
    assert scopes(installation) == {HARBOR: FOREIGN, SAKURA: FOREIGN}
    assert installation.sync(second, force=True).state is RunState.DONE
    assert installation.sync(first, force=True).state is RunState.DONE
    assert len(refused(installation)) == 1


def test_another_worker_knows_it_without_a_call(installation):
    (connection,) = known_as_ours(installation, "other_app", SAKURA)
    installation.sync(connection)
    installation.sandbox.calls.clear()

    for cached in (settings.load, bootstrap.app):
        cached.cache_clear()
    installation.app = bootstrap.app()

    assert installation.sync(connection, force=True).state is RunState.DONE
    assert refused(installation) == []
    assert "app" not in [call.path for call in installation.sandbox.calls.calls()]


def test_an_app_that_begins_to_require_a_proof_stops_its_connections_with_what_to_do(installation):
    connection = connect(installation)
    installation.sync(connection)
    token = installation.sandbox.world.token("other_app")
    installation.sandbox.world.tokens[token.value] = replace(token, app=replace(OTHER_APP, requires_proof=True))

    installation.sync(connection, force=True)

    view = installation.app.connections.get(connection.id)
    assert view.connection.status is ConnectionStatus.NEEDS_PERMISSION
    assert f"issued by the app {OTHER_APP.id} and not by yours ({OWN_APP.id})" in view.status_reason


def test_a_token_of_another_app_is_never_exchanged_and_one_of_the_own_app_is(installation):
    world, ends = installation.sandbox.world, installation.sandbox.clock.now() + authorising.RENEW_BEFORE / 2
    for label in ("full", "other_app"):
        world.tokens[world.token(label).value] = replace(world.token(label), expires_at=ends)
    for name, token in ((HARBOR, "full"), (SAKURA, "other_app")):
        connection = connect(installation, token, name)
        with installation.engine.begin() as session:  # its end is not told to us, but may be known from before
            session.exec_driver_sql(
                "UPDATE credential SET expires_at = ? WHERE id = ?", (f"{ends:%Y-%m-%d %H:%M:%S}.000000", connection.credential_id)
            )

    assert authorising.renew(installation.app) == 1
    exchanged = [call for call in installation.sandbox.calls.calls() if call.params.get("grant_type") == "fb_exchange_token"]
    assert [call.status for call in exchanged] == [200]


@pytest.mark.parametrize(("token", "scope"), first_quick([("other_app", FOREIGN), ("full", "meta")]))
def test_reconnecting_takes_over_whose_token_it_is(installation, token, scope):
    connection = connect(installation, "full" if token == "other_app" else "other_app")
    installation.app.leases.release(installation.claim())

    connecting.reconnect(installation.app, connection.id, installation.secret("meta", token))

    assert scopes(installation) == {SAKURA: scope}
    installation.sandbox.calls.clear()
    (run,) = installation.work(installation.claim())
    assert installation.finish(run).state is RunState.DONE
    assert refused(installation) == []


def test_a_token_whose_app_became_the_installations_own_gets_a_proof_and_is_counted_with_it(installation, sandbox):
    connection = connect(installation)
    installation.close()
    own = {"ADPULSE_META_APP_ID": OTHER_APP.id, "ADPULSE_META_APP_SECRET": OTHER_APP.secret}
    again = Installation(installation.app.settings.home, sandbox, **own)
    token = sandbox.world.token("other_app")
    sandbox.world.tokens[token.value] = replace(token, app=replace(OTHER_APP, requires_proof=True))
    try:
        assert again.sync(connection).state is RunState.DONE
        assert scopes(again) == {SAKURA: "meta"}
    finally:
        again.close()


def test_whose_token_it_is_does_not_matter_without_a_secret(sandbox, tmp_path):
    bare = Installation(tmp_path / "bare", sandbox, ADPULSE_META_APP_ID="", ADPULSE_META_APP_SECRET="")
    try:
        connection = connect(bare)
        assert (bare.sync(connection).state, connection.scope) == (RunState.DONE, "meta")
    finally:
        bare.close()


def test_a_platform_that_does_not_tell_keeps_nobody_from_connecting(installation):
    installation.sandbox.faults.add([{"action": "transient", "kind": "debug_token"}])

    connection = connect(installation)

    assert connection.scope == FOREIGN
    assert [call.path for call in refused(installation)][-1:] == ["me/adaccounts"]


def test_neither_token_nor_proof_is_logged_or_stored_in_clear(installation, caplog):
    caplog.set_level("DEBUG")
    (connection,) = known_as_ours(installation, "other_app", SAKURA)
    installation.sync(connection)

    token = installation.secret("meta", "other_app").get_secret_value()
    written = caplog.text + "".join(path.read_text(errors="replace") for path in installation.app.settings.home.glob("control.db*"))
    assert f"issued by the app {OTHER_APP.id}, not by {OWN_APP.id}" in caplog.text
    secrets = (token, OWN_APP.secret, OWN_APP.proof(token))
    assert [secret for secret in secrets if secret in written] == []


def test_a_token_of_an_app_that_requires_a_proof_is_connected_once_its_secret_is_set(sandbox, tmp_path):
    own = {"ADPULSE_META_APP_ID": STRICT_APP.id, "ADPULSE_META_APP_SECRET": STRICT_APP.secret}
    strict = Installation(tmp_path / "strict", sandbox, **own)
    try:
        connection = connect(strict, "strict_app")
        assert (strict.sync(connection).state, connection.scope) == (RunState.DONE, "meta")
    finally:
        strict.close()
