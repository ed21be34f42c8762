"""Budgets by page, API and CSV; what of them is spent is what the view daily has."""

import re
from datetime import timedelta
from decimal import Decimal

import duckdb
import pytest

from adpulse.budgets import Period
from adpulse.errors import Usage
from adpulse.services import budgeting


@pytest.fixture
def put(ask, team):
    def send(expected=200, **body):
        answer = ask("PUT", f"/workspaces/{team.workspace.id}/budgets", team.editor, json=body)
        assert answer.status_code == expected, answer.text
        return answer.json()

    return send


@pytest.fixture
def spend(installation, numbers):
    """What was spent of the account, or of a campaign of it, since a day."""
    query = "SELECT coalesce(sum(spend), 0) FROM daily WHERE connection_id = ? AND date >= ? AND (? IS NULL OR campaign_id = ?)"

    def since(day, campaign=None):
        ((units,),) = installation.rows(query, [numbers.id, day, campaign, campaign])
        return units

    return since


def test_what_is_spent_of_each_kind_of_budget_is_what_the_view_daily_has(put, ask, installation, team, numbers, spend):
    today = numbers.today(installation.app.clock.now())
    installation.app.labels.change(numbers.id, lambda _: ["retail"])
    ((campaign,),) = installation.rows(
        "SELECT campaign_id FROM daily WHERE date = ? AND campaign_id IS NOT NULL GROUP BY 1 ORDER BY sum(spend) DESC LIMIT 1", [today]
    )
    put(connection=numbers.name, period="daily", amount="1000")
    put(label="retail", period="monthly", amount="100000.5")
    put(connection=numbers.id, campaign=campaign, period="monthly", amount="5000")

    listed = ask("GET", f"/workspaces/{team.workspace.id}/budgets", team.viewer).json()

    assert {one["scope"]: (Decimal(one["spent"]), one["complete"]) for one in listed} == {
        "connection": (spend(today), True),
        "label": (spend(today.replace(day=1)), True),
        "campaign": (spend(today.replace(day=1), campaign), True),
    }
    assert all(0 < one["elapsed"] < 1 and Decimal(one["spent"]) > 0 for one in listed)


def test_the_pages_show_the_pace_and_an_editor_sets_and_removes_it(browser, visit, installation, team, numbers, spend):
    session, workspace = browser(team.editor), team.workspace.id
    form = {"target": f"connection:{numbers.id}", "period": "daily", "amount": "0.01"}
    visit(session, "POST", f"/workspaces/{workspace}/budgets", data=form)
    today = spend(numbers.today(installation.app.clock.now()))

    for path in ("/budgets", "/today", f"/accounts/{numbers.id}"):
        page = visit(session, "GET", path).text
        assert re.search(rf'data-number="spent" data-micros="{today.scaleb(6):.0f}"', page), path
        assert "overspent" in page, path
    (budget,) = installation.app.budgets.all(workspace)
    visit(session, "POST", f"/workspaces/{workspace}/budgets/{budget.id}/remove")
    assert "No budget is set." in visit(session, "GET", "/budgets").text


@pytest.mark.parametrize("place", ["/today", "/budgets", "/accounts/{}"])
def test_a_changed_budget_is_shown_at_once(browser, visit, put, team, numbers, place):
    session = browser(team.viewer)

    def amounts():
        return re.findall(r'data-number="amount" data-micros="(\d+)"', visit(session, "GET", place.format(numbers.id)).text)

    put(connection=numbers.id, period="daily", amount="5")
    first = amounts()
    put(connection=numbers.id, period="daily", amount="7")

    assert (first, amounts()) == (["5000000"], ["7000000"])


def test_an_accounts_page_reads_its_own_budgets_and_no_course_of_the_workspace(browser, visit, put, installation, team, numbers):
    put(connection=numbers.id, period="daily", amount="5")
    published = installation.published()
    published.chmod(0o600)
    with duckdb.connect(published) as copy:
        copy.execute("DROP TABLE raw.intraday_points")

    page = visit(browser(team.viewer), "GET", f"/accounts/{numbers.id}")

    assert page.status_code == 200
    assert 'data-number="amount" data-micros="5000000"' in page.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"label": "retail", "connection": "Corner"}, "of a connection, of a campaign of a connection, or of a label"),
        ({"label": "nobody"}, "No connection has the label"),
        ({"connection": "CONNECTION", "currency": "XAU"}, "There is no account in XAU"),
        ({"connection": "CONNECTION", "amount": "-1"}, "is not a budget"),
    ],
)
def test_what_is_no_budget_is_refused_with_the_reason(put, team, body, said):
    body = {key: team.connection.id if value == "CONNECTION" else value for key, value in body.items()}

    assert said in put(400, **{"period": "daily", "amount": "5"} | body)["detail"]


def test_a_csv_file_sets_all_budgets_or_none_and_is_what_is_exported(browser, visit, installation, team):
    app, workspace = installation.app, team.workspace.id
    app.labels.change(team.connection.id, lambda _: ["=eu"])
    text = f"connection,label,campaign,currency,period,amount\n{team.connection.id},,,,daily,10\n,'=eu,,,monthly,300.25\n"

    with pytest.raises(Usage, match=r"Line 4: There is no connection 'Nobody'\. Nothing was set\."):
        budgeting.import_budgets(app, workspace, f"{text}Nobody,,,,daily,10\n")
    assert app.budgets.all(workspace) == []
    budgeting.import_budgets(app, workspace, text)
    exported = visit(browser(team.viewer), "GET", f"/workspaces/{workspace}/budgets.csv").text
    before = [(one.scope, one.period, one.amount) for one in app.budgets.all(workspace)]
    budgeting.import_budgets(app, workspace, exported)

    assert before == [("label", Period.MONTHLY, 300_250_000), ("connection", Period.DAILY, 10_000_000)]
    assert [(one.scope, one.period, one.amount) for one in app.budgets.all(workspace)] == before


def test_a_budget_goes_with_its_connection(installation, team):
    budgeting.set_budget(
        installation.app, team.workspace.id, budgeting.WrittenBudget(connection=team.connection.id, period="daily", amount="5")
    )
    installation.app.connections.delete(team.connection.id)

    assert installation.app.budgets.all() == []


def test_before_today_was_read_the_pace_says_so(ask, put, installation, team, numbers):
    put(connection=numbers.id, period="daily", amount="5")
    installation.advance_to(installation.app.clock.now() + timedelta(days=1))

    (pace,) = ask("GET", f"/workspaces/{team.workspace.id}/budgets", team.viewer).json()

    assert (pace["fresh_until"], Decimal(pace["spent"]), pace["complete"]) == (None, 0, False)
