"""The pages of what belongs to a workspace: labels and bulk changes, alerts, webhooks, keys; and the end of a connection."""

import re
from datetime import timedelta
from html import unescape

import pytest
import requests

from adpulse.api.pages import ROOT
from adpulse.conversion_types import ConversionType, ConversionTypes, KeptTypes, span
from adpulse.errors import UnknownConnection
from adpulse.model import ConnectionStatus, RunState
from adpulse.role import Role
from adpulse.services import conversion_types, deleting


@pytest.fixture
def session(browser, team):
    """The browser of the team's editor."""
    return browser(team.editor)


@pytest.fixture
def operators(visit, installation):
    """An operator's browser."""
    opened = requests.Session()
    home = visit(opened, "GET", f"/login/{installation.app.sessions.link().get_secret_value()}")
    opened.headers["Origin"] = home.url.partition(ROOT)[0]
    return opened


def told_once(answer):
    """The secret that a page shows."""
    assert answer.status_code == 201
    return unescape(re.search(r'id="secret"[^>]* value="([^"]+)"', answer.text)[1])


def words(answer):
    """What a page says, without markup."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def test_name_labels_and_margin_are_changed_together_or_not_at_all(visit, session, installation, team):
    path, find = f"/connections/{team.connection.id}", lambda: installation.app.connections.get(team.connection.id)

    visit(session, "POST", f"{path}/edit", data={"name": " Harbor EU ", "labels": "eu, retail,, eu", "gross_margin": "35%"})
    refused = visit(session, "POST", f"{path}/edit", data={"name": "Other", "labels": "x", "gross_margin": "twice"})

    assert (refused.status_code, "'twice' is no margin" in words(refused)) == (400, True)
    assert (find().connection.name, find().labels, str(find().connection.gross_margin)) == ("Harbor EU", ("eu", "retail"), "0.350000")
    shown = visit(session, "GET", path).text
    assert 'value="eu, retail"' in shown
    assert 'value="35%"' in shown


def test_the_limit_of_an_account_is_changed_by_operators_alone(visit, session, operators, installation, team):
    path = f"/connections/{team.connection.id}"

    def limit():
        return installation.app.connections.get(team.connection.id).connection.calls_per_hour

    assert 'name="calls_per_hour"' not in visit(session, "GET", path).text
    assert visit(session, "POST", f"{path}/limit", data={"calls_per_hour": "900"}).status_code == 403
    visit(operators, "POST", f"{path}/limit", data={"calls_per_hour": "250"})
    assert limit() == 250
    shown = visit(operators, "GET", path).text
    assert 'name="calls_per_hour" value="250"' in shown
    assert "0 of 250" in shown
    assert visit(operators, "POST", f"{path}/limit", data={"calls_per_hour": "lots"}).status_code == 400
    visit(operators, "POST", f"{path}/limit", data={"calls_per_hour": ""})
    assert limit() is None


def test_a_preset_or_types_of_ones_own_are_chosen_on_the_connections_page(visit, session, installation, team):
    path, find = f"/connections/{team.connection.id}", lambda: installation.app.connections.get(team.connection.id).connection.mapping

    visit(session, "POST", f"{path}/mapping", data={"preset": "purchases"})
    assert find().name == "purchases"
    types = {"purchases": "omni_purchase", "leads": "lead, contact_total", "conversions": "purchases, leads", "clicks": "link"}
    types |= {"attribution": "7d_click, 1d_view"}
    visit(session, "POST", f"{path}/mapping", data=types)
    refused = visit(session, "POST", f"{path}/mapping", data=types | {"leads": "Leads!"})

    assert (refused.status_code, "leads cannot count 'Leads!'" in words(refused)) == (400, True)
    assert (find().leads, find().installs, find().conversions, find().clicks) == (
        ("lead", "contact_total"),
        (),
        ("purchases", "leads"),
        "link",
    )
    shown = visit(session, "GET", path).text
    assert 'value="lead, contact_total"' in shown
    assert "custom in 7d_click + 1d_view, since" in words(visit(session, "GET", path))
    assert 'name="attribution" value="7d_click, 1d_view"' in shown
    visit(session, "POST", f"{path}/mapping", data={"preset": "purchases"})
    assert (find().name, find().attribution) == ("purchases", ("7d_click", "1d_view"))


def test_metas_own_results_are_chosen_by_page_and_api_and_offered_for_no_other_platform(visit, session, ask, installation, team):
    other = installation.connect("Alpenglow Reisen")
    of_meta, of_google = (f"/connections/{connection.id}" for connection in (team.connection, other))

    def find(connection):
        return installation.app.connections.get(connection.id).connection.mapping

    offered = ["<option>results</option>" in visit(session, "GET", path).text for path in (of_meta, of_google)]
    visit(session, "POST", f"{of_meta}/mapping", data={"preset": "results"})
    by_page = find(team.connection)
    ask("PATCH", of_meta, team.editor, json={"mapping": {"preset": "default"}})
    by_api = ask("PATCH", of_meta, team.editor, json={"mapping": {"preset": "results"}}).json()["mapping"]
    refused = [
        visit(session, "POST", f"{of_google}/mapping", data={"preset": "results"}),
        ask("PATCH", of_google, team.editor, json={"mapping": {"preset": "results"}}),
    ]

    assert offered == [True, False]
    assert (by_page.name, by_page.counts_results, by_api["name"]) == ("results", True, "results")
    assert ([answer.status_code for answer in refused], find(other)) == ([400, 400], None)


def reported(installation, connection, **counts):
    """The account is known to report so many of each type."""
    now = installation.app.clock.now()
    types = tuple(ConversionType(names=(name,), count=count * 1_000_000, value=None) for name, count in counts.items())
    since, until = span(connection.today(now))
    kept = KeptTypes(since=since, until=until, read_at=now, types=ConversionTypes(types=types))
    installation.app.conversion_types.keep(connection.id, kept)


def test_a_preview_shows_what_a_mapping_would_change_and_its_button_chooses_it(visit, session, installation, team):
    path, find = f"/connections/{team.connection.id}", lambda: installation.app.connections.get(team.connection.id).connection.mapping
    assert "formaction" not in visit(session, "GET", path).text
    assert visit(session, "POST", f"{path}/mapping/preview", data={"preset": "purchases"}).status_code == 400
    reported(installation, team.connection, lead=5, omni_purchase=3)

    shown = visit(session, "GET", path)
    preview = visit(session, "POST", f"{path}/mapping/preview", data={"preset": "purchases"})

    assert "lead 5 leads, conversions" in words(shown)
    assert f'formaction="{ROOT}{path}/mapping/preview"' in shown.text
    assert "conversions 8 3" in words(preview)
    assert find() is None
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="(.*?)"', preview.text))
    visit(session, "POST", f"{path}/mapping", data=hidden)
    assert find().name == "purchases"


def test_a_mapping_that_counts_what_was_missed_takes_the_warning_back_at_once(visit, session, installation, team):
    path, find = f"/connections/{team.connection.id}", lambda: installation.app.connections.get(team.connection.id).warnings
    reported(installation, team.connection, omni_complete_registration=7)
    conversion_types.judge_again(installation.app.conversion_types, team.connection)

    assert "Meta Ads reports omni_complete_registration (7) in 28 days" in words(visit(session, "GET", path))
    visit(session, "POST", f"{path}/mapping", data={"conversions": "omni_complete_registration"})
    assert find() == ()
    visit(session, "POST", f"{path}/mapping", data={"preset": "purchases"})
    assert [warning.kind for warning in find()] == ["uncounted_results"]


def test_connections_are_found_by_name_and_label(visit, session, installation, team):
    other = installation.connect("Nordlicht Moebel")
    installation.app.labels.change(other.id, lambda _: ["dach & <co>"])

    by_label = visit(session, "GET", "/connections", params={"label": "dach & <co>"}).text
    by_name = visit(session, "GET", "/connections", params={"q": team.connection.name.lower()[:6]}).text

    assert (f"row-{other.id}" in by_label, f"row-{team.connection.id}" in by_label) == (True, False)
    assert (f"row-{other.id}" in by_name, f"row-{team.connection.id}" in by_name) == (False, True)
    assert "<co>" not in by_label
    assert "label=dach%20%26%20%3Cco%3E" in by_label


@pytest.mark.usefixtures("numbers")
def test_deleting_says_first_what_goes(visit, session, installation, team):
    installation.app.warehouse(team.workspace.id).publish(min_interval_seconds=0)
    path = f"/connections/{team.connection.id}/delete"

    asked = visit(session, "POST", path)
    wrong = visit(session, "POST", path, data={"confirmation": "made-up"})

    assert re.search(r"With it go [\d,]+ rows of metrics of 90 days since", words(asked))
    assert wrong.status_code == 400
    assert installation.app.connections.get(team.connection.id).connection.status is ConnectionStatus.ACTIVE
    confirmation = unescape(re.search(r'name="confirmation" value="([^"]+)"', asked.text)[1])
    assert "Being deleted" in visit(session, "POST", path, data={"confirmation": confirmation}).text
    for pending in deleting.pending(installation.app.connections):
        deleting.finish(installation.app, pending)
    with pytest.raises(UnknownConnection):
        installation.app.connections.get(team.connection.id)


def test_a_disconnected_one_keeps_its_data_and_may_be_reconnected(visit, session, installation, team):
    answer = visit(session, "POST", f"/connections/{team.connection.id}/disconnect")

    assert "Disconnected" in answer.text
    assert f"/connect?connection={team.connection.id}" in answer.text
    assert installation.app.runs.history(team.connection.id)


def test_a_webhooks_secret_is_on_one_page_and_never_again(visit, session, installation, team):
    place = f"/workspaces/{team.workspace.id}/webhooks"
    form = {"name": "ours", "url": "https://1.1.1.1/hooks", "event": ["sync.completed", "data.stale"]}

    secret = told_once(visit(session, "POST", place, data=form))
    made = installation.app.webhooks.get("ours")
    again = told_once(visit(session, "POST", f"{place}/{made.id}/rotate-secret"))

    assert [each.value for each in made.events] == ["sync.completed", "data.stale"]
    assert [each.get_secret_value() for each in installation.app.webhooks.address(made.id).secrets] == [again, secret]
    for path in (f"{place}/{made.id}", f"/alerts?workspace={team.workspace.id}"):
        shown = visit(session, "GET", path).text
        assert "ours" in shown
        assert secret not in shown
        assert again not in shown


def test_a_slack_webhooks_address_is_not_shown(visit, session, team):
    form = {"name": "slack", "url": "https://1.1.1.1/services/T000/secret-part", "format": "slack", "event": "sync.failed"}

    answer = visit(session, "POST", f"/workspaces/{team.workspace.id}/webhooks", data=form)

    assert (answer.status_code, "https://1.1.1.1" in answer.text, "secret-part" in answer.text) == (200, True, False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/hooks", "https://10.0.0.1/", "ftp://1.1.1.1/", "nothing"])
def test_an_address_that_is_none_of_the_internet_is_refused_on_a_page(visit, session, installation, team, url):
    before = installation.app.webhooks.all()

    answer = visit(session, "POST", f"/workspaces/{team.workspace.id}/webhooks", data={"name": "x", "url": url, "event": "sync.failed"})

    assert answer.status_code == 400
    assert installation.app.webhooks.all() == before


def test_a_test_message_is_queued_and_what_became_of_messages_is_shown(visit, session, installation, team):
    path = f"/workspaces/{team.workspace.id}/webhooks/{team.webhook.id}"

    shown = words(visit(session, "POST", f"{path}/test"))
    assert "webhook.test pending" in shown

    disabled = words(visit(session, "POST", f"{path}/enabled", data={"enabled": "false"}))
    assert "Disabled by hand." in disabled
    assert "webhook.test failed" in disabled
    visit(session, "POST", f"{path}/remove")
    assert team.webhook.id not in {each.id for each in installation.app.webhooks.all()}


def test_a_data_alert_is_tried_out_disabled_and_removed(visit, session, copied, installation, team):
    copied(team)
    place = f"/workspaces/{team.workspace.id}/alerts"
    visit(session, "POST", place, data={"name": "always", "query": "SELECT '<b>' AS what, 7 AS n"})
    visit(session, "POST", place, data={"name": "never", "query": "SELECT 1 WHERE false"})
    always, never = installation.app.alerts.get("always"), installation.app.alerts.get("never")

    assert "always: fires now" in words(visit(session, "POST", f"{place}/{always.id}/run"))
    assert "<b>" not in visit(session, "POST", f"{place}/{always.id}/run").text
    assert "never: quiet" in words(visit(session, "POST", f"{place}/{never.id}/run"))

    visit(session, "POST", f"{place}/{always.id}/enabled", data={"enabled": "false"})
    visit(session, "POST", f"{place}/{never.id}/remove")
    left = {each.name: each.enabled for each in installation.app.alerts.all(team.workspace.id)}
    assert (left["always"], "never" in left) == (False, False)
    assert visit(session, "POST", place, data={"name": "always", "query": "SELECT 1"}).status_code == 409


def test_a_query_that_fails_is_told_on_a_page(visit, session, copied, installation, team):
    copied(team)
    alert = installation.app.alerts.create(team.workspace.id, "wrong", "SELECT nothing FROM nowhere")

    answer = visit(session, "POST", f"/workspaces/{team.workspace.id}/alerts/{alert.id}/run")

    assert (answer.status_code, "nowhere" in words(answer)) == (400, True)


def test_a_key_is_shown_once_works_and_is_revoked(ask, visit, session, team):
    place = f"/workspaces/{team.workspace.id}/keys"

    key = told_once(visit(session, "POST", place, data={"name": "board", "role": "viewer", "days": "30"}))
    listed = visit(session, "GET", "/access")

    assert ask("GET", "/connections/", key).status_code == 200
    assert ask("POST", f"/connections/{team.connection.id}/pause", key).status_code == 403
    assert key not in listed.text
    (made,) = [each for each in team.app.keys.all(team.workspace.id) if each.name == "board"]
    assert timedelta(days=29) < made.expires_at - team.app.wall.now() < timedelta(days=31)
    assert "revoked" in words(visit(session, "POST", f"{place}/{made.id}/revoke"))
    assert ask("GET", "/connections/", key).status_code == 401


def test_nobody_makes_a_key_that_may_more_than_they(visit, session, team):
    before = team.app.keys.all()

    assert visit(session, "POST", f"/workspaces/{team.workspace.id}/keys", data={"name": "x", "role": "operator"}).status_code == 400
    assert visit(session, "POST", "/keys", data={"name": "x"}).status_code == 403
    assert team.app.keys.all() == before
    assert "Operators" not in words(visit(session, "GET", "/access"))


def test_a_viewer_sees_no_keys_and_no_forms(visit, browser, team):
    viewer = browser(team.viewer)

    assert visit(viewer, "GET", "/access").status_code == 403
    for path in ("/alerts", f"/connections/{team.connection.id}", f"/workspaces/{team.workspace.id}/webhooks/{team.webhook.id}"):
        shown = visit(viewer, "GET", path).text
        assert "/access" not in shown
        assert re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', shown) == [f"{ROOT}/logout"]


def test_operators_make_name_grant_and_delete_workspaces(visit, operators, installation, team):
    app = installation.app

    visit(operators, "POST", "/workspaces", data={"name": "Cedar"})
    made = app.workspaces.get("Cedar")
    visit(operators, "POST", f"/workspaces/{made.id}/name", data={"name": "Cedar & Sons"})
    visit(operators, "POST", f"/workspaces/{made.id}/realtime", data={"granted": "true"})
    assert (app.workspaces.find(made.id).name, app.workspaces.find(made.id).realtime_granted) == ("Cedar & Sons", True)
    assert visit(operators, "POST", f"/workspaces/{made.id}/name", data={"name": team.workspace.name}).status_code == 409

    assert visit(operators, "POST", f"/workspaces/{team.workspace.id}/delete").status_code == 409
    visit(operators, "POST", f"/workspaces/{made.id}/delete")
    assert app.workspaces.find(made.id) is None


def test_operators_keys_are_theirs(ask, visit, operators, installation, team):  # noqa: ARG001 - a workspace is there
    key = told_once(visit(operators, "POST", "/keys", data={"name": "second operator"}))

    assert ask("GET", "/keys", key).status_code == 200
    (made,) = [each for each in installation.app.keys.operators() if each.name == "second operator"]
    assert made.role is Role.OPERATOR
    visit(operators, "POST", f"/keys/{made.id}/revoke")
    assert ask("GET", "/keys", key).status_code == 401


def test_the_health_page_shows_our_delay_beside_the_platforms(visit, session, installation, team):
    assert "Delay" not in words(visit(session, "GET", "/health"))
    installation.app.connections.set_frequency(team.connection.id, "5min")
    installation.sync(team.connection)
    installation.advance_to(installation.app.clock.now() + timedelta(minutes=4))
    assert installation.sync(team.connection).counts.written == 0

    shown = visit(session, "GET", "/health").text

    told = re.search(r'class="delays"[^>]*aria-label="([^"]+)"', shown)[1]
    assert "Synced by adpulse: 1 within 1 min" in told
    assert "Numbers changed at the platform: 0 within 1 min, 1 within 5 min" in told
    assert "4 min ago" in shown


def test_a_first_sync_shows_how_many_days_have_come(set_up, visit, session, installation, team):
    set_up(ADPULSE_CALLS_PER_HOUR="6")
    (run,) = installation.leg(team.connection)
    assert run.state is RunState.POSTPONED

    shown = visit(session, "GET", "/connections").text

    days = int(re.search(r"</progress> (\d+) of 90 days", shown)[1])
    assert 0 < days < 90
    assert f'<progress max="90" value="{days}"' in shown


@pytest.mark.parametrize("place", ["../connections/{connection}/disconnect?", "{other}", "x"])
def test_an_address_does_not_choose_where_a_form_goes(visit, session, installation, team, others, place):
    installation.app.labels.change(team.connection.id, lambda _: ["eu"])
    wanted = place.format(connection=team.connection.id, other=others.workspace.id)

    shown = visit(session, "GET", "/connections", params={"label": "eu", "workspace": wanted}).text

    assert re.findall(r'action="([^"]+/bulk)"', shown) == [f"{ROOT}/workspaces/{team.workspace.id}/bulk"]


@pytest.mark.parametrize("field", ["q", "label"])
def test_a_filter_that_no_database_takes_is_refused(visit, session, field):
    assert visit(session, "GET", "/connections", params={field: "a\x00"}).status_code == 422


def test_a_webhook_of_no_event_is_none(visit, session, team):
    form = {"name": "ours", "url": "https://1.1.1.1/hooks"}

    assert visit(session, "POST", f"/workspaces/{team.workspace.id}/webhooks", data=form).status_code == 400


def test_one_whose_token_ended_may_be_disconnected_too(visit, session, installation, team):
    installation.app.connections.set_status(team.connection.id, ConnectionStatus.NEEDS_REAUTH, "Reconnect it.")
    path = f"/connections/{team.connection.id}"

    assert f'action="{ROOT}{path}/disconnect"' in visit(session, "GET", path).text
    assert f'action="{ROOT}{path}/disconnect"' not in visit(session, "POST", f"{path}/disconnect").text


def test_the_health_page_shows_what_is_spent_of_a_limit_that_accounts_share(set_up, visit, session, installation):
    app = set_up(ADPULSE_GOOGLE_ACCESS="basic")
    made = installation.connect("Alpenglow Reisen")
    installation.leg(made)
    spent = app.ledger.spent(made.ledger_key, made.scope).calls
    assert spent > 1

    shown = words(visit(session, "GET", "/health"))

    assert f"Google Cloud project {spent} of 15,000 operations a day" in shown
    assert "Meta app" not in shown  # it has no limit here
