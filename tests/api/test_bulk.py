"""Many connections by one request."""

import pytest

from adpulse.model import RunState


@pytest.fixture
def act(ask, team):
    """Sends a bulk request of the team's editor."""
    return lambda **body: ask("POST", f"/workspaces/{team.workspace.id}/connections/bulk", team.editor, json=body)


@pytest.fixture
def labelled(installation, team):
    """Two connections with a label; the second one is the team's."""
    made = [installation.connect("Alpenglow Reisen"), team.connection]
    for each in made:
        installation.app.labels.change(each.id, lambda _: ["eu"])
    return made


def test_a_label_chooses_and_every_connection_is_told(act, ask, team, labelled):
    answer = act(label="eu", action="set_frequency", sync_frequency="hourly")

    assert answer.status_code == 200
    assert [(each["connection_id"], each["outcome"]) for each in answer.json()["results"]] == [(each.id, "done") for each in labelled]
    listed = ask("GET", "/connections/", team.viewer, params={"frequency": "hourly"}).json()["connections"]
    assert [each["id"] for each in listed] == [each.id for each in labelled]


def test_jobs_can_be_followed(act, installation, team, labelled):
    results = act(ids=[each.id for each in labelled], action="sync_now").json()["results"]

    assert [each["outcome"] for each in results] == ["done", "unchanged"]
    assert [installation.app.runs.get(each["job_id"]).state for each in results] == [RunState.QUEUED] * 2
    assert results[1]["job_id"] == team.run_id


def test_a_connection_of_another_workspace_is_unknown_and_nothing_is_changed(act, ask, team, others):
    answer = act(ids=[team.connection.id, others.connection.id], action="pause")

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:adpulse:unknown-connection")
    assert ask("GET", f"/connections/{team.connection.id}", team.viewer).json()["status"] == "active"


@pytest.mark.parametrize(
    "body",
    [
        {"action": "pause"},
        {"action": "pause", "label": "eu", "ids": ["a"]},
        {"action": "pause", "ids": []},
        {"action": "pause", "label": "eu", "sync_frequency": "hourly"},
        {"action": "set_frequency", "label": "eu"},
        {"action": "delete", "label": "eu"},
        {"action": "add_label", "label": "eu"},
        {"action": "pause", "label": "eu", "changed_label": "retail"},
        {"action": "pause", "label": "eu", "workspace_id": "other"},
    ],
)
def test_a_request_that_does_not_say_clearly_what_it_wants_is_refused(act, body):
    assert act(**body).status_code == 422


def test_a_label_is_added_and_removed(act, ask, team, labelled):
    def named():
        return [each["id"] for each in ask("GET", "/connections/", team.viewer, params={"label": "retail"}).json()["connections"]]

    assert act(label="eu", action="add_label", changed_label="retail").status_code == 200
    assert named() == [each.id for each in labelled]
    results = act(ids=[team.connection.id], action="remove_label", changed_label="retail").json()["results"]
    assert [each["outcome"] for each in results] == ["done"]
    assert named() == [labelled[0].id]


def test_realtime_without_the_grant_is_refused_for_all(act, ask, team, labelled):
    answer = act(label="eu", action="set_frequency", sync_frequency="realtime")

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:adpulse:frequency-refused")
    assert len(ask("GET", "/connections/", team.viewer, params={"frequency": "manual"}).json()["connections"]) == len(labelled)
