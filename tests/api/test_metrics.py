"""What Prometheus reads: true, of a bounded number of series, told in full on the page, and used by the alerts."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, select

from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, RunState
from adpulse.platforms.google.settings import GoogleSettings
from adpulse.platforms.meta.settings import MetaSettings
from storage.control.leader import SWEEP
from storage.control.tables import CallRow, ConnectionRow

DOCS = Path(__file__).parents[2] / "docs"
ALERTS = yaml.safe_load((DOCS / "alerts.yml").read_text())
WORDS = re.compile(r"\badpulse_[a-z_]+\b")


@pytest.fixture
def scrape(ask, operator):
    """Families by name; the parser refuses what Prometheus would."""

    def read():
        answer = ask("GET", "/metrics", operator)
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return {family.name: family for family in text_string_to_metric_families(answer.text)}

    return read


def values(family):
    """By the labels' values, in the order of their names."""
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


@pytest.mark.usefixtures("numbers")
def test_the_page_lists_every_metric_with_its_type_and_labels_and_no_other(scrape, installation):
    installation.app.leadership.take(SWEEP, "worker")
    installation.connect("Alpenglow Reisen", token="full")
    rows = re.findall(r"^\| `(adpulse_\w+)` \| (\w+) \|([^|]*)\|", (DOCS / "operations.md").read_text(), re.MULTILINE)
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}

    scrape()
    exposed = {name: (family.type, {label for sample in family.samples for label in sample.labels}) for name, family in scrape().items()}

    assert {name: kind for name, (kind, _) in exposed.items()} == {name: kind for name, (kind, _) in told.items()}
    seen = {name: labels for name, (_, labels) in exposed.items() if labels}
    assert seen == {name: told[name][1] for name in seen}


def test_what_it_counts_is_what_there_is(scrape, installation, team, others):
    installation.app.leadership.take(SWEEP, "worker")
    installation.app.connections.set_status(others.connection.id, ConnectionStatus.PAUSED, "why")
    installation.app.connections.set_frequency(team.connection.id, "hourly")
    run = installation.sync(team.connection)

    found = scrape()

    assert run.state is RunState.DONE
    assert values(found["adpulse_connections"]) == {("hourly", "meta", "active"): 1, ("manual", "meta", "paused"): 1}
    assert values(found["adpulse_rows_fetched_last_hour"])["meta",] == run.counts.fetched
    assert values(found["adpulse_rows_written_last_hour"])["meta",] == run.counts.inserted + run.counts.updated
    assert values(found["adpulse_calls_last_hour"]) == {("meta",): run.calls, ("google",): 0}
    assert values(found["adpulse_account_calls_limit"]) == {(): 180}
    assert values(found["adpulse_scope_calls"]) == {("meta",): run.calls}
    assert values(found["adpulse_runs_last_hour"]) == {("meta", "done"): 1, ("meta", "dead"): 2}
    assert values(found["adpulse_freshness_seconds"])["+Inf", "meta"] == 1
    assert values(found["adpulse_freshness_oldest_seconds"]) == {("meta",): 0}
    assert 0 <= values(found["adpulse_worker_seen_seconds"])[()] < 60


def test_the_days_that_api_versions_have_left_are_counted(scrape, installation, monkeypatch):
    versions = installation.app.settings.with_platform_settings(MetaSettings(version="v25.0"))
    monkeypatch.setattr(installation.app, "settings", versions.with_platform_settings(GoogleSettings(version="v26")))
    installation.sandbox.clock.set(datetime(2027, 2, 20, 23, tzinfo=UTC))

    assert values(scrape()["adpulse_api_version_days_left"]) == {("google", "v26"): 254, ("meta", "v25.0"): 3}


@pytest.mark.usefixtures("numbers")
def test_thousands_of_accounts_are_no_more_series_than_a_few(scrape, installation, team):
    scrape()
    before = {name: len(family.samples) for name, family in scrape().items()}
    with installation.engine.begin() as session:
        row = dict(session.execute(select(ConnectionRow.__table__).where(ConnectionRow.id == team.connection.id)).one()._mapping)
        session.execute(insert(ConnectionRow), [row | {"id": f"c{number}", "external_id": f"x{number}"} for number in range(2000)])
        calls = [{"key": f"google:{n}", "scope": f"google:{n}", "at": installation.sandbox.clock.now(), "heat": "hot"} for n in range(2000)]
        session.execute(insert(CallRow), calls)

    after = scrape()

    assert sum(value for value in values(after["adpulse_connections"]).values()) == 2001
    assert {name: len(family.samples) - before[name] for name, family in after.items() if len(family.samples) != before[name]} == {
        "adpulse_scope_calls": 50
    }


def test_requests_are_counted_by_route_and_not_by_path(ask, scrape, team):
    for path in (f"/connections/{team.connection.id}", "/connections/nobody", "/nowhere/1", "/nowhere/2"):
        ask("GET", path, team.viewer)
    requests.request("BREW", ask.address + "/coffee", timeout=30)
    counted = {
        (each.labels["route"], each.labels["method"], each.labels["status"])
        for each in scrape()["adpulse_http_request_duration_seconds"].samples
    }

    assert {
        ("/connections/{connection_id}", "GET", "2xx"),
        ("/connections/{connection_id}", "GET", "4xx"),
        ("unknown", "GET", "4xx"),
        ("unknown", "unknown", "4xx"),
    } <= counted
    assert not [route for route, _, _ in counted if "nowhere" in route or team.connection.id in route or "coffee" in route]


def test_this_machine_needs_no_key_only_where_the_setting_says_so_and_never_through_a_proxy(ask, set_up):
    assert ask("GET", "/metrics").status_code == 401

    set_up(ADPULSE_METRICS_ON_LOOPBACK="true")

    assert ask("GET", "/metrics").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert requests.get(ask.address + "/metrics", headers={header: "127.0.0.1"}, timeout=30).status_code == 401


def test_a_page_whose_name_was_rebound_to_this_machine_needs_a_key(ask, set_up):
    set_up(ADPULSE_METRICS_ON_LOOPBACK="true")
    port = ask.address.rpartition(":")[2]

    statuses = {
        host: requests.get(ask.address + "/metrics", headers={"Host": host}, timeout=30).status_code
        for host in (f"evil.example:{port}", f"evil_1.example:{port}", f"localhost:{port}", "[::1]", "[")
    }

    assert statuses == {f"evil.example:{port}": 401, f"evil_1.example:{port}": 401, f"localhost:{port}": 200, "[::1]": 200, "[": 401}


def test_neither_a_key_nor_a_token_is_in_it(ask, operator, installation, team):
    text = ask("GET", "/metrics", operator).text

    secret = installation.app.credentials.open(team.connection.credential_id).get_secret_value()
    assert [each for each in (operator, team.viewer, secret, team.connection.external_id) if each in text] == []


def test_every_alert_says_what_to_do_and_uses_metrics_that_are_there(scrape, installation):
    installation.app.leadership.take(SWEEP, "worker")
    scrape()
    names = {sample.name for family in scrape().values() for sample in family.samples} | set(scrape())
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]

    assert len(rules) == len({rule["alert"] for rule in rules}) > 5
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["labels"]["severity"] in ("page", "warn")
        assert set(rule["annotations"]) == {"summary", "action"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
        used = set(WORDS.findall(rule["expr"]))
        assert used
        assert {word for word in used if word not in names and re.sub("_(bucket|count|sum)$", "", word) not in names} == set()


def test_the_statuses_and_frequencies_that_alerts_name_are_there():
    expressions = " ".join(rule["expr"] for group in ALERTS["groups"] for rule in group["rules"])

    named = {value for each in re.findall(r'(?:status|frequency)!?=~?"([a-z_|]+)"', expressions) for value in each.split("|")}
    assert named - set(ConnectionStatus) - set(Frequency) == set()
