"""A refresh shows what is new and leaves a person's place alone; the pages are served by this process, without Prefect and worker.

Three times the account is synced and renamed, and the page shows it, while focus, marked text, an open list, open details
and what was typed are as they were.
"""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect
from pydantic import SecretStr
from serving import serving
from waiting import until

from adpulse.api import pages
from adpulse.events import EventType
from adpulse.model import ConnectionStatus
from adpulse.services.budgeting import WrittenBudget, set_budget
from adpulse_sandbox import Sandbox

PAGES = {
    "today.html": ("today", "[id^=today-] td[data-label='Fresh until']"),
    "account.html": ("accounts/{connection}", "#whole [data-number=whole]"),
    "connections.html": ("connections", "[id='row-{connection}'] time >> nth=0"),
    "connection.html": ("connections/{connection}", "#facts dl.times dd >> nth=0"),
    "health.html": ("health", "[id='health-{connection}'] td[data-label='Synced']"),
    "budgets.html": ("budgets?workspace={workspace}", "#budgets-table [data-number=spent]"),
    "webhook.html": ("workspaces/{workspace}/webhooks/{webhook}", "#deliveries td >> nth=0"),
}
"""Each template that refreshes: its address, and a text in it that changes when the account is synced."""

WITH_LIST = {"account.html", "connections.html", "connection.html", "health.html"}

TOKYO = ZoneInfo("Asia/Tokyo")
SERVERS_OWN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d|\d\.\d\d$")
"""A time, or an amount, as the server writes it."""


REFRESH = "document.dispatchEvent(new Event('visibilitychange'))"
MARK = """(element) => {
    const text = document.createTreeWalker(element, NodeFilter.SHOW_TEXT).nextNode();
    getSelection().setBaseAndExtent(text, 0, text, text.length);
}"""
FOCUS = """() => {
    const control = ["select", "summary", "button", "a"].map((name) => document.querySelector(`[data-refresh] ${name}`)).find(Boolean);
    control.focus();
    control.kept = true;  // a property of this very element: one that replaces it has none
}"""
PLACE = """() => ({
    focus: document.activeElement.kept === true,
    choice: document.activeElement.value,
    list: document.activeElement.matches("select:open"),
    marked: getSelection().toString(),
    details: document.querySelectorAll("main details[open]").length,
    typed: [...document.querySelectorAll("main input:is(:not([type]), [type=search], [type=url])")].map((input) => input.value),
})"""
IS_CURRENT = """async () => {
    const { localise } = await import("/app/static/adpulse.js");
    const region = document.querySelector("[data-refresh]").cloneNode(true);
    for (const opened of region.querySelectorAll("details")) opened.open = false;
    const text = await (await fetch(region.dataset.refresh, { headers: { Accept: "text/html" } })).text();
    const fresh = new DOMParser().parseFromString(text, "text/html");
    localise(fresh);
    return region.isEqualNode(fresh.querySelector("[data-refresh]"));
}"""

WATCH = """() => {
    window.written = [];
    const note = (records) => window.written.push(...records.map(({ target }) => target.textContent));
    const observer = new MutationObserver(note), options = { subtree: true, childList: true, characterData: true };
    for (const element of document.querySelectorAll("[data-refresh] :is(data, time[data-at])")) observer.observe(element, options);
}"""
"""Notes each text that a number or an instant gets from now on."""


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start() as started:
        yield started


@pytest.fixture(scope="module")
def address():
    with serving() as answering:
        yield answering


@pytest.fixture
def account(installation):
    """An account that was synced, above a second one that was not."""
    connection = installation.synced("Harbor Outdoor")
    installation.connect("Nordlicht Moebel")
    return connection


@pytest.fixture
def page(visitor, installation, address, account):  # noqa: ARG001 - a new installation becomes the account's
    """A window in which an operator is logged in."""
    opened = visitor()
    opened.goto(f"{address}/app/login/{installation.app.sessions.link().get_secret_value()}")
    opened.goto(f"{address}/app/connections")
    return opened


def settle_in(window):
    """Open what opens, type into every field, mark a text and put the focus on a control, a list with its options open."""
    window.evaluate("for (const details of document.querySelectorAll('main details')) details.open = true")
    for field in window.locator("main input:is(:not([type]), [type=search], [type=url])").all():
        field.fill("typed by hand")
    window.evaluate(FOCUS)
    if window.evaluate("document.activeElement.matches('select')"):
        window.keyboard.press("Alt+ArrowDown")


def region_text(window):
    return window.locator("[data-refresh]").inner_text()


def refresh(window):
    with window.expect_response("**/app/**"):
        window.evaluate(REFRESH)


def refresh_until_changed(window, before):
    until(lambda: refresh(window) or region_text(window) != before, told=window.inner_text)


def test_every_page_that_refreshes_is_looked_at():
    templates = (Path(pages.__file__).parent / "templates").glob("*.html")

    assert {template.name for template in templates if "data-refresh" in template.read_text()} == set(PAGES)


@pytest.mark.parametrize("template", PAGES)
def test_three_refreshes_leave_focus_marked_text_open_lists_and_what_was_typed(page, installation, address, account, template):
    app, workspace = installation.app, installation.workspace.id
    webhook, _ = app.webhooks.create(workspace, "board", SecretStr("https://1.1.1.1/hooks"), events=[EventType.SYNC_COMPLETED])
    set_budget(app, workspace, WrittenBudget(connection=account.id, period="daily", amount="1000000"))
    installation.sync(account)
    path, text = (part.format(connection=account.id, workspace=workspace, webhook=webhook.id) for part in PAGES[template])
    page.goto(f"{address}/app/{path}")
    settle_in(page)
    page.locator(text).first.evaluate(MARK)
    place = page.evaluate(PLACE)
    assert place["focus"]
    assert place["marked"]
    assert place["list"] is (template in WITH_LIST)

    for time, frequency in enumerate(("5min", "10min", "daily")):
        before = region_text(page)
        installation.sandbox.clock.advance(3600)
        app.connections.set_frequency(account.id, frequency)  # another option is the chosen one in a list that is open
        app.connections.rename(account.id, f"{'Outdoor' if time % 2 else 'Harbor'} {time}")  # it changes places with the other one
        installation.sync(account)
        refresh_until_changed(page, before)
        assert page.evaluate(PLACE) == place

    page.evaluate("getSelection().removeAllRanges(), document.activeElement.blur()")
    until(lambda: refresh(page) or page.evaluate(IS_CURRENT))


def test_a_button_keeps_the_focus_while_its_sync_waits_and_does_not_ask_twice(page, account):
    button = page.locator(f"[id='row-{account.id}'] .buttons button").first
    button.focus()
    page.keyboard.press("Enter")

    expect(button).to_have_text("Queued Harbor Outdoor")
    expect(button).to_be_disabled()
    refresh(page)
    expect(button).to_be_focused()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.keyboard.press("Enter")
    refresh(page)
    assert asked == []


def test_who_presses_a_button_that_goes_comes_to_the_one_in_its_place(page, account):
    buttons = page.locator(f"[id='row-{account.id}'] .buttons button")
    buttons.last.focus()

    page.keyboard.press("Enter")

    expect(buttons).to_have_text(["Resume Harbor Outdoor"])
    expect(buttons).to_be_focused()


def test_a_button_that_goes_for_another_reason_stays_while_one_is_at_it(page, installation, account):
    buttons = page.locator(f"[id='row-{account.id}'] .buttons button")
    buttons.last.focus()
    installation.app.connections.set_status(account.id, ConnectionStatus.PAUSED, None)
    refresh(page)

    expect(buttons).to_have_text(["Resume Harbor Outdoor", "Pause Harbor Outdoor"])
    expect(buttons.last).to_be_focused()
    buttons.last.blur()
    refresh(page)
    expect(buttons).to_have_text(["Resume Harbor Outdoor"])


def test_a_refused_choice_goes_back_to_what_is_stored(visitor, page, installation, account):
    workspaces, choice = installation.app.workspaces, page.locator(f"[id='frequency-{account.id}']")
    workspaces.grant_realtime(account.workspace_id)
    page.reload()
    workspaces.grant_realtime(account.workspace_id, granted=False)

    choice.select_option("realtime")

    expect(page.locator("#said")).to_contain_text("realtime")
    expect(choice).to_have_value("manual")
    visitor.complaints.clear()  # the browser notes that the answer is an error


@pytest.fixture
def reader(visitor, installation, address, account):
    """A page of the account, as somebody with another locale and time zone sees it."""

    def open_page(path, **options):
        window = visitor(locale="de-DE", timezone_id="Asia/Tokyo", **options)
        window.goto(f"{address}/app/login/{installation.app.sessions.link().get_secret_value()}")
        window.goto(f"{address}/app/{path.format(connection=account.id)}")
        return window

    return open_page


def shown_spend(window):
    """The spend of today in units, and its text."""
    spend = window.locator(".figure[data-number=spend]").first
    return f"{int(spend.get_attribute('data-micros')) / 1_000_000:,.2f}", spend.inner_text()


def test_numbers_and_times_are_the_readers_and_a_refresh_never_shows_the_others(reader, installation, account):
    window = reader("today")
    english, text = shown_spend(window)
    fresh = window.locator("[id^=fresh-] time[data-at]").first
    (own,) = installation.rows("SELECT max(fresh_until) FROM completeness WHERE connection_id = ? AND level = 'leaf'", [account.id])[0]

    assert "." in english
    assert text == english.translate(str.maketrans(",.", ".,"))
    assert fresh.inner_text() == f"{own.astimezone(TOKYO):%d.%m.%Y, %H:%M}"
    assert fresh.get_attribute("title") == f"{own.astimezone(account.zone):%Y-%m-%d %H:%M} America/New_York"
    ago = window.locator("[id^=today-] td[data-label='Fresh until'] time").first
    assert ago.get_attribute("title") == f"{fresh.inner_text()} · {fresh.get_attribute('title')}"
    window.evaluate(WATCH)
    for _ in range(2):
        refresh(window)
        until(lambda: window.evaluate(IS_CURRENT))
    assert window.evaluate("window.written") == []

    installation.sandbox.clock.advance(3600)
    installation.sync(account)
    refresh_until_changed(window, region_text(window))
    written = window.evaluate("window.written")
    assert written != []
    assert not any(SERVERS_OWN.search(text) for text in written)
    assert shown_spend(window)[1] == shown_spend(window)[0].translate(str.maketrans(",.", ".,"))


def test_without_scripts_times_are_the_accounts(reader, account):
    window = reader("today", java_script_enabled=False)
    english, text = shown_spend(window)

    assert text == english
    assert window.locator("[id^=fresh-] time[data-at]").first.inner_text().endswith(str(account.zone))
