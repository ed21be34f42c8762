"""The view budget_day: what is spent of each budget on the days of its accounts."""

from datetime import timedelta
from itertools import count

import pytest

from adpulse.budgets import Budget, Period
from adpulse.workspace_description import ConnectionDescription, WorkspaceDescription
from storage.warehouse.analytics import read
from storage.warehouse.warehouse import Warehouse

DAY = timedelta(days=1)
UNIT = 1_000_000


def budget(number, period=Period.DAILY, **target):
    facts = {"workspace_id": "", "connection_id": None, "label": "", "campaign_id": "", "currency": "USD", "amount": 50 * UNIT}
    return Budget(id=f"b{number}", period=period, **facts | target)


@pytest.fixture
def spend(workspace, build):
    """Store what accounts spend on days, each with one ad, and as much beyond it in the ad's campaign."""
    generations = count(1)

    def store(*rows, timezone="UTC", currency="USD"):
        for connection_id, day, units in rows:
            key = {"connection_id": connection_id, "date": day}
            ad = build.ads({"spend": units * UNIT, **key}, since=day, until=day)
            total = build.totals({"spend": 2 * units * UNIT, **key}, since=day, until=day)
            connection = build.connection(connection_id, currency=currency, timezone=timezone)
            run = build.noted(ad, total, connection=connection, connection_id=connection_id, generation=next(generations))
            workspace.sync(run, connections=[connection])

    return store


@pytest.fixture
def ask(workspace):
    def columns_of(columns, *budgets, labelled=("c1", "c2")):
        connections = [
            ConnectionDescription(connection_id=one, name=f"Account {one}", frequency="hourly", labels=("eu",), status="active")
            for one in labelled
        ]
        described = WorkspaceDescription(connections=tuple(connections), budgets=budgets)
        warehouse = Warehouse(workspace.path, workspace.published, describe=lambda: described)
        warehouse.describe()
        warehouse.publish(min_interval_seconds=0)
        rows = read(workspace.published, f"SELECT {columns} FROM budget_day ORDER BY budget_id, date").to_pylist()
        return [tuple(row.values()) for row in rows]

    return columns_of


def test_a_budget_of_an_account_has_what_no_ad_reports_too_and_one_of_a_campaign_the_campaigns_alone(spend, ask, workspace, build):
    spend(("c1", build.today, 10))
    workspace.sync(build.run(build.totals({"spend": 20 * UNIT}), build.account({"spend": 25 * UNIT}), generation=9))
    ((campaign,),) = workspace.rows("SELECT DISTINCT campaign_id FROM daily WHERE campaign_id IS NOT NULL")
    budgets = budget(1, connection_id="c1"), budget(2, connection_id="c1", campaign_id=campaign)

    assert ask("name, campaign_id, spend, amount, share", *budgets) == [
        ("Account c1", None, 25, 50, 0.5),
        (f"{campaign}, Account c1", campaign, 20, 50, 0.4),
    ]


def test_a_month_adds_up_from_its_first_day_and_a_day_is_its_own(spend, ask, build):
    first = build.today.replace(day=1)
    spend(*(("c1", day, 10) for day in (first - DAY, first, first + DAY)))

    assert ask("date, spent", budget(1, Period.MONTHLY, connection_id="c1")) == [(first - DAY, 20), (first, 20), (first + DAY, 40)]
    assert ask("spent", budget(2, connection_id="c1")) == [(20,)] * 3


def test_a_label_has_all_of_its_accounts_of_the_budgets_currency(spend, ask, build):
    spend(("c1", build.today, 10), ("c2", build.today, 20), ("c4", build.today, 80))
    spend(("c3", build.today, 40), currency="EUR")
    columns = "name, label, connection_ids, spend"

    assert ask(columns, budget(1, label="eu"), labelled=("c1", "c2", "c3")) == [("eu", "eu", ["c1", "c2"], 60)]


@pytest.mark.parametrize(("behind", "running"), [(0, [False, False, True]), (1, [False, True, True]), (2, [False, True, True])])
def test_the_days_that_may_run_are_those_of_accounts_a_zone_apart(spend, ask, build, behind, running):
    spend(*(("c1", build.today - ago * DAY, 1) for ago in range(3)), ("c2", build.today - behind * DAY, 1))

    assert ask("running", budget(1, label="eu")) == [(one,) for one in running]


def test_a_budget_of_accounts_of_which_nothing_was_read_has_no_day(spend, ask, build):
    spend(("c1", build.today, 1))

    assert ask("date", budget(1, label="us"), budget(2, connection_id="c1", campaign_id="none")) == [(build.today,)]
