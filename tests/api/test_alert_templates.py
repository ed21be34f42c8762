"""An alert is chosen from a template, tried on what is stored, and added, by page, API and command line."""

import html
import re


def test_an_alert_is_chosen_tried_and_added_on_the_pages(browser, visit, installation, team, numbers):
    session, workspace = browser(team.editor), team.workspace.id
    assert "A day&#39;s spend is above a budget" in visit(session, "GET", "/alert-templates").text
    form = {"template": "daily-overspend", "bound": "0.5", "target": f"connection:{numbers.id}"}

    page = visit(session, "POST", f"/workspaces/{workspace}/alert-templates/preview", data=form).text
    sent = {name: html.unescape(value) for name, value in re.findall(r'name="(name|query)"[^>]*? value="([^"]*)"', page)}
    visit(session, "POST", f"/workspaces/{workspace}/alerts", data=sent)

    assert sent["name"] == f"{numbers.name} spends more than 0.5 in a day"
    assert "It would have told you on 30 of the last 30 days." in page
    (alert,) = [one for one in installation.app.alerts.all(workspace) if one.name == sent["name"]]
    ((account, *_),) = installation.app.run_query(alert).rows
    assert account == numbers.name


def test_the_api_says_on_which_days_it_would_have_begun(ask, installation, team, numbers):
    path = f"/workspaces/{team.workspace.id}/alert-templates"
    ((spend,),) = installation.rows("SELECT max(spend) FROM account_day")

    templates = [one["template"] for one in ask("GET", path, team.viewer).json()]
    above = ask(
        "POST", f"{path}/preview", team.editor, json={"template": "daily-overspend", "bound": str(spend), "connection": numbers.id}
    ).json()
    roas = ask("POST", f"{path}/preview", team.editor, json={"template": "roas-below", "bound": "1000"}).json()

    assert "daily-overspend" in templates
    assert (above["days"], above["name"]) == ([], f"{numbers.name} spends more than {spend:f} in a day")
    settled = {str(day) for (day,) in installation.rows("SELECT date FROM read_days WHERE settled")}
    assert {one["day"] for one in roas["days"]} <= settled
    assert len(roas["days"]) == 30
    assert ask("POST", f"{path}/preview", team.editor, json={"template": "made-up"}).status_code == 400
    assert ask("POST", f"{path}/preview", team.editor, json={"template": "silent", "label": "nobody"}).status_code == 404


def test_a_name_that_two_connections_have_chooses_neither(ask, installation, team):
    other = installation.connect("Sakura Tea")
    installation.app.connections.rename(other.id, team.connection.name)

    answer = ask(
        "POST",
        f"/workspaces/{team.workspace.id}/alert-templates/preview",
        team.editor,
        json={"template": "silent", "bound": "3", "connection": other.name},
    )
    named_twice = ask(
        "POST",
        f"/workspaces/{team.workspace.id}/alert-templates/preview",
        team.editor,
        json={"template": "silent", "bound": "3", "connection": team.connection.name},
    )

    assert answer.status_code == 404
    assert (named_twice.status_code, other.id in named_twice.text) == (400, True)
