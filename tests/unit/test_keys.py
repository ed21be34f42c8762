"""API keys: the text opens, once, what it was made for; of it nothing is kept."""

import time
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from adpulse.errors import NotFound, Usage
from adpulse.role import Role
from storage.control.keys import REMEMBERED_SECONDS, ApiKeys


def test_a_keys_text_is_its_key_and_nothing_else_is(plane):
    made, text = plane.keys.create("dashboard", Role.VIEWER, plane.workspace.id)
    other, _ = plane.keys.create("dashboard", Role.EDITOR, plane.workspace.id)
    said = text.get_secret_value()

    assert plane.keys.authenticate(text) == made
    assert said.startswith(f"{made.prefix}_")
    for wrong in ("", made.prefix, said[:-1], said + "A", said.swapcase(), said.replace(made.prefix, other.prefix), said + "_"):
        assert plane.keys.authenticate(SecretStr(wrong)) is None
    assert said not in repr((made, text))


def test_a_key_ends_when_it_expires_or_is_revoked(plane):
    soon = plane.wall.now() + timedelta(minutes=1)
    _, expiring = plane.keys.create("soon", Role.VIEWER, plane.workspace.id, soon)
    made, revoked = plane.keys.create("old", Role.EDITOR, plane.workspace.id)

    ended = plane.keys.revoke(made.prefix)

    assert plane.keys.authenticate(revoked) is None
    assert plane.keys.revoke(made.id).revoked_at == ended.revoked_at
    assert plane.keys.authenticate(expiring)
    plane.wall.advance(timedelta(minutes=1))
    assert plane.keys.authenticate(expiring) is None


def test_a_workspace_lists_and_revokes_only_its_own(plane):
    other = plane.workspaces.create("Borealis")
    mine, _ = plane.keys.create("mine", Role.VIEWER, plane.workspace.id)
    theirs, text = plane.keys.create("theirs", Role.VIEWER, other.id)
    operators, _ = plane.keys.create("ops", Role.OPERATOR, None)

    for workspace_id in (plane.workspace.id, None):
        with pytest.raises(NotFound, match="no key"):
            plane.keys.revoke_of(workspace_id, theirs.id)

    assert plane.keys.authenticate(text) == theirs
    assert plane.keys.all(plane.workspace.id) == [mine]
    assert {each.id for each in plane.keys.all()} == {mine.id, theirs.id, operators.id}


@pytest.mark.parametrize(("role", "owned"), [(Role.OPERATOR, True), (Role.EDITOR, False), (Role.VIEWER, False)])
def test_an_operators_key_belongs_to_no_workspace_and_every_other_to_one(plane, role, owned):
    with pytest.raises(Usage, match="workspace"):
        plane.keys.create("wrong", role, plane.workspace.id if owned else None)


def test_a_key_that_would_have_expired_already_is_refused(plane):
    with pytest.raises(Usage, match="in the past"):
        plane.keys.create("late", Role.VIEWER, plane.workspace.id, plane.wall.now())

    assert plane.keys.all() == []


def test_a_key_is_remembered_for_a_moment_and_forgotten_when_it_is_revoked(plane):
    key, text = plane.keys.create("dashboard", Role.VIEWER, plane.workspace.id)
    assert plane.keys.remembered(text) is None

    assert plane.keys.authenticate(text) == plane.keys.remembered(text) == key
    plane.keys.revoke(key.prefix)

    assert plane.keys.remembered(text) is None
    assert plane.keys.authenticate(text) is None
    assert plane.keys.remembered(text) is None


def test_a_key_that_another_process_revoked_is_let_in_a_second_at_most(plane, monkeypatch):
    key, text = plane.keys.create("dashboard", Role.VIEWER, plane.workspace.id)
    plane.keys.authenticate(text)
    ApiKeys(plane.engine, wall=plane.wall).revoke(key.prefix)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + REMEMBERED_SECONDS)

    assert plane.keys.remembered(text) is None


def test_a_remembered_key_ends_when_it_expires(plane):
    _, text = plane.keys.create("dashboard", Role.VIEWER, plane.workspace.id, plane.wall.now() + timedelta(minutes=1))
    plane.keys.authenticate(text)
    plane.wall.advance(timedelta(minutes=1))

    assert plane.keys.remembered(text) is None


def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_remembered(plane):
    key, text = plane.keys.create("dashboard", Role.VIEWER, plane.workspace.id)

    def revoke(_connection, _cursor, statement, *_):
        if statement.startswith("SELECT") and "digest" in statement:
            plane.keys.revoke(key.id)

    event.listen(plane.engine, "after_cursor_execute", revoke)
    plane.keys.authenticate(text)

    assert plane.keys.remembered(text) is None
