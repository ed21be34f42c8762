"""The pages of an agency with 405 accounts, served by this process, without Prefect and worker."""

from datetime import timedelta

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from many_accounts import add_accounts
from playwright.sync_api import expect
from serving import serving

from adpulse_sandbox import Sandbox
from storage.control.tables import ConnectionRow

MANY = 405
CUT_OFF = """() => {
  const progress = [...document.querySelectorAll("td[data-label=State] .clip")].filter(line => line.textContent.includes("First sync"));
  if (!progress.length) return ["no line has a first sync"];
  const cut = progress.filter(line => line.scrollWidth > line.clientWidth).map(line => line.textContent.trim());
  for (const select of document.querySelectorAll("td[data-label=Frequency] select")) {
    const width = select.offsetWidth;
    select.style.maxWidth = "none";
    if (select.offsetWidth > width) cut.push(select.selectedOptions[0].textContent);
  }
  return cut;
}"""
"""The frequencies and the progress of first syncs that do not fit into their column."""

LOOKS = [("light", 1280), ("dark", 1280), ("light", 390)]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start() as started:
        yield started


@pytest.fixture(scope="module")
def address():
    with serving() as answering:
        yield answering


@pytest.fixture
def agency(installation):
    """405 accounts as an agency has them: most are fresh, some are in their first sync, one failed, one needs a person."""
    connection = installation.synced("Harbor Outdoor")
    now, table = installation.app.clock.now(), ConnectionRow.__table__
    installation.app.labels.change(connection.id, lambda _: ["retail", "us"])
    add_accounts(installation, connection, MANY - 1)
    with installation.engine.begin() as session:
        session.execute(table.update().values(sync_frequency="5min", last_sync_completed_at=now - timedelta(minutes=2)))
        unread = table.c.id.in_([f"many-{number}" for number in range(380, MANY)])
        session.execute(table.update().where(unread).values(last_sync_completed_at=None, last_metrics_changed_at=None))
        reauth = {"status": "needs_reauth", "status_reason": "Meta no longer accepts the token. Connect it again with a fresh one."}
        session.execute(table.update().where(table.c.id == "many-7").values(**reauth))
        failed = {"sync_status": "error", "last_sync_error": "Meta does not answer. It is tried again."}
        session.execute(table.update().where(table.c.id == "many-9").values(**failed))
    spend_as_the_first(installation.published(), connection.today(now) - timedelta(days=1))
    return connection


def spend_as_the_first(published, since):
    """Let the accounts that were synced have spent multiples of what one ad of the first has, in the published copy."""
    published.chmod(0o600)
    with duckdb.connect(published) as copy:
        copy.execute("CREATE TEMP TABLE accounts AS SELECT number, 'many-' || number AS id FROM range(1, 380) AS numbers (number)")
        copy.execute(
            """
            INSERT INTO raw.metric_facts
            SELECT f.* REPLACE (a.id AS connection_id, f.spend * (1 + a.number * 37 % 90) AS spend)
            FROM (FROM raw.metric_facts WHERE date >= ? QUALIFY row_number() OVER (PARTITION BY date ORDER BY spend DESC) = 1) f, accounts a
            """,
            [since],
        )
        read = "SELECT r.* REPLACE (a.id AS connection_id) FROM raw.read_days r, accounts a WHERE r.level = 'leaf' AND r.date >= ?"
        copy.execute(f"INSERT INTO raw.read_days {read}", [since])


@pytest.fixture
def page(visitor, installation, address, agency):  # noqa: ARG001 - a new installation becomes the agency's
    """A window in which an operator is logged in."""
    opened = visitor()
    opened.goto(f"{address}/app/login/{installation.app.sessions.link().get_secret_value()}")
    return opened


def test_the_pages_of_an_agency_are_accessible_and_fit_the_screen(page, address, shot):
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 860})
        for path in ("connections", "health", "labels"):
            page.goto(f"{address}/app/{path}")
            violations = Axe().run(page).response["violations"]

            assert [violation["id"] for violation in violations] == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            shot(page, f"{path}-{MANY}-{scheme}-{width}")
    page.set_viewport_size({"width": 1280, "height": 860})
    page.goto(f"{address}/app/connections?sort=-name")  # the first one was synced, so its line has all that there is
    heights = page.eval_on_selector_all("tbody tr", "rows => rows.map(row => row.getBoundingClientRect().height)")
    assert len(heights) == 100
    assert max(heights) <= 45
    assert page.evaluate("document.querySelector('.wide').scrollWidth <= document.querySelector('.wide').clientWidth")
    assert page.evaluate(CUT_OFF) == []
    shot(page, "connections-line")


def test_ticked_accounts_stay_ticked_over_refreshes_and_are_paused_by_the_keyboard(page, installation, address):
    page.goto(f"{address}/app/connections?sort=synced")
    whole = page.get_by_role("checkbox", name="All on this page")
    whole.check()
    expect(page.locator("[data-ticked]")).to_have_text("100 ticked")
    whole.uncheck()
    (first, second) = (page.get_by_role("checkbox", name=name, exact=True) for name in ("Account 380", "Account 381"))
    for box in (first, second):
        box.focus()
        page.keyboard.press("Space")
    expect(page.locator("[data-ticked]")).to_have_text("2 ticked")

    table = ConnectionRow.__table__
    with installation.engine.begin() as session:  # it leaves the page, and its tick stays
        synced = {"last_sync_completed_at": installation.app.clock.now()}
        session.execute(table.update().where(table.c.id == "many-380").values(**synced))
        session.execute(table.update().where(table.c.id == "many-390").values(name="Renamed"))
    with page.expect_response("**/app/connections**"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("link", name="Renamed")).to_be_visible()
    expect(first).to_be_checked()
    page.get_by_label("What to do").select_option(label="Pause")
    page.get_by_role("button", name="Continue").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause 2 connections")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="2 connections paused")).to_be_visible()
    paused = [view.connection.name for view in installation.app.connections.all() if view.connection.status == "paused"]
    assert paused == ["Account 380", "Account 381"]
