"""Each template of an alert on rows that are known: what its query finds now, and on which days its back-test says it would have begun."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adpulse.budgets import Budget, Period
from adpulse.errors import Usage
from adpulse.planner.completeness import DayLevel, ReadDay
from adpulse.services.alert_templates import TEMPLATES, filled
from adpulse.workspace_description import ConnectionDescription, WorkspaceDescription
from storage.warehouse.analytics import read
from storage.warehouse.warehouse import Warehouse

DAY = timedelta(days=1)
UNIT = 1_000_000
DAILY = Budget(
    id="b1", workspace_id="", connection_id="c1", label="", campaign_id="", currency="USD", period=Period.DAILY, amount=20 * UNIT
)
MONTHLY = replace(DAILY, id="b2", period=Period.MONTHLY, amount=60 * UNIT)


@pytest.fixture(scope="module")
def published(new_workspace, build):
    """An account with 20 spent on each of five days, 10 more restated on the first, and 600 today, the last of it at noon.

    A settled day has a ROAS of 0.5 and a CPA of 40; today has neither revenue nor conversions. Two ads are disapproved, one of them now.
    Its budget is 20 a day and 60 a month.
    """
    workspace, generations = new_workspace(), iter(range(1, 100))
    described = WorkspaceDescription(budgets=(DAILY, MONTHLY))
    workspace.warehouse = Warehouse(workspace.path, workspace.published, describe=lambda: described)

    def sync(day, now, units, *, settled=False, **more):
        answers = [make({"spend": units * UNIT, "date": day, **more}, since=day, until=day, at=now) for make in (build.ads, build.totals)]
        run = build.noted(*answers, generation=next(generations), now=now)
        levels = [ReadDay(level=level, day=day, fresh_until=now, settled=settled) for level in DayLevel]
        known.extend(levels)
        workspace.sync(replace(run, read_days=[*{(one.level, one.day): one for one in known}.values()]))

    known = []
    long_ago = build.today - 40 * DAY
    sync(long_ago, build.now - 39 * DAY, 20, settled=True, revenue=10 * UNIT, conversions=UNIT // 2)
    for ago in range(5, 0, -1):
        sync(build.today - ago * DAY, build.now - ago * DAY, 20, conversions=UNIT)
        sync(build.today - ago * DAY, build.now - (ago - 1) * DAY - timedelta(hours=6), 20, conversions=UNIT)
    sync(build.today - 5 * DAY, build.now - timedelta(hours=5), 30, conversions=UNIT)
    sync(build.today, build.now - timedelta(hours=3), 600)
    sync(build.today, build.now, 600)
    ads = [[{"status": status}, {"external_id": "a2", "status": "DISAPPROVED"}] for status in ("DISAPPROVED", "ACTIVE")]
    for number, rows in enumerate(ads):
        workspace.sync(build.run(build.walk(*rows), generation=next(generations), now=build.now + timedelta(minutes=1 + number)))
    workspace.warehouse.publish(min_interval_seconds=0)
    return workspace.published


@pytest.fixture
def told(published, build):
    """How many rows a template finds now, and how many days ago it would have begun."""

    def ask(template, bound, **options):
        alert = filled(template, bound, **options)
        days = [(build.today - row["day"]).days for row in read(published, alert.back_test).to_pylist()]
        return read(published, alert.query).num_rows, days

    return ask


@pytest.mark.parametrize(
    ("template", "bound", "now", "days"),
    [
        ("daily-overspend", "500", 1, [0]),
        ("daily-overspend", "25", 1, [0, 5]),
        ("daily-overspend", "600", 0, []),
        ("monthly-overspend", "60", 1, [3]),
        ("monthly-overspend", "1000", 0, []),
        ("budget-spent", "100", 2, [0, 3, 5]),
        ("budget-spent", "150", 2, [0, 1]),
        ("budget-spent", "2999", 1, [0]),
        ("budget-spent", "3000", 0, []),
        ("spend-stopped", "3", 1, [0, 1, 2, 3, 4, 5]),
        ("spend-stopped", "4", 0, [1, 2, 3, 4, 5]),
        ("spend-stopped", "30", 0, []),
        ("no-conversion", "24", 1, [0, 1, 2, 3, 4]),
        ("no-conversion", "25", 0, []),
        ("roas-below", "0.6", 1, [40]),
        ("roas-below", "0.5", 0, []),
        ("cpa-above", "39", 1, [40]),
        ("cpa-above", "40", 0, []),
        ("silent", "5", 1, [1, 2, 3, 4, 5]),
        ("silent", "25", 1, []),
        ("spend-restated", "49", 1, [0]),
        ("spend-restated", "50", 0, []),
        ("conversions-restated", "1", 0, []),
        ("ad-disapproved", "", 1, [0]),
    ],
    ids=str,
)
def test_what_a_template_finds_now_and_when_it_would_have_begun(told, template, bound, now, days):
    assert told(template, bound) == (now, days)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_condition_on_the_accounts_leaves_others_out(told, template):
    bound = "1" if TEMPLATES[template].unit else ""

    assert told(template, bound, condition="c.id = 'another'") == (0, [])


@pytest.mark.parametrize(
    ("condition", "told"),
    [("true", [("eu", 60)]), ("c.id = 'c1'", []), ("c.id IN ('c1', 'c2')", [("eu", 60)])],
)
def test_a_budget_is_of_what_is_chosen_where_all_of_its_accounts_are(new_workspace, build, condition, told):
    workspace, names = new_workspace(), ("c1", "c2", "c3")
    labels = {"c1": ("eu",), "c2": ("eu",), "c3": ()}
    said = [
        ConnectionDescription(connection_id=name, name=name, frequency="hourly", labels=labels[name], status="active") for name in names
    ]
    described = WorkspaceDescription(connections=tuple(said), budgets=(replace(DAILY, connection_id=None, label="eu"),))
    workspace.warehouse = Warehouse(workspace.path, workspace.published, describe=lambda: described)
    for number, name in enumerate(names):
        run = build.noted(build.ads({"connection_id": name, "spend": 30 * UNIT}), connection_id=name, generation=number + 1)
        workspace.sync(run, connections=[build.connection(name)])
    workspace.warehouse.describe()
    workspace.warehouse.publish(min_interval_seconds=0)

    alert = filled("budget-spent", "100", condition=condition)

    assert [(row["name"], row["spent"]) for row in read(workspace.published, alert.query).to_pylist()] == told
    assert read(workspace.published, alert.back_test).num_rows == len(told)


@pytest.mark.parametrize(
    ("template", "bound"), [("daily-overspend", "0"), ("daily-overspend", "NaN"), ("silent", "1.5"), ("silent", ""), ("made-up", "1")]
)
def test_a_bound_that_is_none_is_refused(template, bound):
    with pytest.raises(Usage):
        filled(template, bound)


@pytest.mark.parametrize("conversions", [UNIT, 0])
@pytest.mark.parametrize("more", [{"spend": 20 * UNIT}, {"spend": 30 * UNIT}, {"spend": 20 * UNIT, "impressions": 9}], ids=str)
def test_spend_whose_conversions_are_unknown_leaves_the_day_without_a_cpa_and_unjudged(new_workspace, build, conversions, more):
    """The ads spend 20; of what their campaign, or the account, has beyond them the conversions are unknown."""
    workspace, alert = new_workspace(), filled("cpa-above", "19")
    ad, whole = {"conversions": conversions, "spend": 20 * UNIT}, {"conversions": None} | more
    rest = [build.totals(whole), build.account(whole)] if conversions else [build.totals(ad), build.account(whole)]
    run = build.noted(build.ads(ad), *rest)
    days = [ReadDay(level=level, day=build.today, fresh_until=build.now, settled=True) for level in DayLevel]
    workspace.sync(replace(run, read_days=days))
    workspace.warehouse.publish(min_interval_seconds=0)

    known = whole["spend"] == ad["spend"]
    assert workspace.value("SELECT cpa FROM account_day") == (20 if known and conversions else None)
    assert [read(workspace.published, query).num_rows for query in (alert.query, alert.back_test)] == [known, known]


def test_conversions_that_are_unknown_are_no_lack_of_them(new_workspace, build):
    workspace, query = new_workspace(), filled("no-conversion", "4").query
    for generation, hours in ((1, 5), (2, 0)):
        row, now = {"conversions": UNIT, "spend": generation * UNIT}, build.now - timedelta(hours=hours)
        workspace.sync(build.noted(build.ads(row, at=now), build.totals(row, at=now), generation=generation, now=now))
    workspace.warehouse.publish(min_interval_seconds=0)
    lacking = read(workspace.published, query).num_rows

    workspace.command("UPDATE intraday_points SET conversions = NULL WHERE spend = 2000000")
    workspace.warehouse.publish(min_interval_seconds=0)

    assert (lacking, read(workspace.published, query).num_rows) == (1, 0)
