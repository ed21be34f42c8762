"""Dead letters by HTTP."""

import pytest

from adpulse.model import RunState
from storage.control import runs


def letters(ask, team):
    return ask("GET", f"/workspaces/{team.workspace.id}/dead-letters", team.viewer).json()


@pytest.mark.usefixtures("others")
def test_a_letter_tells_what_happened_and_only_to_its_workspace(ask, team):
    (letter,) = letters(ask, team)

    assert (letter["job_id"], letter["connection_name"]) == (team.letter_id, team.connection.name)
    assert (letter["error"], letter["error_code"], letter["attempts"]) == ("Meta refused a request.", "100", 1)


def test_a_replayed_letter_becomes_a_job_and_leaves_the_list(ask, installation, team):
    path = f"/workspaces/{team.workspace.id}/dead-letters/{team.letter_id}/replay"

    answer = ask("POST", path, team.editor)

    assert (answer.status_code, answer.json()) == (202, {"job_id": team.run_id, "status": "queued"})
    assert letters(ask, team) == []
    assert ask("POST", path, team.editor).status_code == 404
    assert installation.app.runs.get(team.run_id).state is RunState.QUEUED


def test_a_letter_is_put_aside_with_a_note(ask, installation, team):
    path = f"/workspaces/{team.workspace.id}/dead-letters/{team.letter_id}/resolve"

    assert ask("POST", path, team.editor, json={"note": "the client left"}).status_code == 204
    assert installation.app.runs.get(team.letter_id).resolution == "the client left"
    assert (letters(ask, team), ask("POST", path, team.editor).status_code) == ([], 404)


def test_what_is_no_dead_letter_cannot_be_replayed(ask, team):
    assert ask("POST", f"/workspaces/{team.workspace.id}/dead-letters/{team.run_id}/replay", team.editor).status_code == 404


def test_a_letter_of_a_paused_connection_stays_one(ask, team):
    ask("POST", f"/connections/{team.connection.id}/pause", team.editor)

    answer = ask("POST", f"/workspaces/{team.workspace.id}/dead-letters/{team.letter_id}/replay", team.editor)

    assert (answer.status_code, "adpulse resume" in answer.json()["detail"]) == (400, True)
    assert len(letters(ask, team)) == 1


def test_a_letter_is_replayed_however_many_others_have(ask, team, others, monkeypatch):
    monkeypatch.setattr(runs, "_MAX_LETTERS", 1)
    for mine in (team, others):
        answer = ask("POST", f"/workspaces/{mine.workspace.id}/dead-letters/{mine.letter_id}/replay", mine.editor)
        assert answer.status_code == 202, answer.text
