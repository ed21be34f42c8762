"""Exchange rates: which one counts on a day, and the rows of daily in one currency."""

from datetime import timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from storage.warehouse.analytics import read

DAY = timedelta(days=1)
ONE = 1_000_000


def rates(*rows):
    schema = pa.schema([("date", pa.date32()), ("currency", pa.string()), ("per_euro", pa.decimal128(18, 8))])
    return pa.Table.from_pylist([{"date": day, "currency": code, "per_euro": Decimal(value)} for day, code, value in rows], schema=schema)


@pytest.fixture
def accounts(workspace, build):
    """Two accounts with a day of 100 units each, in dollars and in yen, and ten days that were read."""
    for number, (connection_id, currency) in enumerate((("c1", "USD"), ("c2", "JPY")), start=1):
        days = {"since": build.today - 9 * DAY, "until": build.today}
        row = {
            "connection_id": connection_id,
            "spend": 100 * ONE,
            "revenue": 400 * ONE,
            "profit": 20 * ONE,
            "conversions": 3 * ONE,
            "clicks": 7,
        }
        connection = build.connection(connection_id, currency=currency)
        run = build.noted(build.ads(row, **days), connection_id=connection_id, generation=number, connection=connection)
        workspace.sync(run, connections=[connection])
    return workspace


def test_what_is_imported_again_changes_only_what_differs_and_is_published(accounts, build):
    assert accounts.warehouse.store_rates(rates((build.today, "USD", "1.25"), (build.today, "JPY", "160"))) == 2
    assert accounts.warehouse.store_rates(rates((build.today, "USD", "1.25"), (build.today, "JPY", "150"))) == 1
    assert accounts.warehouse.store_rates(rates((build.today, "USD", "1.25"))) == 0

    published = read(accounts.published, "SELECT currency, per_euro FROM fx_rates ORDER BY 1").to_pylist()
    assert [(row["currency"], row["per_euro"]) for row in published] == [("JPY", 150), ("USD", Decimal("1.25"))]


def test_a_rate_counts_on_its_day_and_on_five_more(accounts, build):
    first = build.today - 8 * DAY
    accounts.warehouse.store_rates(rates((first, "USD", "1.25"), (first + DAY, "USD", "1.2")))

    counted = dict(accounts.rows("SELECT date, per_euro FROM fx WHERE currency = 'USD'"))
    assert counted == {first: Decimal("1.25"), **{first + n * DAY: Decimal("1.2") for n in range(1, 7)}}
    assert {day for (day,) in accounts.rows("SELECT rate_date FROM fx WHERE currency = 'USD'")} == {first, first + DAY}


@pytest.mark.parametrize(
    ("wanted", "in_dollars", "in_yen"),
    [("EUR", 100 / 1.25, 100 / 160), ("usd", 100, 100 / 160 * 1.25), ("JPY", 100 / 1.25 * 160, 100)],
)
def test_amounts_of_all_accounts_are_in_one_currency_and_counts_as_they_are(accounts, build, wanted, in_dollars, in_yen):
    accounts.warehouse.store_rates(rates((build.today, "USD", "1.25"), (build.today, "JPY", "160")))

    rows = accounts.rows(
        f"SELECT currency, account_currency, spend, revenue, profit, conversions, clicks FROM daily_in('{wanted}') ORDER BY 2"
    )

    assert [row[:2] for row in rows] == [(wanted.upper(), "JPY"), (wanted.upper(), "USD")]
    assert [float(row[2]) for row in rows] == pytest.approx([in_yen, in_dollars], abs=1e-6)
    assert [row[3] for row in rows] == pytest.approx([4 * row[2] for row in rows], abs=Decimal("0.00001"))
    assert [row[4] for row in rows] == pytest.approx([row[2] / 5 for row in rows], abs=Decimal("0.00001"))
    assert {row[5:] for row in rows} == {(3, 7)}


def test_without_a_rate_an_amount_is_null_and_the_accounts_own_currency_needs_none(accounts):
    rows = accounts.rows("SELECT account_currency, spend, fx_rate FROM daily_in('USD') ORDER BY 1")

    assert rows == [("JPY", None, None), ("USD", 100, 1)]


def test_rates_stay_when_a_connection_is_deleted(accounts, build):
    accounts.warehouse.store_rates(rates((build.today, "USD", "1.25")))

    accounts.warehouse.erase("c1")

    assert accounts.rows("SELECT currency, per_euro FROM fx_rates") == [("USD", Decimal("1.25"))]


def test_a_workspace_without_numbers_takes_rates(workspace, build):
    workspace.warehouse.store_rates(rates((build.today, "USD", "1.25")))

    assert workspace.rows("SELECT currency FROM fx_rates") == [("USD",)]
