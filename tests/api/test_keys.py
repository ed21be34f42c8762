"""Keys by HTTP: shown once, of at most the maker's role, ended at once, never another workspace's."""

from datetime import datetime, timedelta

import pytest


def keys_of(team):
    return f"/workspaces/{team.workspace.id}/keys"


def test_a_key_is_shown_once_and_works(ask, installation, team, others):
    made = ask("POST", keys_of(team), team.editor, json={"name": "dashboard", "role": "viewer", "days": 30})

    text = made.json()["key"]
    listed = ask("GET", keys_of(team), team.editor)
    assert (made.status_code, made.json()["role"]) == (201, "viewer")
    assert listed.json()[0] == {name: value for name, value in made.json().items() if name != "key"}
    assert text not in listed.text
    assert text.startswith(listed.json()[0]["prefix"])
    assert abs(datetime.fromisoformat(made.json()["expires_at"]) - installation.wall.now() - timedelta(days=30)) < timedelta(minutes=5)
    assert ask("GET", f"/connections/{team.connection.id}", text).status_code == 200
    assert ask("GET", f"/connections/{others.connection.id}", text).status_code == 404
    assert ask("POST", f"/connections/{team.connection.id}/pause", text).status_code == 403


def test_a_revoked_key_ends_at_once(ask, team):
    made = ask("POST", keys_of(team), team.editor, json={"name": "dashboard"}).json()
    assert ask("GET", "/connections/", made["key"]).status_code == 200

    for _ in range(2):
        assert ask("DELETE", f"{keys_of(team)}/{made['id']}", team.editor).status_code == 204

    assert ask("GET", "/connections/", made["key"]).status_code == 401


@pytest.mark.parametrize(
    "body", [{"name": "x", "role": "operator"}, {"name": "x", "days": 0}, {"name": "x", "days": 10**9}, {"role": "viewer"}]
)
def test_a_key_that_may_not_be_made_is_refused(ask, team, body):
    assert ask("POST", keys_of(team), team.editor, json=body).status_code == 422


def test_operators_keys_are_no_workspaces_and_the_other_way_round(ask, team, operator):
    made = ask("POST", "/keys", operator, json={"name": "ops"}).json()

    assert [each["role"] for each in ask("GET", "/keys", operator).json()] == ["operator", "operator"]
    assert made["id"] not in {each["id"] for each in ask("GET", keys_of(team), team.editor).json()}
    assert ask("DELETE", f"{keys_of(team)}/{made['id']}", team.editor).status_code == 404
    assert ask("DELETE", f"/keys/{team.key_id}", operator).status_code == 404
    assert ask("GET", "/keys", made["key"]).status_code == 200
    assert ask("DELETE", f"/keys/{made['id']}", made["key"]).status_code == 204
    assert ask("GET", "/keys", made["key"]).status_code == 401
