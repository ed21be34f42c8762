"""What a person does on the pages, done by a real browser. The tests of this file follow each other, as a first day does."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from pydantic import SecretStr

from adpulse.conversion_types import ConversionType, ConversionTypes, KeptTypes, span
from adpulse.model import ConnectionStatus, SyncStatus
from adpulse.role import Role

ACCOUNT = "Harbor Outdoor"
PAGES = ("connections", "health", "login")


@pytest.fixture(scope="module")
def connected(running):
    """An account, connected and not synced yet."""
    return running.connect(ACCOUNT)


@pytest.fixture(autouse=True)
def _no_faults(running):
    yield
    running.remote.clear_faults()


def row_of(page, name=ACCOUNT):
    return page.locator("tbody tr", has_text=name)


def nothing_serious(page):
    found = Axe().run(page).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found if each["impact"] in ("serious", "critical")]


def test_the_link_that_adpulse_up_prints_logs_in_and_the_first_visit_leads_to_connecting(visitor, running, shot):
    (link,) = [re.search(r"http\S+", line)[0] for line in running.printed if line.startswith("Pages: ")]
    page = visitor()

    page.goto(link)

    expect(page.get_by_role("heading", name="Nothing is connected yet")).to_be_visible()
    expect(page.get_by_role("link", name="Connect an account").first).to_be_visible()
    assert nothing_serious(page) == []
    shot(page, "first-visit")


def test_without_a_session_one_logs_in_with_a_key_and_comes_to_the_page_that_was_wanted(visitor, running, address, shot):
    key = running.app.keys.create("browser", Role.VIEWER, running.workspace.id)[1].get_secret_value()
    page = visitor()
    page.goto(f"{address}/app/health")

    page.get_by_label("API key").fill(key)
    shot(page, "login")
    page.get_by_role("button", name="Log in").click()

    expect(page).to_have_url(f"{address}/app/health")
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{address}/app/health")
    expect(page.get_by_label("API key")).to_be_visible()


def test_sync_now_answers_at_once_counts_the_seconds_and_says_what_came(page, running, connected, shot):
    running.remote.fault("slow", seconds=1.0)
    page.reload()
    row = row_of(page)
    row.get_by_role("button", name="Sync now").click()

    expect(row.get_by_role("button", name=re.compile("Queued|Syncing"))).to_be_disabled()
    expect(row.locator("[data-elapsed]")).to_have_text(re.compile(r"^[1-9]\d* s$"), timeout=30_000)
    shot(page, "syncing")
    running.remote.clear_faults()
    expect(row.get_by_text(re.compile(r"[\d,]+ rows changed"))).to_be_visible(timeout=120_000)
    expect(row.get_by_role("button", name="Sync now")).to_be_enabled(timeout=60_000)
    running.until(lambda: running.app.overview.glances([connected])[connected.id].days_read == 90)

    expect(row.locator("progress")).to_have_count(0, timeout=30_000)
    expect(row.get_by_role("button", name="Sync now")).to_be_enabled(timeout=60_000)
    row.get_by_role("button", name="Sync now").click()
    expect(row.get_by_text("no change")).to_be_visible(timeout=60_000)


def test_the_page_looks_again_soon_while_something_runs_and_never_in_a_hidden_tab(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/app/connections" in request.url else None)
    expect(row_of(page).get_by_text("no change")).to_be_visible()
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(3_000)  # a look that was on its way ends, and the next one does not begin
    seen = len(asked)
    page.wait_for_timeout(11_000)
    assert len(asked) == seen

    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    with page.expect_request("**/app/connections**"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_frequency_is_chosen_from_a_list_and_realtime_only_where_it_was_granted(page, running, connected):
    choice = row_of(page).get_by_label(f"Sync frequency of {ACCOUNT}")
    assert "Realtime (every 30s)" not in choice.inner_text()

    running.app.workspaces.grant_realtime(running.workspace.id)
    page.reload()
    choice.select_option("realtime")

    running.until(lambda: running.app.connections.get(connected.id).connection.frequency == "realtime")
    choice.select_option(label="Manual")
    running.until(lambda: running.app.connections.get(connected.id).connection.frequency == "manual")
    page.reload()
    expect(choice).to_have_value("manual")


def test_what_goes_wrong_is_told_where_one_looks_and_mended_by_the_next_sync(page, running, connected, shot):
    running.remote.fault("expired_token")
    row_of(page).get_by_role("button", name="Sync now").click()

    expect(row_of(page).get_by_text("Needs reauthorisation")).to_be_visible(timeout=60_000)
    expect(row_of(page)).to_contain_text("Meta no longer accepts the token")
    shot(page, "needs-reauthorisation")
    running.remote.clear_faults()
    row_of(page).get_by_role("link", name="Reconnect").click()
    page.get_by_label("A System User's token").fill(running.secret("meta").get_secret_value())
    page.get_by_role("button", name="Reconnect").click()

    expect(page.get_by_role("heading", name=ACCOUNT)).to_be_visible()
    running.until(lambda: running.app.connections.get(connected.id).sync_status is SyncStatus.IDLE)
    page.get_by_role("link", name="Connections").first.click()
    expect(row_of(page).locator(".badge")).to_have_text("Idle", timeout=60_000)
    assert running.app.overview.glances([connected])[connected.id].days_read == 90, "its history went on"


def test_a_dead_letter_is_replayed_from_the_health_page(page, running, address, connected, shot):
    running.remote.fault("refused", kind="insights")
    running.ended(running.ask(connected))
    running.remote.clear_faults()
    page.goto(f"{address}/app/health")
    expect(page.locator("#attention")).to_contain_text(f"{ACCOUNT} gave up after 1 try: Meta refused a request")
    assert "access_token=[redacted]" in page.content()
    assert nothing_serious(page) == []
    shot(page, "dead-letter")

    page.get_by_role("button", name=f"Replay {ACCOUNT}").click()

    expect(page.locator("#attention")).to_contain_text("No dead letters.", timeout=60_000)
    running.until(lambda: running.app.connections.get(connected.id).sync_status is SyncStatus.IDLE)


def test_pausing_and_resuming_from_the_keyboard(page, running, connected):
    row_of(page).get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    expect(row_of(page).locator(".badge")).to_have_text("Paused")
    assert running.app.connections.get(connected.id).connection.status is ConnectionStatus.PAUSED

    row_of(page).get_by_role("button", name="Resume").focus()
    page.keyboard.press("Enter")
    expect(row_of(page).locator(".badge")).not_to_have_text("Paused")
    assert running.app.connections.get(connected.id).connection.status is ConnectionStatus.ACTIVE


def test_the_health_page_shows_everything_and_finds_one(page, running, address, shot):
    running.connect("Nordlicht Moebel", "5min")
    page.goto(f"{address}/app/health")
    expect(page.get_by_role("heading", name="Freshness of 2 connections")).to_be_visible()
    shot(page, "health")

    page.get_by_text("All connections").click()
    page.get_by_role("searchbox").fill("harbor")
    page.keyboard.press("Enter")

    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody th a").click()
    expect(page.get_by_role("heading", name=ACCOUNT)).to_be_visible()
    expect(page.get_by_role("table").last).to_contain_text("done")


@pytest.mark.parametrize(("platform", "account"), [("Meta Ads", "Sakura Tea"), ("Google Ads", "Alpenglow Reisen")])
def test_an_account_is_connected_by_consent_at_the_platform_and_its_first_sync_shows(visitor, running, address, shot, platform, account):
    page = visitor()
    home = address.replace("127.0.0.1", "localhost")
    page.goto(f"{home}/app/login/{running.app.sessions.link().get_secret_value()}")
    page.get_by_role("navigation").get_by_role("link", name="Connections").click()
    page.get_by_role("link", name="Connect an account").first.click()
    assert nothing_serious(page) == []
    shot(page, "connect")

    page.get_by_role("button", name=f"Continue with {platform}").click()
    page.get_by_role("link", name=f"Go to {platform}").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("heading", name="Choose accounts")).to_be_visible()
    assert nothing_serious(page) == []
    if platform == "Google Ads":
        whole = page.get_by_role("checkbox", name="All clients of Summit Media Group")
        whole.check()
        expect(page.get_by_role("checkbox", name="Pacific Trail Outfitters")).to_be_checked()
        expect(page.get_by_role("checkbox", name=account)).not_to_be_checked()
        shot(page, "choose-clients")
        whole.uncheck()
        expect(page.get_by_role("checkbox", name="Pacific Trail Outfitters")).not_to_be_checked()
    shot(page, "choose")
    page.get_by_role("checkbox", name=account).check()
    page.get_by_label("Sync frequency").select_option("5min")
    page.get_by_role("button", name="Connect").click()

    expect(row_of(page, account).get_by_text("First sync")).to_be_visible()
    # Some are so quick that it is over before the page looks again.
    expect(row_of(page, account)).to_contain_text(re.compile(r"[1-9]\d* of 90 days|rows changed"), timeout=120_000)


def test_a_token_is_pasted_and_a_wrong_one_is_told_where_one_is(visitor, page, running, address):
    page.goto(f"{address}/app/connect")
    page.get_by_label("A System User's token").fill("wrong")
    page.get_by_role("button", name="Show its accounts").click()
    expect(page.get_by_role("alert")).to_contain_text("token")
    visitor.complaints.clear()  # the browser notes that the answer is an error

    page.goto(f"{address}/app/connect")
    page.get_by_label("A System User's token").fill(running.secret("meta").get_secret_value())
    page.get_by_role("button", name="Show its accounts").click()
    expect(page.get_by_role("heading", name="Choose accounts")).to_be_visible()


def test_whoever_cancels_at_the_platform_is_told_and_nothing_is_connected(visitor, running, address):
    page = visitor()
    page.goto(f"{address.replace('127.0.0.1', 'localhost')}/app/login/{running.app.sessions.link().get_secret_value()}")
    page.get_by_role("link", name="Connections").click()
    before = len(running.app.connections.all())
    page.get_by_role("link", name="Connect an account").first.click()
    page.get_by_role("button", name="Continue with Meta Ads").click()
    page.get_by_role("link", name="Go to Meta Ads").click()
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("alert")).to_be_visible()
    assert len(running.app.connections.all()) == before
    visitor.complaints.clear()  # the browser notes that the answer is an error


@pytest.mark.parametrize("look", [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360)], ids=str)
def test_pages_are_accessible_and_fit_the_screen(page, running, address, connected, shot, look):
    scheme, width = look
    since, until = span(connected.today(running.app.clock.now()))
    kinds = (ConversionType(names=(name,), count=7_500_000, value=10**12) for name in ("omni_purchase", "messaging_conversation_" * 4))
    types = ConversionTypes(types=tuple(kinds))
    running.app.conversion_types.keep(connected.id, KeptTypes(since=since, until=until, read_at=running.app.clock.now(), types=types))
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 740})
    for path in ("today", f"accounts/{connected.id}", "connections", f"connections/{connected.id}", "health", "alerts", "access", "login"):
        page.goto(f"{address}/app/{path}")

        assert nothing_serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        shot(page, f"{path.partition('/')[0]}-{scheme}-{width}")
    page.goto(f"{address}/app/connections/{connected.id}")
    page.get_by_role("button", name="Preview").first.click()
    expect(page.get_by_role("button", name="Use this mapping")).to_be_visible()
    assert nothing_serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot(page, f"mapping-preview-{scheme}-{width}")


def test_without_scripts_everything_works_too(visitor, running, address):
    page = visitor(java_script_enabled=False)
    page.goto(f"{address}/app/login/{running.app.sessions.link().get_secret_value()}")
    page.get_by_role("link", name="Connections").click()
    row_of(page).get_by_role("button", name="Pause").click()
    expect(row_of(page).locator(".badge")).to_have_text("Paused")

    row_of(page).get_by_role("button", name="Resume").click()

    expect(row_of(page).locator(".badge")).not_to_have_text("Paused")


def test_all_with_a_label_are_paused_and_resumed_at_once(page, running, address, connected, shot):
    page.goto(f"{address}/app/connections/{connected.id}")
    page.get_by_label("Labels, comma-separated").fill("outdoor")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="outdoor").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    shot(page, "label")

    for action, result, status in (("Pause", "paused", ConnectionStatus.PAUSED), ("Resume", "resumed", ConnectionStatus.ACTIVE)):
        page.locator("[name=which]").select_option("matching")
        page.locator("[name=action]").select_option(label=action)
        page.get_by_role("button", name="Continue").click()
        assert nothing_serious(page) == []
        page.get_by_role("button", name=f"{action} 1 connection").click()
        expect(page.get_by_role("heading", name=f"1 connection {result}")).to_be_visible()
        assert nothing_serious(page) == []
        assert running.app.connections.get(connected.id).connection.status is status
        page.get_by_role("link", name="Back to the connections").click()

    page.locator("[name=which]").select_option("matching")
    page.locator("[name=action]").select_option("30min")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Set 1 connection to").click()
    expect(page.get_by_role("heading", name="1 connection set to")).to_be_visible()
    assert running.app.connections.get(connected.id).connection.frequency == "30min"


def test_a_service_accounts_file_is_uploaded_and_one_of_its_accounts_connected_and_disconnected(page, running, address):
    page.goto(f"{address}/app/connect")
    page.locator("select[name=provider]").select_option(label="Google Ads")
    page.get_by_label("Or a file").set_input_files(running.sandbox.google.files / "service-account.json")
    page.get_by_role("button", name="Show its accounts").click()
    expect(page.get_by_role("heading", name="Choose accounts")).to_be_visible()
    page.get_by_role("checkbox", name="Pacific Trail Outfitters").check()
    page.get_by_label("Sync frequency").select_option("manual")
    page.get_by_role("button", name="Connect").click()
    made = row_of(page, "Pacific Trail Outfitters")
    expect(made).to_be_visible()

    made.get_by_role("link", name="Pacific Trail Outfitters").click()
    page.locator("summary", has_text="Disconnect").click()
    page.get_by_role("button", name="Disconnect Pacific Trail Outfitters").click()

    expect(page.locator("#facts .badge").first).to_have_text("Disconnected")
    assert running.app.connections.get("Pacific Trail Outfitters").connection.status is ConnectionStatus.DISCONNECTED


def test_a_webhook_is_added_tested_and_removed_and_its_secret_seen_once(page, running, address, receiver, shot):
    page.goto(f"{address}/app/alerts")
    page.get_by_text("Add a webhook").click()
    page.get_by_label("Name").first.fill("our board")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_label("sync.completed").check()
    shot(page, "webhook-new")
    page.get_by_role("button", name="Add it").first.click()
    expect(page.get_by_role("heading", name="The secret of our board")).to_be_visible()
    secret = page.get_by_label("The secret of our board").input_value()
    assert nothing_serious(page) == []

    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("button", name="Send a test message").click()
    expect(page.get_by_role("row").filter(has_text="webhook.test")).to_contain_text("delivered", timeout=60_000)
    assert "webhook.test" in {each["type"] for each in receiver.verified(SecretStr(secret))}
    assert nothing_serious(page) == []
    assert secret not in page.content()
    shot(page, "webhook")

    page.locator("summary", has_text="Remove our board").click()
    page.get_by_role("button", name="Remove our board").click()
    expect(page.get_by_text("has no webhooks yet")).to_be_visible()
    assert running.app.webhooks.all() == []


def test_a_data_alert_is_tried_before_anybody_is_told(page, running, address, connected, shot):
    running.ended(running.ask(connected))
    page.goto(f"{address}/app/alerts")
    page.get_by_text("Add a data alert").click()
    form = page.locator("form", has=page.get_by_label("Query"))
    form.get_by_label("Name").fill("spends at all")
    form.get_by_label("Query").fill("SELECT connection, sum(spend) AS spend FROM daily GROUP BY ALL HAVING sum(spend) > 0")
    form.get_by_role("button", name="Add it").click()

    page.get_by_role("button", name="Run now spends at all").click()

    expect(page.get_by_role("heading", name="spends at all: fires now")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=ACCOUNT)).to_be_visible()
    assert nothing_serious(page) == []
    shot(page, "alert")


def test_a_key_is_made_shown_once_and_revoked(page, visitor, address, shot):
    page.goto(f"{address}/app/access")
    page.get_by_text("Make a key").click()
    page.get_by_label("Name").first.fill("a colleague")
    page.get_by_role("button", name="Make it").first.click()
    key = page.get_by_label("The key of a colleague").input_value()
    page.get_by_role("link", name="I have stored it").click()
    shot(page, "access")

    colleague = visitor()
    colleague.goto(f"{address}/app/health")
    colleague.get_by_label("API key").fill(key)
    colleague.get_by_role("button", name="Log in").click()
    expect(colleague.get_by_role("heading", name="Health")).to_be_visible()

    row = page.get_by_role("row").filter(has_text="a colleague")
    row.locator("summary", has_text="Revoke a colleague").click()
    row.get_by_role("button", name="Revoke a colleague").click()
    expect(page.get_by_role("row").filter(has_text="a colleague")).to_contain_text("revoked")
    colleague.reload()
    expect(colleague.get_by_label("API key")).to_be_visible()


def test_deleting_says_what_goes_and_then_it_is_gone(page, running, address, shot):
    goes = running.app.connections.get("Nordlicht Moebel").connection
    page.goto(f"{address}/app/connections/{goes.id}")
    page.get_by_role("button", name="Delete …").click()
    expect(page.get_by_role("heading", name=f"Delete {goes.name}?")).to_be_visible()
    assert nothing_serious(page) == []
    shot(page, "delete")

    page.get_by_role("button", name=f"Delete {goes.name} with its data").click()

    expect(row_of(page, goes.name)).to_have_count(0, timeout=60_000)
