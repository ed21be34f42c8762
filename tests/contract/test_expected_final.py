"""How often four of five days end within the band that was expected of them, on the sandbox's accounts."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import duckdb
import pyarrow as pa
import pytest

from adpulse.metrics import METRICS, MICROS
from adpulse_sandbox import Sandbox
from storage.warehouse import schema

DAY = timedelta(days=1)
FIRST, FOLLOWED, LOOKBACK = date(2026, 1, 5), 90, 28
AGES = range(1, 8)
TRIED = ("conversions", "revenue", "purchases")
ASKED_ON = [FIRST + (FOLLOWED + LOOKBACK + 1 + 4 * number) * DAY for number in range(15)]


class Followed:
    """An account's totals at each midnight, as adpulse notes them when it follows every day, and what the view expects."""

    def __init__(self, truth, account):
        self.truth, self.account = truth, account
        self.known = {}
        for day in (FIRST + number * DAY for number in range((ASKED_ON[-1] - FIRST).days + LOOKBACK + 1)):
            for row in self.at(datetime.combine(day + DAY, datetime.min.time(), account.zone), day):
                self.known[row["date"], (day - row["date"]).days] = row

    def at(self, instant, until):
        since = until - LOOKBACK * DAY
        return self.truth.account_totals(self.account.id, since, until, instant.astimezone(UTC), complete=True).to_pylist()

    def deltas(self, until):
        """Rows of ``followed_days`` of the days that are settled before ``until``."""
        days = (until - LOOKBACK * DAY - number * DAY for number in range(1, FOLLOWED + 1))
        for day in days:
            for metric in TRIED:
                values = [0, *(self.known[day, age][metric] or 0 for age in range(LOOKBACK + 1) if (day, age) in self.known)]
                for age, (before, after) in enumerate(pairwise(values)):
                    if after != before:
                        yield {"date": day, "metric": metric, "age_days": age, "delta": after - before}

    def expected(self, today):
        """How each young day ended between the bounds of its band as known at midnight, in units.

        The sandbox's late conversions arrive at one time of the day, those of a platform all day long: at midnight both are alike.
        """
        midnight = datetime.combine(today, datetime.min.time(), self.account.zone)
        young = [row for row in self.at(midnight, today) if (today - row["date"]).days in AGES]
        zone, currency = self.account.spec.timezone, self.account.spec.currency
        own = {"level": "ad", "external_id": "a1", "campaign_id": "k1", "first_seen_at": midnight, "changed_at": midnight, "run_id": "r"}
        account = {"id": "c1", "provider": "meta", "external_id": "1", "name": "", "gross_margin": 1}
        tables = {
            "connections": [account | {"currency": currency, "timezone": zone}],
            "metric_facts": [{name: row[name] for name in ("date", *METRICS)} | own for row in young],
            "read_days": [{"level": "leaf", "date": row["date"], "fresh_until": midnight, "settled": False} for row in young],
            "followed_days": list(self.deltas(today)),
        }
        with duckdb.connect() as warehouse:
            schema.migrate(warehouse)
            for table, rows in tables.items():
                of_connection = {} if table == "connections" else {"connection_id": "c1"}
                warehouse.register("rows_of_table", pa.Table.from_pylist([row | of_connection for row in rows]))
                warehouse.execute(f"INSERT INTO raw.{table} BY NAME FROM rows_of_table")
            expected = warehouse.sql("SELECT date, metric, low, high FROM expected_final WHERE level = 'account'").fetchall()
        return [(low, (self.known[day, LOOKBACK][metric] or 0) / MICROS, high) for day, metric, low, high in expected]


@pytest.mark.slow  # tests/storage/test_expected_final.py has the rules
@pytest.mark.parametrize("name", ["Harbor Outdoor", "Lantern Books"])
def test_four_of_five_days_end_within_the_band(name):
    with Sandbox.start() as sandbox:
        (account,) = (each for each in sandbox.world.accounts.values() if each.spec.name == name)
        followed = Followed(sandbox.truth, account)
        rows = [row for today in ASKED_ON for row in followed.expected(today)]

    within = sum(low <= final <= high for low, final, high in rows) / len(rows)
    print(f"{name}: {len(rows)} days and metrics, {within:.1%} within the band")
    assert len(rows) > 200
    assert 0.75 <= within <= 0.85
