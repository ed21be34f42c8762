"""Grants and authorisations under way, on both databases: each is taken once, by whom it is for, in time, and nothing of it is legible."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, text, update

from adpulse.discovered_accounts import DiscoveredAccounts
from adpulse.errors import NotFound, RateLimited, Usage
from adpulse.model import AccountFacts
from storage.control import authorizations, grants
from storage.control.tables import AuthorizationRow, ConnectionRow, GrantRow

SECRET = SecretStr("EAAsentinel-token")
ACCOUNT = AccountFacts(external_id="1", name="One", currency="EUR", timezone="UTC", enabled=True, status="active", login_customer_id="9")
HOME = "http://localhost:8400/oauth/callback"


def given(plane, **more):
    grant_id = plane.grants.reserve(plane.workspace.id, "meta", **more)
    return plane.grants.fill(grant_id, SECRET, DiscoveredAccounts(accounts=[ACCOUNT], scope="meta:7", expires_at=plane.clock.now()))


def begun(plane, key="key-1", **more):
    return plane.authorizations.begin(plane.workspace.id, "google", None, redirect_uri=HOME, begun_by=key, **more)


def test_a_grant_is_read_as_it_was_given_and_taken_once(plane):
    made = given(plane)

    assert plane.grants.get(made.id, plane.workspace.id) == made
    assert (made.accounts, made.scope, made.credential_expires_at) == ((ACCOUNT,), "meta:7", plane.clock.now())
    assert plane.grants.take(made.id, plane.workspace.id) == SECRET
    for again in (plane.grants.take, plane.grants.get):
        with pytest.raises(NotFound):
            again(made.id, plane.workspace.id)


def test_of_several_who_take_a_grant_one_gets_it(plane):
    made, together = given(plane), Barrier(4)

    def take(_):
        together.wait(30)
        try:
            return plane.grants.take(made.id, plane.workspace.id).get_secret_value()
        except NotFound:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4)), key=str) == ["EAAsentinel-token", None, None, None]


def test_a_grant_is_another_workspaces_or_too_old_or_never_was(plane):
    made, other = given(plane), plane.workspaces.create("Borealis")
    reserved = plane.grants.reserve(plane.workspace.id, "meta")

    for grant_id, workspace in ((made.id, other.id), (reserved, plane.workspace.id), ("made-up", plane.workspace.id)):
        with pytest.raises(NotFound):
            plane.grants.take(grant_id, workspace)
    assert plane.grants.get(made.id, plane.workspace.id)
    plane.wall.advance(grants.LIFETIME)
    with pytest.raises(NotFound):
        plane.grants.take(made.id, plane.workspace.id)


def test_what_is_taken_or_too_old_leaves_nothing_to_decrypt(plane):
    taken, old = given(plane), given(plane)
    plane.grants.take(taken.id, plane.workspace.id)

    def sealed():
        with plane.engine.connect() as session:
            return {row.id: len(row.ciphertext) for row in session.execute(text("SELECT id, ciphertext FROM credential_grant"))}

    assert [size > 0 for size in (sealed()[taken.id], sealed()[old.id])] == [False, True]
    plane.wall.advance(grants.LIFETIME)
    assert plane.grants.prune() == 2
    assert sealed() == {}


def test_a_workspace_asks_so_often_an_hour_and_no_other_waits_for_it(plane):
    other = plane.workspaces.create("Borealis")
    for _ in range(grants.MAX_PER_HOUR):
        plane.grants.reserve(plane.workspace.id, "meta")

    with pytest.raises(RateLimited, match="within the hour") as refused:
        plane.grants.reserve(plane.workspace.id, "google")
    assert 3500 < refused.value.retry_after <= 3600
    assert plane.grants.reserve(other.id, "meta")
    plane.wall.advance(timedelta(hours=1, seconds=1))
    assert plane.grants.reserve(plane.workspace.id, "meta")


def test_a_ciphertext_moved_to_another_grant_does_not_open(plane):
    mine, theirs = given(plane), given(plane)
    with plane.engine.begin() as session:
        sealed = session.scalar(text("SELECT ciphertext FROM credential_grant WHERE id = :id"), {"id": theirs.id})
        session.execute(update(GrantRow).where(GrantRow.id == mine.id).values(ciphertext=sealed))

    with pytest.raises(Usage, match="tampered"):
        plane.grants.take(mine.id, plane.workspace.id)


@pytest.mark.parametrize("proof", ["browser", "key"])
def test_whoever_began_finishes_once(plane, proof):
    made = begun(plane)
    browser, key = (made.browser, None) if proof == "browser" else (None, "key-1")

    found = plane.authorizations.take(made.state, browser, key)

    assert (found.workspace_id, found.provider, found.redirect_uri) == (plane.workspace.id, "google", HOME)
    assert found.verifier == made.verifier
    assert plane.authorizations.take(made.state, browser, key) is None


def test_nobody_else_finishes_and_trying_spoils_nothing(plane):
    made, other = begun(plane), begun(plane, "key-2")

    for browser, key in ((None, None), (other.browser, None), (SecretStr(""), ""), (None, "key-2"), (SecretStr(made.state), None)):
        assert plane.authorizations.take(made.state, browser, key) is None
    assert plane.authorizations.take("made-up", made.browser, "key-1") is None
    assert plane.authorizations.take(made.state, made.browser, None)


def test_of_several_who_come_back_at_once_one_goes_on(plane):
    made, together = begun(plane), Barrier(4)

    def take(_):
        together.wait(30)
        return plane.authorizations.take(made.state, made.browser, None) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, range(4))) == [False, False, False, True]


def test_who_does_not_come_back_in_ten_minutes_is_forgotten(plane):
    made = begun(plane)
    plane.wall.advance(authorizations.LIFETIME)

    assert plane.authorizations.take(made.state, made.browser, None) is None
    assert plane.authorizations.prune() == 1


def test_the_database_holds_neither_state_nor_verifier_nor_token(plane):
    made, grant = begun(plane), given(plane)
    with plane.engine.connect() as session:
        stored = repr([session.execute(text(f"SELECT * FROM {table}")).all() for table in ("pending_authorization", "credential_grant")])

    secrets = [made.state, made.browser.get_secret_value(), made.verifier.get_secret_value(), SECRET.get_secret_value()]
    assert [secret for secret in secrets if secret in stored] == []
    assert [secret for secret in secrets[1:] if secret in repr((made, grant))] == []


def test_a_connection_that_goes_takes_what_waits_for_it_along(plane):
    connection = plane.connect("1")
    given(plane, connection_id=connection.id)
    plane.authorizations.begin(plane.workspace.id, "meta", connection.id, redirect_uri=HOME, begun_by="k")
    with plane.engine.begin() as session:
        session.execute(delete(ConnectionRow).where(ConnectionRow.id == connection.id))

    with plane.engine.connect() as session:
        left = [
            session.execute(text(f"SELECT count(*) FROM {table}")).scalar()
            for table in (GrantRow.__tablename__, AuthorizationRow.__tablename__)
        ]
    assert left == [0, 0]
