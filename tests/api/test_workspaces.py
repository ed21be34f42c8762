"""Workspaces by HTTP: everybody sees their own, operators make, grant and delete them."""

import pytest

from adpulse.role import Role
from storage.files import exclusive


@pytest.fixture
def empty(ask, operator):
    """A workspace without connections."""
    return ask("POST", "/workspaces", operator, json={"name": "  Empty "}).json()


def test_a_workspace_is_made_once_and_found(ask, operator, empty):
    again = ask("POST", "/workspaces", operator, json={"name": "Empty"})

    assert (again.status_code, again.json()["type"]) == (409, "urn:adpulse:conflict")
    assert ask("GET", f"/workspaces/{empty['id']}", operator).json() == empty
    assert (empty["name"], empty["realtime_granted"]) == ("Empty", False)


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "a\nb", "a\v", "\na", "x" * 256, 7, None])
def test_a_name_is_one_line_of_text(ask, operator, name):
    assert ask("POST", "/workspaces", operator, json={"name": name}).status_code == 422


def test_everybody_sees_their_own_and_an_operator_all(ask, team, others, operator):
    mine, theirs, all_of_them = (ask("GET", "/workspaces", key).json() for key in (team.viewer, others.editor, operator))

    assert [each["id"] for each in mine] == [team.workspace.id]
    assert [each["id"] for each in theirs] == [others.workspace.id]
    assert [each["name"] for each in all_of_them] == ["Acme", "Borealis"]


def test_an_editor_renames_their_workspace_but_does_not_grant_it_realtime(ask, team, others, operator):
    path = f"/workspaces/{team.workspace.id}"

    assert ask("PATCH", path, team.editor, json={"name": "Acme Group"}).json()["name"] == "Acme Group"
    assert ask("PATCH", path, team.editor, json={"name": others.workspace.name}).status_code == 409
    both = ask("PATCH", path, team.editor, json={"name": "Acme Realtime", "realtime_granted": True})
    assert (both.status_code, ask("GET", path, team.editor).json()["name"]) == (403, "Acme Group")
    assert ask("PATCH", path, operator, json={"realtime_granted": True}).json()["realtime_granted"]
    assert ask("PATCH", path, operator, json={}).status_code == 400


def test_an_empty_workspace_goes_with_its_keys_and_files(ask, installation, operator, empty):
    app = installation.app
    made = ask("POST", "/workspaces", operator, json={"name": "Other"}).json()
    for folder in ("warehouse", "published"):
        (app.settings.home / folder).mkdir(exist_ok=True)
        (app.settings.home / folder / f"{empty['id']}.duckdb").write_bytes(b"nothing in it")
    key = app.keys.create("k", Role.VIEWER, empty["id"])[1].get_secret_value()
    other = app.keys.create("k", Role.VIEWER, made["id"])[1].get_secret_value()

    assert ask("DELETE", f"/workspaces/{empty['id']}", operator).status_code == 204

    assert ask("GET", f"/workspaces/{empty['id']}", operator).status_code == 404
    assert ask("GET", "/workspaces", key).status_code == 401
    assert ask("GET", "/workspaces", other).status_code == 200
    assert list(app.settings.home.rglob(f"{empty['id']}.duckdb*")) == []


def test_a_workspace_with_connections_stays(ask, team, operator):
    answer = ask("DELETE", f"/workspaces/{team.workspace.id}", operator)

    assert (answer.status_code, "Delete them first" in answer.json()["detail"]) == (409, True)
    assert ask("GET", "/connections/", team.viewer).status_code == 200


def test_a_workspace_named_like_anothers_id_does_not_become_it(ask, installation, team, others):
    """Or the others' next account would be connected here."""
    app, theirs = installation.app, others.workspace
    assert ask("PATCH", f"/workspaces/{team.workspace.id}", team.editor, json={"name": theirs.id}).status_code == 200

    assert app.workspaces.get(theirs.id) == theirs
    assert app.workspaces.change(theirs.id, name="Borealis & Sons").name == "Borealis & Sons"
    grant = others.grant()
    body = {"grant_id": grant, "accounts": "all"}
    made = ask("POST", f"/workspaces/{theirs.id}/connections", others.editor, json=body)
    assert made.status_code < 300, made.text
    assert {view.connection.id for view in app.connections.all(team.workspace.id)} == {team.connection.id}


def test_a_workspace_whose_file_is_in_use_is_not_half_deleted(ask, installation, operator, empty, monkeypatch):
    monkeypatch.setattr(installation.app.warehouse(empty["id"]), "_lock_timeout", 0.2)
    path = installation.app.settings.home / "warehouse" / f"{empty['id']}.duckdb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"nothing in it")

    with exclusive(path.with_suffix(".lock"), 1):
        assert ask("DELETE", f"/workspaces/{empty['id']}", operator).status_code == 503

    assert ask("GET", f"/workspaces/{empty['id']}", operator).status_code == 200
    assert path.exists()
