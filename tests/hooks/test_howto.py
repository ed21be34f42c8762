"""docs/howto/webhooks.md: its receiver runs and verifies, its payloads are what is sent, its queries answer."""

import json
import os
import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from adpulse import events
from adpulse.events import SUBSCRIBABLE, EventType
from adpulse.mail_message import entry
from adpulse.model import ConnectionStatus, Level
from adpulse.platforms.meta.platform import META
from adpulse.platforms.meta.settings import MetaSettings
from adpulse.platforms.versions import pinned_version
from adpulse.remainder import Remainder
from deployments import automations
from storage.control.outbox import DeliveryState
from storage.warehouse.alert_query import Answer, run_query

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "webhooks.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


EXAMPLES = {each["type"]: each for each in map(json.loads, blocks("json"))}


def test_the_receiver_of_the_page_takes_a_message_once_and_refuses_a_forged_one(hooks, installation, tmp_path):
    program = tmp_path / "receiver.py"
    program.write_text(blocks("python")[0])
    hook, secret = hooks.add("http://127.0.0.1:9/")
    wrong, _ = hooks.add("http://127.0.0.1:9/", "forged")
    environment = {**os.environ, "WEBHOOK_SECRET": secret.get_secret_value(), "PORT": "0"}
    with subprocess.Popen([sys.executable, program], env=environment, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            url = f"http://127.0.0.1:{receiver.stdout.readline().split()[-1]}/"
            for each in (hook, wrong):
                installation.app.webhooks.change(each.id, url=SecretStr(url))
            installation.app.webhooks.test(hook.id)
            installation.app.webhooks.test(wrong.id)
            with hooks.delivering():
                hooks.until(lambda: hooks.only(hook).state is DeliveryState.DELIVERED and hooks.only(wrong).attempts)
            told = receiver.stdout.readline()
        finally:
            receiver.terminate()

    assert told.startswith("webhook.test {")
    assert hooks.only(wrong).last_status == 401


def test_every_event_has_an_example_on_the_page():
    assert list(EXAMPLES) == list(EventType)
    assert re.findall(r"^### (.*)", PAGE, re.MULTILINE) == list(EventType)
    assert {each for each in ConnectionStatus if f"`{each}`" in PAGE} >= set(events.ATTENTION)


def test_the_examples_have_the_fields_that_are_sent(hooks, installation, sandbox):
    hook, _ = hooks.add("http://127.0.0.1:9/")
    app, connection = installation.app, installation.connect("Corner Store 1", "5min")
    installation.sync(connection)
    sandbox.clock.advance(24 * 3600)
    app.staleness.renew()
    installation.sync(connection)
    app.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "Reconnect.")
    app.webhooks.test(hook.id)
    app.version_notices.publish([pinned_version(META, MetaSettings(version="v25.0"), date(2026, 12, 1))])
    days = [
        Remainder(
            day=date(2026, 3, 1),
            level=Level.ACCOUNT,
            ours=Decimal(90),
            platform=Decimal(100),
            amount=Decimal(10),
            deleted=0,
            leafless=Decimal(0),
            ended=True,
        )
    ]
    app.remainder_notices.publish(connection, [])
    app.remainder_notices.publish(connection, days)
    alert = app.alerts.create(installation.workspace.id, "one", "SELECT 1")
    for rows in ([[1]], []):
        app.alerts.answered(alert, Answer(columns=["one"], rows=rows, truncated=False))

    sent = {message["type"]: message for message in (json.loads(each.payload) for each in app.outbox.history(hook.id))}

    assert set(sent) == {*SUBSCRIBABLE, EventType.TEST} - {EventType.SYNC_FAILED}  # tests/unit/test_outbox.py has that one
    for kind, message in sent.items():
        assert list(message) == list(EXAMPLES[kind])
        assert list(message["data"]) == list(EXAMPLES[kind]["data"])


def test_channels_and_people_have_a_sentence_for_every_example():
    for message in map(json.dumps, EXAMPLES.values()):
        (card,) = json.loads(events.teams_body(message))["attachments"]
        assert json.loads(events.slack_body(message))["text"]
        assert card["content"]["body"][0]["inlines"][0]["text"]
        assert entry(message).sentence == card["content"]["body"][0]["inlines"][0]["text"]
        assert "{" not in entry(message).subject


@pytest.mark.parametrize("query", blocks("sql"))
def test_the_queries_of_the_page_answer(installation, query):
    installation.synced("Corner Store 1")

    assert run_query(installation.published(), query).columns


def test_the_page_names_the_automations():
    for each in automations.AUTOMATIONS:
        assert f"`{each.name}`" in PAGE
    assert automations.SILENT_FOR.total_seconds() == 9 * 60
