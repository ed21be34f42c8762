"""The list of connections by HTTP, and what people change of one."""

import base64
import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from storage.control.listing import Order
from storage.control.tables import ConnectionRow


@pytest.fixture
def many(installation, team):
    """More connections of the team's: copies of its own, one named as another, one paused."""
    made = [installation.connect(name).id for name in ("Nordlicht Moebel", "Sakura Tea", "Grand Catalogue", "Alpenglow Reisen")]
    with installation.engine.begin() as session:
        session.execute(update(ConnectionRow).where(ConnectionRow.id == made[1]).values(name="Grand Catalogue", status="paused"))
    return [*made, team.connection.id]


@pytest.mark.parametrize("order", Order)
def test_every_page_is_reached_by_the_cursor_of_the_one_before(ask, team, many, order):
    found, cursor = [], None
    for _ in range(len(many) + 1):
        page = ask("GET", "/connections/", team.viewer, params={"limit": 2, "sort": order} | ({"cursor": cursor} if cursor else {})).json()
        found += [each["id"] for each in page["connections"]]
        if not (cursor := page["next_cursor"]):
            break

    assert sorted(found) == sorted(many)


@pytest.mark.usefixtures("many")
def test_a_cursor_of_another_order_is_refused(ask, team):
    cursor = ask("GET", "/connections/", team.viewer, params={"limit": 1}).json()["next_cursor"]

    assert ask("GET", "/connections/", team.viewer, params={"cursor": cursor, "sort": "status"}).status_code == 400


@pytest.mark.parametrize(
    "place",
    [
        None,
        7,
        [],
        ["name"],
        ["name", "a"],
        ["name", "a", 7],
        ["name", "a\0", "b"],
        ["name", "\ud800", "b"],
        ["last_completed", "then", "a", "b"],
    ],
)
@pytest.mark.parametrize("order", Order)
def test_a_forged_cursor_is_refused(ask, team, place, order):
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()

    assert ask("GET", "/connections/", team.viewer, params={"cursor": cursor, "sort": order}).status_code == 400


@pytest.mark.usefixtures("many")
def test_connections_are_searched(ask, team):
    def names(**query):
        return [each["name"] for each in ask("GET", "/connections/", team.viewer, params=query).json()["connections"]]

    assert names(q="CATALOG") == ["Grand Catalogue", "Grand Catalogue"]
    assert names(q=team.connection.external_id) == [team.connection.name]
    assert names(q="%") == []
    assert ask("GET", "/connections/", team.viewer, params={"Q": "x"}).status_code == 422


def test_a_connection_is_renamed_and_labelled(ask, team, others):
    path = f"/connections/{team.connection.id}"

    changed = ask("PATCH", path, team.editor, json={"name": " Harbor ", "labels": ["retail", "eu", "eu"]}).json()

    assert (changed["name"], changed["labels"]) == ("Harbor", ["eu", "retail"])
    assert ask("GET", path, team.viewer).json() == changed
    assert [each["id"] for each in ask("GET", "/connections/", team.viewer, params={"label": "eu"}).json()["connections"]] == [
        changed["id"]
    ]
    assert ask("GET", "/connections/", others.viewer, params={"label": "eu"}).json()["connections"] == []
    assert ask("PATCH", path, team.editor, json={"labels": []}).json()["labels"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": ["a,b"]},
        {"labels": ["x" * 65]},
        {"gross_margin": "2"},
        {"gross_margin": "a\0"},
        {"mapping": {"preset": "revenue"}},
        {"mapping": {"leads": ["Leads!"]}},
    ],
)
def test_nothing_is_changed_when_one_part_is_wrong(ask, team, wrong):
    path = f"/connections/{team.connection.id}"
    before = ask("GET", path, team.viewer).json()

    answer = ask("PATCH", path, team.editor, json={"name": "Other", "labels": ["eu"], "gross_margin": "0.5"} | wrong)

    assert answer.status_code == 400
    assert ask("GET", path, team.viewer).json() == before


@pytest.mark.usefixtures("numbers")
def test_a_new_margin_reaches_the_stored_days_with_the_sync_that_it_asks_for(ask, installation, team):

    changed = ask("PATCH", f"/connections/{team.connection.id}", team.editor, json={"gross_margin": "35%"}).json()

    assert (changed["gross_margin"], changed["sync_status"]) == ("0.350000", "queued")
    installation.work(installation.claim())
    assert installation.rows("SELECT count(*) FROM metric_facts WHERE abs(profit - (revenue * 0.35 - spend)) > 1") == [(0,)]


def test_only_operators_change_an_accounts_limit_and_null_is_the_installations(ask, installation, team, operator):
    path, limit = f"/connections/{team.connection.id}", installation.app.ledger.limit

    refused = ask("PATCH", path, team.editor, json={"name": "Other", "calls_per_hour": 500})
    assert (refused.status_code, "requires the role operator" in refused.json()["detail"]) == (403, True)
    assert ask("GET", path, team.viewer).json()["name"] == team.connection.name
    assert ask("PATCH", path, operator, json={"calls_per_hour": 500}).json()["calls_per_hour"] == 500
    assert ask("PATCH", path, operator, json={"name": "Other"}).json()["calls_per_hour"] == 500
    assert limit(team.connection.ledger_key).per_hour == 500
    assert ask("PATCH", path, operator, json={"calls_per_hour": 0}).status_code == 422
    assert ask("PATCH", path, operator, json={"calls_per_hour": None}).json()["calls_per_hour"] is None
    assert limit(team.connection.ledger_key).per_hour == 180


@pytest.mark.usefixtures("numbers")
def test_another_mapping_is_shown_with_its_instant_and_queues_a_sync_that_reads_the_lookback_again(ask, installation, team):
    path, now = f"/connections/{team.connection.id}", installation.app.clock.now()
    assert ask("GET", path, team.viewer).json()["mapping"]["since"] is None

    wanted = {"preset": "purchases", "name": "Sales", "visitors": [], "clicks": "link"}
    wanted |= {"attribution": ["1d_view", "7d_click"]}
    changed = ask("PATCH", path, team.editor, json={"mapping": wanted}).json()

    mapping = changed["mapping"]
    assert (mapping["name"], mapping["conversions"], mapping["visitors"], mapping["clicks"]) == ("Sales", ["purchases"], [], "link")
    assert mapping["attribution"] == ["7d_click", "1d_view"]
    assert (datetime.fromisoformat(mapping["since"]), changed["sync_status"]) == (now, "queued")
    installation.finish(installation.work(installation.claim())[0])
    latest = "SELECT max(date) FROM metric_facts WHERE visitors <> 0 AND connection_id = ?"
    assert installation.rows(latest, [team.connection.id]) == [(team.connection.today(now) - timedelta(days=29),)]
    assert ask("PATCH", path, team.editor, json={"mapping": wanted}).json()["sync_status"] == "idle"


def test_what_an_account_reports_is_read_when_asked_and_then_known(ask, installation, team):
    path = f"/connections/{team.connection.id}/mapping"
    before = ask("GET", path, team.viewer).json()
    refused = ask("POST", f"{path}/preview", team.viewer, json={"preset": "purchases"})
    calls = len(installation.sandbox.calls.calls())
    read = ask("POST", f"{path}/types", team.editor).json()
    preview = ask("POST", f"{path}/preview", team.viewer, json={"conversions": ["leads"]}).json()

    assert (before["mapping"]["name"], before["reported"]) == ("default", None)
    assert (refused.status_code, "is not known yet" in refused.json()["detail"]) == (400, True)
    assert len(installation.sandbox.calls.calls()) == calls + 1
    assert ask("GET", path, team.viewer).json() == read
    counts = {kind["names"][0]: (kind["count"], kind["metrics"]) for kind in read["reported"]["types"]}
    changes = {change["metric"]: (change["now"], change["then"]) for change in preview["changes"]}
    assert counts["lead"] == (changes["leads"][0], ["leads", "conversions"])
    assert changes["conversions"][1] == changes["leads"][0] != changes["conversions"][0]
    assert ask("GET", path, team.viewer).json()["mapping"] == before["mapping"]


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_cursor_with_an_instant_that_is_none_is_refused(ask, team, instant):
    cursor = base64.urlsafe_b64encode(json.dumps(["last_completed", instant, "n", "7a"]).encode()).decode()

    answer = ask("GET", "/connections/", team.viewer, params={"sort": "last_completed", "cursor": cursor})

    assert answer.status_code == 400
