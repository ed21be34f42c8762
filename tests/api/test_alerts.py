"""Data alerts over HTTP."""

import pytest


@pytest.fixture
def team(team, copied):
    return copied(team)


@pytest.fixture
def at(ask, team):
    """Asks of the team's alerts."""

    def send(method, path="", **body):
        return ask(method, f"/workspaces/{team.workspace.id}/alerts{path}", team.editor, **({"json": body} if body else {}))

    return send


def test_an_alert_is_made_run_changed_and_removed(at, team):
    made = at("POST", name="one", query="SELECT 1 AS one, 2 AS two")
    path = f"/{made.json()['id']}"
    found = at("POST", f"{path}/run").json()
    changed = at("PATCH", path, query="SELECT 1 WHERE false", enabled=False).json()

    assert (made.status_code, made.json()["firing_since"], made.json()["enabled"]) == (201, None, True)
    assert found == {"columns": ["one", "two"], "rows": [[1, 2]], "truncated": False}
    assert (changed["query"], changed["enabled"]) == ("SELECT 1 WHERE false", False)
    assert at("POST", f"{path}/run").json()["rows"] == []
    assert at("DELETE", path).status_code == 204
    assert [each["id"] for each in at("GET").json()] == [team.alert.id]


@pytest.mark.parametrize("query", ["COPY (SELECT 1) TO '/tmp/adpulse-never'", "SELECT sleep_ms(1)", "SELECT 1 +"])
def test_a_query_that_no_alert_may_have_is_refused_when_it_is_made_and_when_it_is_changed(at, team, query):
    made = at("POST", name="bad", query=query)
    changed = at("PATCH", f"/{team.alert.id}", query=query)

    assert (made.status_code, changed.status_code) == (400, 400)
    assert made.json()["detail"].startswith("The query failed.")
    assert [each["query"] for each in at("GET").json()] == [team.alert.query]


@pytest.mark.parametrize("query", ["SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM nothing"])
def test_a_query_that_may_not_or_cannot_is_told_as_a_problem(at, team, query):
    added = at("POST", name="bad", query=query)
    assert (added.status_code, added.json()["detail"].startswith("The query failed.")) == (400, True)
    stored = team.app.alerts.create(team.workspace.id, "bad", query)  # as before the copy changed, or by an older version

    answer = at("POST", f"/{stored.id}/run")

    assert (answer.status_code, answer.json()["detail"].startswith(("The query failed.", "An alert"))) == (400, True)
    assert "root:" not in answer.text


def test_a_name_is_given_once(at, team):
    assert at("POST", name=team.alert.name, query="SELECT 1").status_code == 409
