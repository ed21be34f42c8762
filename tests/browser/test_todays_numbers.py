"""Every number on Today and on the account's page is the sandbox's truth at that moment; beside test_pages.py, on the same installation."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe

from adpulse.services import budgeting
from adpulse.services.budgeting import WrittenBudget

ACCOUNT = "Sakura Tea"
METRICS = ("spend", "revenue", "conversions", "purchases")
MANY = {"number": "[data-number]", "micros": "elements => elements.map(each => [each.dataset.number, each.dataset.micros, each.innerText])"}


def numbers(page, where):
    """The numbers within an element: name, micros where there are some, and text."""
    elements = page.locator(where).locator(MANY["number"]).evaluate_all(MANY["micros"])
    return [(name, int(micros or 0), text) for name, micros, text in elements]


def truth(running, connection, day, as_of):
    """Sums of the account's day as the platform reports it at an instant, and spend by campaign."""
    key = {"since": day, "until": day, "as_of": as_of, "margin": connection.gross_margin}
    rows = running.remote.truth_totals(connection.external_id, complete=True, **key).to_pylist()
    return {name: sum(row[name] or 0 for row in rows) for name in METRICS}, Counter({row["external_id"]: row["spend"] for row in rows})


@pytest.fixture(scope="module")
def synced(running):
    """Two syncs a day apart at the same hour: the connection, and the instants."""
    existing = [view.connection for view in running.app.connections.all() if view.connection.name == ACCOUNT]
    connection = existing[0] if existing else running.connect(ACCOUNT)
    running.remote.advance(timedelta(hours=12).total_seconds())  # noon in Tokyo
    before = running.remote.now()
    running.ended(running.ask(connection))
    running.until(lambda: running.app.overview.glances([connection])[connection.id].days_read == 90)
    running.remote.advance(timedelta(days=1).total_seconds())
    now = running.remote.now()
    running.ended(running.ask(connection))
    for period, amount in (("daily", "900"), ("monthly", "20000")):
        budgeting.set_budget(running.app, connection.workspace_id, WrittenBudget(connection=connection.id, period=period, amount=amount))
    return connection, before, now


def test_every_number_is_the_truth_of_the_sandbox_at_that_moment(page, running, address, synced, shot):
    connection, before, now = synced
    today = connection.today(now)
    whole, by_campaign = truth(running, connection, today, now)
    by_hour, _ = truth(running, connection, today - timedelta(days=1), before)

    page.goto(f"{address}/app/today")
    shown = dict.fromkeys(["spend", "yesterday", "roas", "cpa", "purchases"])
    shown |= {name: (micros, text) for name, micros, text in numbers(page, f"#today-{connection.id}")}

    assert all(whole[name] > 0 for name in METRICS)
    assert shown["spend"] == (whole["spend"], f"{Decimal(whole['spend']).scaleb(-6):,.0f}"), "yen have no decimals"
    assert shown["yesterday"][0] == by_hour["spend"] > 0
    assert "by this hour" in shown["yesterday"][1]
    assert shown["purchases"][0] == whole["purchases"]
    assert shown["roas"][1] == f"{Decimal(whole['revenue']) / whole['spend']:,.2f}"
    assert shown["cpa"][1] == f"{Decimal(whole['spend']) / whole['conversions']:,.0f}"
    shot(page, "today")

    page.goto(f"{address}/app/accounts/{connection.id}?period=1")
    days = [(micros, name) for name, micros, _ in numbers(page, "#days-table")]
    parts = {row.get_attribute("id"): row for row in page.locator("#parts-table tbody tr").all()}
    spends = {name.removeprefix("part-"): numbers(page, f"#{name}")[0][1] for name in parts if name.startswith("part-")}

    assert days[0] == (whole["spend"], "spend")
    assert days[1] == (whole["purchases"], "purchases")
    assert +Counter(spends) == +by_campaign
    assert {name: micros for name, micros, _ in numbers(page, "#whole")} == {"whole": whole["spend"]}
    stored = running.rows("SELECT sum(spend) FROM daily WHERE connection_id = ? GROUP BY date ORDER BY date DESC LIMIT 90", [connection.id])
    assert [micros for micros, name in days if name == "spend"] == [spend.scaleb(6) for (spend,) in stored]
    shot(page, "account")


@pytest.mark.parametrize("look", [("light", 1280), ("dark", 390)], ids=str)
def test_tables_and_charts_are_accessible_and_fit_the_screen(page, address, synced, shot, look):
    scheme, width = look
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 740})
    account = f"accounts/{synced[0].id}"
    others = {"restatements": f"{account}/restatements", "budgets": "budgets", "alert-templates": "alert-templates"}
    for name, path in {"today": "today", "accounts": account, **others}.items():
        page.goto(f"{address}/app/{path}")
        for summary in page.locator("summary").all()[:1]:
            summary.focus()
            page.keyboard.press("Enter")

        assert [each["id"] for each in Axe().run(page).response["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        shot(page, f"{name}-numbers-{scheme}-{width}")
