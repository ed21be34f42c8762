"""Lists on a terminal of 80 columns: no line is longer, and ids, reasons and addresses are whole."""

import re

import pytest
from pydantic import SecretStr

from adpulse.cli.tables import Item, print_list
from adpulse.errors import BadRequest
from adpulse.role import Role
from storage.control.runs import Leg

REASON = "Meta refused a request for account 1270000000007919: (#100) Invalid parameter, and what to do about it is a long sentence."


@pytest.fixture
def lists(adpulse, installation, monkeypatch):
    """What each list prints at 80 columns, when it has something to say, and the ids that it must show."""
    monkeypatch.setenv("COLUMNS", "80")
    app, connection = installation.app, installation.connect("Corner Store 1")
    app.connections.rename(connection.id, "The corner store of the street with the longest name in town")
    run = app.runs.request(connection.id).run_id
    (lease,) = installation.claim()
    app.runs.dead(lease, Leg(), BadRequest(REASON, "100"), next_due_at=app.clock.now())
    webhook, _ = app.webhooks.create(installation.workspace.id, "board", SecretStr("https://1.1.1.1/" + "hooks/" * 30))
    message = app.webhooks.test(webhook.id)
    alert = app.alerts.create(installation.workspace.id, "spends", "SELECT 1 AS one")
    key, _ = app.keys.create("ops", Role.VIEWER, installation.workspace.id)
    return {
        ("status",): (adpulse("status"), [connection.id, REASON]),
        ("dead-letters", "list"): (adpulse("dead-letters", "list"), [run, REASON]),
        ("webhooks", "list"): (adpulse("webhooks", "list"), [webhook.id, "hooks/" * 30]),
        ("webhooks", "deliveries"): (adpulse("webhooks", "deliveries", webhook.id), [message]),
        ("alerts", "list"): (adpulse("alerts", "list"), [alert.id]),
        ("keys", "list"): (adpulse("keys", "list"), [key.prefix]),
        ("workspace", "list"): (adpulse("workspace", "list"), [installation.workspace.id]),
    }


def test_lists_fit_80_columns_and_show_ids_and_reasons_whole(lists):
    for command, ((code, out, _), shown) in lists.items():
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80, command
        assert [text for text in shown if squeezed(text) not in squeezed(out)] == [], (command, out)


def squeezed(text):
    """Without the white space at which lines are broken."""
    return re.sub(r"\s", "", text)


def test_a_list_of_nothing_prints_nothing(capsys):
    print_list(("Name", "State"), [])

    assert capsys.readouterr().out == ""


def test_an_id_is_on_one_line_and_a_long_cell_is_wrapped(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_list(("Name", "State"), [Item(cells=("[red]\x1b" + "word " * 30, "quiet"), id="0f" * 18, note="why")])
    lines = capsys.readouterr().out.splitlines()

    assert lines[-1].strip() == f"{'0f' * 18}  why"
    assert lines[1].startswith("[red]\ufffdword word")
    assert lines[1].endswith("quiet")
