"""The page Labels: a file is judged row by row, and only what was confirmed is changed."""

import re
from html import unescape

import pytest
from many_accounts import add_accounts


@pytest.fixture
def send(browser, visit, team):
    """Sends a form of the page as the team's editor."""
    session = browser(team.editor)
    return lambda **options: visit(session, "POST", f"/workspaces/{team.workspace.id}/labels", **options)


def test_a_file_is_judged_and_set_once_it_is_confirmed(send, browser, visit, installation, team):
    add_accounts(installation, team.connection, 2)
    labels = installation.app.labels
    labels.change("many-1", lambda _: ["eu"])
    exported = visit(browser(team.viewer), "GET", f"/workspaces/{team.workspace.id}/labels.csv").text
    edited = exported.replace("Account 2,", "Account 2,dach;<b>")

    judged = send(files={"file": ("labels.csv", edited.encode("utf-8-sig"))})

    assert "<h1>1 changed, 2 unchanged</h1>" in judged.text
    assert "adds &lt;b&gt;, dach" in judged.text
    assert labels.all() == ["eu"]
    text = unescape(re.search(r'name="text" value="([^"]*)"', judged.text)[1])
    after = send(data={"text": text, "confirmed": "yes"})
    assert after.url.endswith(f"/labels?workspace={team.workspace.id}")
    described = {each.connection_id: each.labels for each in installation.app.descriptions.of(team.workspace.id).connections}
    assert (described["many-1"], described["many-2"]) == (("eu",), ("<b>", "dach"))


def test_a_refused_row_prevents_all(send, installation, team, others):
    text = f"connection,labels\n{team.connection.id},eu\n{others.connection.id},eu\n"

    judged = send(files={"file": ("labels.csv", text)})

    assert "<h1>1 changed, 1 refused</h1>" in judged.text
    assert 'name="confirmed"' not in judged.text
    assert "There is no connection" in judged.text, "another workspace's"
    assert send(data={"text": text, "confirmed": "yes"}).status_code == 400
    assert [send(files={"file": ("labels.csv", content)}).status_code for content in (b"", b"\xff\xfe", b"name\nx")] == [400] * 3
    assert installation.app.labels.all() == []
