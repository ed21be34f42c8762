"""Many connections changed from their list: chosen, counted, confirmed, and one sentence of what became of them."""

import re
from html import unescape

import pytest
from many_accounts import add_accounts

from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, RunState


@pytest.fixture
def some(installation, team):
    """The team's connection and 19 accounts more, of which two are paused and one waits for a person."""
    add_accounts(installation, team.connection, 19)
    app = installation.app
    for connection_id in ("many-2", "many-3"):
        app.connections.set_status(connection_id, ConnectionStatus.PAUSED, "Paused.")
    app.connections.set_status("many-4", ConnectionStatus.NEEDS_REAUTH, "Connect it again.")
    return app


@pytest.fixture
def send(browser, visit, team):
    """Sends the form of the list as the team's editor."""
    session = browser(team.editor)
    return lambda **form: visit(session, "POST", f"/workspaces/{team.workspace.id}/bulk", data=form)


@pytest.fixture
def confirm(send):
    """Sends the form that a confirmation shows, as its button does."""

    def press(answer):
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text)
        return send(**{name: unescape(value) for name, value in fields})

    return press


def heading(answer):
    return unescape(re.sub(r"<[^>]+>", "", re.search(r"<h1>.*?</h1>", answer.text)[0]))


def test_nothing_happens_before_the_confirmation_that_counts(send, confirm, some):
    asked = send(which="matching", q="account", action="pause")

    assert heading(asked) == "Pause 19 connections?"
    assert some.connections.get("many-1").connection.status is ConnectionStatus.ACTIVE
    done = confirm(asked)
    assert heading(done) == "16 connections paused, 2 unchanged, 1 refused"
    assert "It is not synced at present (needs_reauth). Connect it again." in done.text
    assert some.connections.get("many-1").connection.status is ConnectionStatus.PAUSED
    assert some.connections.get("Harbor Outdoor").connection.status is ConnectionStatus.ACTIVE
    assert 'href="/app/connections?q=account"' in done.text, "the way back leads to the same list"


def test_what_is_confirmed_is_what_was_counted(send, confirm, some, installation, team):
    asked = send(which="matching", action="pause")
    add_accounts(installation, team.connection, 1, id="later", external_id="99")

    confirm(asked)

    assert some.connections.get("later").connection.status is ConnectionStatus.ACTIVE


@pytest.mark.parametrize(
    ("form", "question", "result"),
    [
        ({"action": "hourly"}, "Set 2 connections to “Hourly”?", "2 connections set to “Hourly”"),
        ({"action": "sync_now"}, "Sync 2 connections now?", "2 connections queued for a sync"),
        ({"action": "resume"}, "Resume 2 connections?", "0 connections resumed, 2 unchanged"),
        ({"action": "add_label", "new_label": "dach"}, "Add the label “dach” to 2 connections?", "Label “dach” added to 2 connections"),
    ],
    ids=lambda value: value["action"] if isinstance(value, dict) else "",
)
def test_the_ticked_ones_are_changed_and_no_others(send, confirm, some, form, question, result):
    ticked = ["many-10", "many-11"]

    asked = send(which="ticked", connection=ticked, **form)
    done = confirm(asked)

    assert (heading(asked), heading(done)) == (question, result)
    views = {view.connection.id: view for view in some.connections.all()}
    changed = {
        "hourly": lambda view: view.connection.frequency is Frequency.HOURLY,
        "sync_now": lambda view: any(run.state is RunState.QUEUED for run in some.runs.history(view.connection.id, 1)),
        "resume": lambda _: False,
        "add_label": lambda view: view.labels == ("dach",),
    }[form["action"]]
    expected = [] if form["action"] == "resume" else ticked
    assert [name for name in sorted(views) if name.startswith("many") and changed(views[name])] == expected


def test_a_label_is_removed_from_all_that_match(send, confirm, some):
    for connection_id in ("many-1", "many-2"):
        some.labels.change(connection_id, lambda _: ["eu", "dach"])

    done = confirm(send(which="matching", label="eu", action="remove_label", new_label="eu"))

    assert heading(done) == "Label “eu” removed from 2 connections"
    assert [view.connection.id for view in some.connections.all(label="dach")] == ["many-1", "many-2"]
    assert some.connections.all(label="eu") == []


def test_a_change_that_is_none_changes_nothing(send, some):
    before = some.connections.all()

    for form, status, says in (
        ({"which": "ticked", "action": "pause"}, 400, "Tick the connections"),
        ({"which": "matching", "action": "delete"}, 400, "not a sync frequency"),
        ({"which": "matching", "action": "realtime"}, 400, "not granted"),
        ({"which": "matching", "action": "add_label"}, 400, "is not a label"),
        ({"which": "matching", "action": "pause", "label": "none"}, 404, "matches"),
        ({"which": "ticked", "action": "pause", "connection": "made-up"}, 404, "matches"),
        ({"which": "nobody", "action": "pause"}, 422, ""),
        ({"ids": "many-1,made-up", "action": "pause"}, 404, "Nothing was changed"),
        ({"ids": "many-1\0", "action": "pause"}, 422, ""),
    ):
        answer = send(**form)
        assert (answer.status_code, says in answer.text) == (status, True), form

    assert some.connections.all() == before


def test_another_workspaces_connections_are_neither_counted_nor_changed(send, some, team, others):
    ticked = send(which="ticked", connection=[team.connection.id, others.connection.id], action="pause")

    assert heading(ticked) == "Pause 1 connection?"
    assert others.connection.id not in ticked.text
    assert send(ids=others.connection.id, action="pause").status_code == 404
    assert some.connections.get(others.connection.id).connection.status is ConnectionStatus.ACTIVE


def test_all_on_a_page_are_those_of_the_shown_page(send, installation, team):
    add_accounts(installation, team.connection, 110)

    assert heading(send(which="page", page="2", action="pause")) == "Pause 11 connections?"
