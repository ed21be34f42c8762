"""Every route has a rule of who may use it, and holds to it: a route that has none fails here."""

from datetime import timedelta
from itertools import count
from uuid import uuid4

import pytest
from repeats import first_quick

from adpulse.api.app import create_app
from adpulse.role import Role

NEW_WEBHOOK = {"name": "ours", "url": "https://1.1.1.1/hooks"}
_number = count()
BODIES = {
    ("PATCH", "/connections/{connection_id}/sync-frequency"): lambda _: {"sync_frequency": "hourly"},
    ("PATCH", "/connections/{connection_id}"): lambda _: {"name": "Another"},
    ("POST", "/connections/{connection_id}/backfill"): lambda _: {"since": "2025-01-01"},
    ("POST", "/connections/{connection_id}/mapping/preview"): lambda _: {"preset": "purchases"},
    ("POST", "/workspaces/{workspace_id}/connections/bulk"): lambda _: {"action": "pause", "label": "eu"},
    ("POST", "/workspaces/{workspace_id}/keys"): lambda _: {"name": "dashboard", "role": "editor"},
    ("POST", "/keys"): lambda _: {"name": "ops"},
    ("POST", "/workspaces"): lambda _: {"name": f"New {next(_number)}"},
    ("PATCH", "/workspaces/{workspace_id}"): lambda _: {"name": f"Renamed {next(_number)}"},
    ("POST", "/workspaces/{workspace_id}/discover"): lambda team: {"provider": "google", "secret": team.secret},
    ("POST", "/workspaces/{workspace_id}/authorizations"): lambda _: {"provider": "google"},
    ("POST", "/workspaces/{workspace_id}/connections"): lambda team: {"grant_id": team.grant(), "accounts": "all"},
    ("POST", "/connections/{connection_id}/reconnect"): lambda team: {"grant_id": team.grant(team.connection)},
    ("POST", "/workspaces/{workspace_id}/webhooks"): lambda _: NEW_WEBHOOK,
    ("PATCH", "/workspaces/{workspace_id}/webhooks/{webhook_id}"): lambda _: {"name": "another"},
    ("PUT", "/workspaces/{workspace_id}/budgets"): lambda team: {"connection": team.connection.id, "period": "daily", "amount": "10"},
    ("POST", "/workspaces/{workspace_id}/alert-templates/preview"): lambda _: {"template": "ad-disapproved"},
    ("POST", "/workspaces/{workspace_id}/alerts"): lambda _: {"name": "ours", "query": "SELECT 1"},
    ("PATCH", "/workspaces/{workspace_id}/alerts/{alert_id}"): lambda _: {"name": "another"},
}
"""What a route is sent, by a team that it is right for."""

DONE = (200, 201, 202, 204)
_BACKFILL = "/connections/{connection_id}/backfill"
LET_IN = {
    ("DELETE", "/workspaces/{workspace_id}"): (409,),
    ("DELETE", "/keys/{key_id}"): (404,),
    ("GET", _BACKFILL): (404,),
    ("DELETE", _BACKFILL): (404,),
    ("POST", "/connections/{connection_id}/mapping/preview"): (400,),
    ("DELETE", "/workspaces/{workspace_id}/budgets/{budget_id}"): (404,),
}
"""What is answered where the request is allowed but cannot be done: the workspace has connections, the key is no operator's, nobody asked
for a backfill, no types were read, nobody set a budget."""

RULES = {
    ("GET", "/healthz"): "anybody",
    ("GET", "/readyz"): "anybody",
    ("GET", "/oauth/callback"): "anybody",  # and good only for who began: see test_connecting.py
    ("GET", "/connections/"): "viewer",
    ("GET", "/connections/{connection_id}"): "viewer",
    ("PATCH", "/connections/{connection_id}"): "editor",
    ("DELETE", "/connections/{connection_id}"): "editor",
    ("GET", "/connections/{connection_id}/sync-status"): "viewer",
    ("GET", "/connections/{connection_id}/completeness"): "viewer",
    ("GET", "/connections/{connection_id}/runs"): "viewer",
    ("GET", "/connections/{connection_id}/backfill"): "viewer",
    ("POST", "/connections/{connection_id}/backfill"): "editor",
    ("DELETE", "/connections/{connection_id}/backfill"): "editor",
    ("GET", "/connections/{connection_id}/mapping"): "viewer",
    ("POST", "/connections/{connection_id}/mapping/types"): "editor",
    ("POST", "/connections/{connection_id}/mapping/preview"): "viewer",
    ("PATCH", "/connections/{connection_id}/sync-frequency"): "editor",
    ("POST", "/connections/{connection_id}/pause"): "editor",
    ("POST", "/connections/{connection_id}/sync-now"): "editor",
    ("POST", "/workspaces/{workspace_id}/connections/{connection_id}/sync-entities"): "editor",
    ("POST", "/workspaces/{workspace_id}/connections/{connection_id}/sync-metrics"): "editor",
    ("POST", "/workspaces/{workspace_id}/connections/bulk"): "editor",
    ("GET", "/workspaces/{workspace_id}/dead-letters"): "viewer",
    ("POST", "/workspaces/{workspace_id}/dead-letters/{run_id}/replay"): "editor",
    ("POST", "/workspaces/{workspace_id}/dead-letters/{run_id}/resolve"): "editor",
    ("GET", "/workspaces/{workspace_id}/keys"): "editor",
    ("POST", "/workspaces/{workspace_id}/keys"): "editor",
    ("DELETE", "/workspaces/{workspace_id}/keys/{key_id}"): "editor",
    ("GET", "/keys"): "operator",
    ("POST", "/keys"): "operator",
    ("DELETE", "/keys/{key_id}"): "operator",
    ("GET", "/jobs/{job_id}"): "viewer",
    ("GET", "/workspaces"): "viewer",
    ("POST", "/workspaces"): "operator",
    ("GET", "/workspaces/{workspace_id}"): "viewer",
    ("PATCH", "/workspaces/{workspace_id}"): "editor",
    ("DELETE", "/workspaces/{workspace_id}"): "operator",
    ("GET", "/workspaces/{workspace_id}/webhooks"): "viewer",
    ("POST", "/workspaces/{workspace_id}/webhooks"): "editor",
    ("PATCH", "/workspaces/{workspace_id}/webhooks/{webhook_id}"): "editor",
    ("DELETE", "/workspaces/{workspace_id}/webhooks/{webhook_id}"): "editor",
    ("POST", "/workspaces/{workspace_id}/webhooks/{webhook_id}/test"): "editor",
    ("GET", "/workspaces/{workspace_id}/webhooks/{webhook_id}/deliveries"): "viewer",
    ("POST", "/workspaces/{workspace_id}/webhooks/{webhook_id}/rotate-secret"): "editor",
    ("GET", "/workspaces/{workspace_id}/alerts"): "viewer",
    ("POST", "/workspaces/{workspace_id}/alerts"): "editor",
    ("PATCH", "/workspaces/{workspace_id}/alerts/{alert_id}"): "editor",
    ("DELETE", "/workspaces/{workspace_id}/alerts/{alert_id}"): "editor",
    ("POST", "/workspaces/{workspace_id}/alerts/{alert_id}/run"): "editor",
    ("POST", "/workspaces/{workspace_id}/discover"): "editor",
    ("POST", "/workspaces/{workspace_id}/authorizations"): "editor",
    ("GET", "/workspaces/{workspace_id}/grants/{grant_id}"): "editor",
    ("POST", "/workspaces/{workspace_id}/connections"): "editor",
    ("POST", "/connections/{connection_id}/reconnect"): "editor",
    ("POST", "/connections/{connection_id}/resume"): "editor",
    ("POST", "/connections/{connection_id}/disconnect"): "editor",
    ("GET", "/metrics"): "operator",
    ("GET", "/workspaces/{workspace_id}/analytics.duckdb"): "viewer",
    ("GET", "/workspaces/{workspace_id}/views/{view}"): "viewer",
    ("GET", "/workspaces/{workspace_id}/today"): "viewer",
    ("GET", "/workspaces/{workspace_id}/today/total"): "viewer",
    ("GET", "/connections/{connection_id}/restatements"): "viewer",
    ("GET", "/workspaces/{workspace_id}/budgets"): "viewer",
    ("GET", "/workspaces/{workspace_id}/alert-templates"): "viewer",
    ("POST", "/workspaces/{workspace_id}/alert-templates/preview"): "editor",
    ("PUT", "/workspaces/{workspace_id}/budgets"): "editor",
    ("DELETE", "/workspaces/{workspace_id}/budgets/{budget_id}"): "editor",
    ("GET", "/connections/{connection_id}/days"): "viewer",
}
RANKS = ("viewer", "editor", "operator")
CLOSED = [route for route, rule in RULES.items() if rule != "anybody"]


@pytest.fixture(autouse=True)
def _published(team, others, copied):
    """Both workspaces have a copy to download and to ask."""
    copied(team)
    copied(others)


def path_of(template, team):
    run_id = team.letter_id if "dead-letters" in template else team.run_id
    grant = team.grant() if "grant_id" in template else None
    ids = {"workspace_id": team.workspace.id, "connection_id": team.connection.id, "job_id": run_id, "run_id": run_id, "grant_id": grant}
    return template.format(**ids, webhook_id=team.webhook.id, alert_id=team.alert.id, key_id=team.key_id, view="daily", budget_id="nothing")


def options(method, template, team):
    body = BODIES.get((method, template))
    return {"json": body(team)} if body else {}


def allowed(method, template):
    return LET_IN.get((method, template), DONE)


def test_every_route_has_a_rule():
    found = {(method, path) for path, operations in create_app().openapi()["paths"].items() for method in map(str.upper, operations)}

    assert found == set(RULES)


def test_nobody_gets_in_without_a_valid_key(ask, installation, team):
    app, soon = installation.app, installation.wall.now() + timedelta(days=1)
    revoked, text = app.keys.create("old", Role.EDITOR, team.workspace.id, soon)
    app.keys.revoke(revoked.prefix)
    almost = team.editor[:-1] + ("A" if team.editor[-1] != "A" else "B")

    for method, template in CLOSED:
        for key in (None, "adp_", "adp_00000000_x", almost, text.get_secret_value()):
            answer = ask(method, path_of(template, team), key, **options(method, template, team))
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), template
            assert answer.headers["content-type"] == "application/problem+json", template
            assert key is None or key not in answer.text, template  # it may be right but for a letter


@pytest.mark.parametrize(("method", "template"), CLOSED)
def test_a_route_opens_for_its_role_and_not_below_it(ask, team, operator, method, template):
    keys = {"viewer": team.viewer, "editor": team.editor, "operator": operator}
    lowest = RANKS.index(RULES[method, template])

    for role in RANKS[:lowest]:
        assert ask(method, path_of(template, team), keys[role], **options(method, template, team)).status_code == 403
    assert ask(method, path_of(template, team), keys[RANKS[lowest]], **options(method, template, team)).status_code in allowed(
        method, template
    )


def test_what_belongs_to_another_workspace_is_not_there(ask, team, others):
    before = team.app.connections.all(others.workspace.id)
    for method, template in (route for route in CLOSED if "{" in route[1] and RULES[route] != "operator"):
        path, body = path_of(template, others), options(method, template, others)
        answer = ask(method, path, team.editor, **body)
        nowhere = path
        for each in (others.connection.id, others.run_id, others.letter_id, others.key_id, others.workspace.id):
            nowhere = nowhere.replace(each, str(uuid4()))
        unknown = ask(method, nowhere, team.editor, **body)

        assert answer.status_code == unknown.status_code == 404, template
        assert answer.json()["type"] == unknown.json()["type"], template
        assert others.connection.name not in answer.text, template
    assert team.app.connections.all(others.workspace.id) == before


def test_another_workspaces_id_does_not_lead_to_ones_own_connection(ask, team, others):
    path = f"/workspaces/{others.workspace.id}/connections/{team.connection.id}/sync-metrics"

    assert ask("POST", path, team.editor).status_code == 404


@pytest.mark.parametrize(("method", "template"), [route for route in CLOSED if "{webhook_id}" in route[1] or "{alert_id}" in route[1]])
def test_another_workspaces_webhook_or_alert_is_not_in_ones_own_workspace(ask, installation, team, others, method, template):
    path = path_of(template, team).replace(team.webhook.id, others.webhook.id).replace(team.alert.id, others.alert.id)

    assert ask(method, path, team.editor, **options(method, template, team)).status_code == 404
    assert installation.app.webhooks.get(others.webhook.id) == others.webhook
    assert installation.app.alerts.get(others.alert.id) == others.alert


def test_a_list_holds_only_what_the_key_sees(ask, team, others, operator):
    mine, theirs, all_of_them = (ask("GET", "/connections/", key).json()["connections"] for key in (team.viewer, others.viewer, operator))

    assert [each["id"] for each in mine] == [team.connection.id]
    assert [each["id"] for each in theirs] == [others.connection.id]
    assert {each["id"] for each in all_of_them} == {team.connection.id, others.connection.id}


def test_an_operator_sees_every_workspace(ask, team, others, operator):
    for each in (team, others):
        for method, template in (route for route in CLOSED if route[0] == "GET"):
            answer = ask(method, path_of(template, each), operator, **options(method, template, each))
            assert answer.status_code in allowed(method, template), template


@pytest.mark.parametrize(("method", "template"), first_quick([route for route in CLOSED if route[0] != "GET"], 6))
def test_an_operator_changes_every_workspace(ask, team, others, operator, method, template):
    for each in (team, others):
        assert ask(method, path_of(template, each), operator, **options(method, template, each)).status_code in allowed(method, template)


def test_a_key_is_stored_as_a_digest(installation, team):
    with installation.engine.connect() as session:
        stored = str(session.exec_driver_sql("SELECT * FROM api_key").all())

    prefix, secret = team.editor[:12], team.editor[13:]
    assert prefix in stored
    assert secret not in stored
