"""The queries of docs/howto/questions.md, on two syncs a day apart of an account of each platform: right by the sandbox's truth."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.compute as pc
import pytest
from installation import Installation

from adpulse.services.exchange_rates import import_rates
from adpulse_sandbox import Sandbox
from storage.warehouse.analytics import read

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "questions.md"
QUESTIONS = dict(re.findall(r"^## (.+?)\n.*?```sql\n(.+?)```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
LABELS = {"Sakura Tea": "Client A", "Pacific Trail Outfitters": "Client B"}
"""The label of each account."""
DOLLARS, YEN = Decimal("1.25"), Decimal(160)


class Asked:
    """Answers to the questions, and the truth about the same account."""

    def __init__(self, installation):
        self.installation = installation
        self.connections = {name: installation.connect(name) for name in LABELS}
        for name, connection in self.connections.items():
            installation.app.labels.change(connection.id, lambda _, name=name: {LABELS[name]})
            installation.sync(connection)
        self.first = installation.sandbox.clock.now()
        self.import_rates(self.first.date())
        installation.sandbox.clock.advance(86_400)
        for connection in self.connections.values():
            installation.sync(connection)

    def import_rates(self, until):
        """A hundred days on each of which a euro costs as many dollars and yen."""
        lines = [f"{until - timedelta(days=days)},{DOLLARS},{YEN}" for days in range(100)]
        content = "\n".join(["Date,USD,JPY", *lines]).encode()
        app = self.installation.app
        assert [imported.changed for imported in import_rates(app.warehouse, content, app.workspaces.all())] == [200]

    def rows(self, question):
        return read(self.installation.published(), QUESTIONS[question]).to_pylist()

    def spent(self, name, first, last, as_of=None):
        """What the platform says that the account spent, in micros."""
        connection, now = self.connections[name], self.installation.sandbox.clock.now()
        today = connection.today(now)
        since, until = (today - timedelta(days=days) for days in (first, last))
        account = self.installation.remote.truth_account(
            connection.external_id, since=since, until=until, as_of=as_of or now, margin=connection.gross_margin, complete=True
        )
        return Decimal(pc.sum(account["spend"]).as_py() or 0) / 1_000_000


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    with Sandbox.start() as sandbox:
        installation = Installation(tmp_path_factory.mktemp("home"), sandbox)
        yield Asked(installation)
        installation.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_is_answered_by_its_query(asked, question):
    rows = asked.rows(question)

    # Ninety days are not over, and the first sync was of days whose numbers were not new any more.
    assert bool(rows) is (question != "How late conversions come")


def test_there_are_eleven_questions():
    assert len(QUESTIONS) == 11


def test_the_spend_of_yesterday_and_of_a_week_before_is_the_platforms(asked):
    rows = asked.rows("Spend of yesterday against the same weekday a week before")

    for name in asked.connections:
        own = [row for row in rows if row["connection"] == name]
        assert sum(row["yesterday"] for row in own) == asked.spent(name, 1, 1)
        assert sum(row["week_before"] for row in own) == asked.spent(name, 8, 8)


def test_the_pace_has_what_was_spent_today(asked):
    assert {row["connection"]: row["spend"] for row in asked.rows("The pace of today")} == {
        name: asked.spent(name, 0, 0) for name in asked.connections
    }


def test_the_spend_of_a_week_by_platform_is_the_platforms(asked):
    of_platform = {row["provider"]: row["spend"] for row in asked.rows("Return on ad spend by platform")}

    assert of_platform == {str(connection.provider): asked.spent(name, 7, 1) for name, connection in asked.connections.items()}


def test_the_spend_of_both_accounts_in_euros_is_that_of_each_by_its_rate(asked):
    rows = asked.rows("Everything in one reporting currency")
    rates = {"JPY": YEN, "USD": DOLLARS}

    for connection in asked.connections.values():
        stored = "SELECT sum(spend) AS spend FROM account_day WHERE connection_id = ?"
        own = read(asked.installation.published(), stored, [connection.id]).to_pylist()[0]["spend"]
        euros = sum(row["spend"] for row in rows if row["provider"] == connection.provider)
        assert euros == pytest.approx(own / rates[connection.currency], abs=Decimal("0.01"))
    assert {row["without_a_rate"] for row in rows} == {0}


def test_the_spend_of_a_label_is_that_of_its_account(asked):
    by_label = {row["label"]: row["spend"] for row in asked.rows("Spend by client")}
    stored = "SELECT connection, sum(spend) AS spend FROM daily GROUP BY ALL"
    whole = {row["connection"]: row["spend"] for row in read(asked.installation.published(), stored).to_pylist()}

    assert by_label == {label: whole[name] for name, label in LABELS.items()}


def test_what_was_known_a_day_ago_is_what_the_platform_said_then(asked):
    rows = asked.rows("What was known yesterday at this time")

    for name, connection in asked.connections.items():
        day = connection.today(asked.first) - timedelta(days=3)
        (spent,) = (row["spend"] for row in rows if row["connection"] == name and row["date"] == day)
        assert spent == asked.spent(name, 4, 4, as_of=asked.first)


def test_performance_max_alone_is_not_everything(asked):
    (name,) = {row["connection"] for row in asked.rows("Performance Max alone")}

    assert asked.connections[name].provider == "google"
    assert all(row["spend"] > 0 for row in asked.rows("Performance Max alone"))


def test_what_was_restated_is_of_older_days(asked):
    rows = asked.rows("What was restated in the last week")

    assert {row["connection"] for row in rows} == set(asked.connections)
    assert max(row["oldest"] for row in rows) > 1
