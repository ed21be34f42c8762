"""An agency's installation in one workspace, for measuring what reads it: 405 connections, 1 million facts, 6 million changes.

Connections, labels and budgets go through the product's own stores; what months of syncs would have left is written by SQL.
Numbers are deterministic but for the instant at which it is made: days end today, in each account's own zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
from pydantic import SecretStr
from sqlalchemy import insert, update

from adpulse.bootstrap import App
from adpulse.budgets import Budget, Period
from adpulse.metrics import METRICS
from adpulse.model import AccountFacts, FetchKind, Heat, Provider, RunState
from adpulse.platforms.registry import PLATFORMS
from storage.control import database
from storage.control.database import Engine
from storage.control.new_connections import NewConnection, NewCredential
from storage.control.tables import CallRow, ConnectionRow, PartitionRow, RunRow
from storage.warehouse import schema

CONNECTIONS = 405
DAYS = 92
CHANGES = 6
"""Changes of each leaf's day: five of the running day, and one two days later."""

LABELS = 27
CAMPAIGN_BUDGETS = 40
ALERTS = 20
RUNS, CALLS = 40, 60
"""Closed syncs of each connection, and its calls of the last hour."""

_SIZES = ((5, 400), (55, 80), (CONNECTIONS, 14))
"""Up to which connection each has how many leaves: few accounts are large."""

_LEAVES_OF_CAMPAIGN, _LEAVES_OF_AD_SET = 20, 5
_ZONES = ("America/New_York", "Europe/Berlin", "Europe/London", "Asia/Tokyo", "Australia/Adelaide", "Asia/Kolkata")
_CURRENCIES = ("USD", "EUR", "GBP", "JPY")
_FREQUENCIES = ("5min", "10min", "hourly")
_PER_EURO = {"USD": "1.08", "GBP": "0.85", "JPY": "162.5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """What was made: the workspace, and the largest account with one of its campaigns and an ad set of that."""

    workspace_id: str
    account: str
    campaign: str
    ad_set: str


def build(app: App) -> Agency:
    """Make the installation in a new control plane, and publish its workspace's file."""
    workspace, engine, now = app.workspaces.create("Agency"), database.connect(app.settings.control_url), app.clock.now()
    app.workspaces.set_reporting_currency(workspace.id, "EUR")
    ids = app.imports.store(workspace.id, [_credential(provider, number) for number, provider in enumerate(PLATFORMS)])
    _telemetry(engine, ids, now)
    app.budgets.put(workspace.id, _budgets(app, workspace.id, ids))
    for number in range(ALERTS):
        app.alerts.create(workspace.id, f"Alert {number}", "SELECT connection, spend FROM account_day WHERE spend > 1000")
    _write_warehouse(app, workspace.id, now)
    largest = _in_order(app, workspace.id)[0]
    return Agency(workspace_id=workspace.id, account=largest, campaign="k0", ad_set="g0")


def _size(number: int) -> int:
    return next(size for until, size in _SIZES if number < until)


def _credential(provider: Provider, offset: int) -> NewCredential:
    """A token and every second of the connections, from ``offset`` on."""
    connections = [
        NewConnection(
            provider=provider,
            facts=AccountFacts(
                external_id=str(1_000_000_000 + number),
                name=f"Client {number // 15 + 1} {_ZONES[number % len(_ZONES)].partition('/')[2]} {number}",
                currency=_CURRENCIES[number % 7 % len(_CURRENCIES)],
                timezone=_ZONES[number % len(_ZONES)],
                enabled=True,
                status="ACTIVE",
            ),
            scope=f"{provider}:bench",
            frequency=_FREQUENCIES[number % len(_FREQUENCIES)],
            gross_margin=Decimal("0.4"),
            labels=frozenset({f"Client {number // 15 + 1}", "search" if number % 3 else "shop"}),
        )
        for number in range(offset, CONNECTIONS, 2)
    ]
    return NewCredential(provider=provider, secret=SecretStr("not asked"), expires_at=None, connections=connections)


def _in_order(app: App, workspace_id: str) -> list[str]:
    """The connections' ids in the order of the numbers in their accounts' ids."""
    views = app.connections.all(workspace_id)
    return [view.connection.id for view in sorted(views, key=lambda view: view.connection.external_id)]


def _telemetry(engine: Engine, ids: Sequence[str], now: datetime) -> None:
    """What syncs leave in the control plane: status fields, closed runs, calls of the last hour, and what was read."""
    fresh = {"last_sync_attempted_at": now, "last_sync_completed_at": now, "last_metrics_changed_at": now, "sync_status": "idle"}
    sizes = {"ad_count": 80, "campaign_count": 4, "delivering_ads": 60, "delivering_campaigns": 4, "next_due_at": now + timedelta(days=1)}
    counts = {"total_syncs_attempted": 9_000, "total_syncs_with_changes": 6_000}
    with engine.begin() as session:
        session.execute(update(RunRow).values(state=RunState.DONE.value, started_at=now, finished_at=now))
        session.execute(update(ConnectionRow).values(**fresh, **sizes, **counts))
        session.execute(insert(RunRow), [_run(connection, number, now) for connection in ids for number in range(RUNS)])
        keys = [f"{list(PLATFORMS)[number % 2]}:{1_000_000_000 + number}" for number in range(CONNECTIONS)]
        session.execute(insert(CallRow), [_call(key, number, now) for key in keys for number in range(CALLS)])
        session.execute(insert(PartitionRow), [_read(connection, number, now) for connection in ids for number in (0, 1, 2, 28)])


def _run(connection_id: str, number: int, now: datetime) -> dict[str, Any]:
    at = now - timedelta(minutes=30 * (number + 1))
    written = {"fetched": 80, "inserted": 0, "updated": number % 3, "unchanged": 80, "calls": 1}
    instants = {"requested_at": at, "started_at": at, "finished_at": at}
    names = {"workspace_id": "", "provider": "meta", "state": RunState.DONE.value, "parts": "both"}
    return {"id": f"{connection_id}-{number}", "connection_id": connection_id, **names, **instants, **written}


def _call(key: str, number: int, now: datetime) -> dict[str, Any]:
    return {"key": key, "scope": key, "at": now - timedelta(seconds=50 * number), "heat": Heat.HOT.value}


def _read(connection_id: str, ago: int, now: datetime) -> dict[str, Any]:
    """A range of days that were read together, which ends so many days ago; the last one is all final days."""
    days = DAYS - 28 if ago == 28 else 26 if ago == 2 else 1  # noqa: PLR2004 - the two ranges of more than a day
    first = (now - timedelta(days=ago + days - 1)).date()
    return {"connection_id": connection_id, "kind": FetchKind.ADS.value, "day": first.isoformat(), "days": days, "fetched_at": now}


def _budgets(app: App, workspace_id: str, ids: Sequence[str]) -> list[Budget]:
    """One of each account, of each label in dollars, and of some campaigns."""
    currencies = {view.connection.id: view.connection.currency for view in app.connections.all(workspace_id)}

    def budget(currency: str, period: Period, connection_id: str | None = None, label: str = "", campaign_id: str = "") -> Budget:
        return Budget(
            id="",
            workspace_id=workspace_id,
            connection_id=connection_id,
            label=label,
            campaign_id=campaign_id,
            currency=currency,
            period=period,
            amount=5_000_000_000,
        )

    accounts = [budget(currencies[one], Period.MONTHLY, connection_id=one) for one in ids]
    labels = [budget("USD", Period.MONTHLY, label=f"Client {number + 1}") for number in range(LABELS)]
    campaigns = [budget(currencies[one], Period.DAILY, connection_id=one, campaign_id="k0") for one in ids[:CAMPAIGN_BUDGETS]]
    return [*accounts, *labels, *campaigns]


def _write_warehouse(app: App, workspace_id: str, now: datetime) -> None:
    """Fill the workspace's file, and publish it as the product does."""
    folder = app.settings.home / "warehouse"
    folder.mkdir(parents=True, exist_ok=True)
    connections = [view.connection for view in app.connections.all(workspace_id)]
    accounts = [
        (of.id, of.provider, of.external_id, of.name, of.currency, of.timezone, of.today(now), _size(int(of.external_id) - 1_000_000_000))
        for of in connections
    ]
    with duckdb.connect(folder / f"{workspace_id}.duckdb") as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        schema.migrate(warehouse)
        texts = ", ".join(f"{name} VARCHAR" for name in ("id", "provider", "external_id", "name", "currency", "timezone"))
        warehouse.execute(f"CREATE TEMP TABLE account ({texts}, today DATE, leaves INTEGER)")
        warehouse.executemany("INSERT INTO account VALUES (?, ?, ?, ?, ?, ?, ?, ?)", accounts)
        for statement in _statements(now):
            warehouse.execute(statement)
    app.warehouse(workspace_id).publish(min_interval_seconds=0)


def _statements(now: datetime) -> list[str]:
    """In the order in which they need each other. Sums are those of the facts, so that the pages' numbers add up."""
    at = f"TIMESTAMPTZ '{now.isoformat()}'"
    names, so_far = ", ".join(METRICS), ", ".join(f"{name} * s // {CHANGES} AS {name}" for name in METRICS)
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in METRICS)
    origin = f"{at} AS first_seen_at, {at} AS changed_at, 'r' AS run_id"
    return [
        "INSERT INTO raw.connections BY NAME SELECT id, provider, external_id, name, currency, timezone, 0.4 AS gross_margin FROM account",
        f"""CREATE TEMP TABLE leaf AS
            SELECT a.id AS connection_id, 'ad' AS level, 'a' || n AS external_id, 'k' || n // {_LEAVES_OF_CAMPAIGN} AS campaign_id,
                'g' || n // {_LEAVES_OF_AD_SET} AS ad_set_id, if(a.provider = 'meta', 'adset', 'ad_group') AS ad_set_level, n, a.today
            FROM account a, range(a.leaves) t(n)""",
        _entities(origin),
        f"""CREATE TEMP TABLE numbers AS
            SELECT connection_id, level, external_id, campaign_id, date, {_values()}
            FROM (SELECT *, today - d::INTEGER AS date, (hash(connection_id, n, d) % 97 + 3)::BIGINT AS h FROM leaf, range({DAYS}) u(d))""",
        f"INSERT INTO metric_facts BY NAME SELECT *, {origin} FROM numbers ORDER BY date, connection_id, external_id",
        f"""INSERT INTO metric_changes BY NAME
            SELECT connection_id, level, external_id, campaign_id, date, {so_far},
                {sum(metric.bit for metric in METRICS.values())} AS changed, 'platform' AS cause,
                (date + if(s = {CHANGES}, 2, 0)::INTEGER)::TIMESTAMPTZ + to_hours(4 * s) AS changed_at, 'r' AS run_id, s AS generation
            FROM numbers, range(1, {CHANGES} + 1) v(s)
            ORDER BY date, s, connection_id, external_id""",
        f"""INSERT INTO platform_totals BY NAME
            SELECT connection_id, 'campaign' AS level, campaign_id AS external_id, campaign_id, date, {sums}, {origin}
            FROM numbers GROUP BY ALL ORDER BY date, connection_id""",
        f"""INSERT INTO account_totals BY NAME
            SELECT connection_id, 'account' AS level, connection_id AS external_id, '' AS campaign_id, date, {sums}, {origin}
            FROM numbers GROUP BY ALL ORDER BY date, connection_id""",
        f"""INSERT INTO unreported BY NAME
            SELECT connection_id, campaign_id, date, {names}, {at} AS changed_at, 'r' AS run_id
            FROM numbers WHERE external_id = 'a0' AND day(date) % 10 = 0""",
        *_days(at),
        *_rates(now.date()),
    ]


def _values() -> str:
    """The metrics of a leaf's day, from a number ``h`` between 3 and 99 and the leaf's number ``n``."""
    known = {"impressions": "h * 90", "clicks": "h * 3", "spend": "h * 410000 // (n % 9 + 1)", "revenue": "h * 1230000 // (n % 9 + 1)"}
    known["profit"] = f"({known['revenue']}) * 2 // 5 - ({known['spend']})"
    return ", ".join(f"({known.get(name, 'h // 10 * 1000000')})::BIGINT AS {name}" for name in METRICS)


def _entities(origin: str) -> str:
    return f"""
        INSERT INTO entities BY NAME
        SELECT *, 'ACTIVE' AS status, NULL AS objective, '{{}}' AS attributes, {origin} FROM (
            SELECT connection_id, 'ad' AS level, external_id, ad_set_id AS parent_id, 'Ad ' || n AS name FROM leaf
            UNION ALL
            SELECT DISTINCT connection_id, ad_set_level, ad_set_id, campaign_id, 'Ad set ' || ad_set_id FROM leaf
            UNION ALL
            SELECT DISTINCT connection_id, 'campaign', campaign_id, NULL, 'Campaign ' || campaign_id FROM leaf
        )"""


def _days(at: str) -> list[str]:
    """What was read when, the courses of running days, and what was followed and restated."""
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in METRICS)
    so_far = ", ".join(f"{name} * quarter // 96 AS {name}" for name in METRICS)
    additive = [name for name, metric in METRICS.items() if metric.additive]
    changed = ", ".join(f"'{name}'" for name in additive)
    deltas = "CASE f.metric " + " ".join(f"WHEN '{name}' THEN {name}" for name in additive) + " END"
    return [
        f"""INSERT INTO read_days BY NAME
            SELECT id AS connection_id, level, today - d::INTEGER AS date, {at} - to_hours(d) AS fresh_until, d > 28 AS settled,
                if(d > 0, {at} - to_days(d::INTEGER - 1), NULL) AS complete_at,
                if(d > 0, {at} - to_days(d::INTEGER - 1), NULL) AS conversions_complete_at
            FROM account, range({DAYS}) u(d), (VALUES ('leaf'), ('campaign')) l(level)
            ORDER BY date, id""",
        f"CREATE TEMP TABLE account_sums AS SELECT connection_id, date, {sums} FROM numbers GROUP BY ALL",
        f"""INSERT INTO intraday_points BY NAME
            SELECT s.connection_id, s.date, {so_far}, s.date::TIMESTAMP AT TIME ZONE a.timezone + to_minutes(15 * quarter) AS known_at
            FROM account_sums s JOIN account a ON a.id = s.connection_id, range(1, 97) q(quarter)
            WHERE s.date > a.today - 28 AND known_at <= {at}
            ORDER BY known_at, s.connection_id""",
        f"""INSERT INTO followed_days BY NAME
            SELECT s.connection_id, s.date, f.metric, age::INTEGER AS age_days, {deltas} // 5 AS delta
            FROM account_sums s JOIN account a ON a.id = s.connection_id, unnest([{changed}]) f(metric), range(5) g(age)
            WHERE s.date < a.today - 28
            ORDER BY s.date, s.connection_id""",
        f"""INSERT INTO restated_days BY NAME
            SELECT connection_id, campaign_id, date, least(date + 2, today) AS restated_on, f.metric, ({deltas} // 50)::BIGINT AS delta
            FROM (SELECT connection_id, campaign_id, date, any_value(today) AS today, {sums}
                  FROM (SELECT n.*, a.today FROM numbers n JOIN account a ON a.id = n.connection_id) WHERE date < today - 1 GROUP BY ALL),
                unnest(['spend', 'conversions', 'revenue']) f(metric)
            WHERE hash(campaign_id, date) % 3 = 0
            ORDER BY date, connection_id""",
    ]


def _rates(today: date) -> list[str]:
    return [
        f"INSERT INTO fx_rates SELECT DATE '{today}' - d::INTEGER, '{currency}', {rate} FROM range({DAYS}) t(d)"
        for currency, rate in _PER_EURO.items()
    ]
