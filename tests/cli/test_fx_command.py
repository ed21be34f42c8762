"""``adpulse fx``: rates of a file are in every workspace's published file."""

from decimal import Decimal

from storage.warehouse.analytics import read

FILE = "Date,USD,JPY,\n{day},1.25,160,\n"


def test_rates_are_imported_and_amounts_are_seen_in_one_currency(adpulse, installation, tmp_path):
    connection = installation.synced("Corner Store 1")
    today = connection.today(installation.sandbox.clock.now())
    file = tmp_path / "eurofxref-hist.csv"
    file.write_text(FILE.format(day=today))

    code, out, _ = adpulse("fx", "import", str(file))
    again = adpulse("fx", "import", str(file))[1]

    select = (
        "SELECT d.currency, account_currency, d.spend, e.spend AS own FROM daily_in('EUR') d JOIN daily e USING (external_id, date, level)"
    )
    rows = read(installation.published(), f"{select} WHERE date = ? AND own > 0", [today]).to_pylist()
    assert (code, "2 rates are new or changed" in out, "0 rates are new or changed" in again) == (0, True, True)
    assert {(row["currency"], row["account_currency"]) for row in rows} == {("EUR", "USD")}
    assert all(abs(row["spend"] - row["own"] / Decimal("1.25")) < Decimal("0.000002") for row in rows)


def test_a_file_of_something_else_is_wrong_usage_and_stores_nothing(adpulse, installation, tmp_path):
    installation.synced("Corner Store 1")
    file = tmp_path / "numbers.csv"
    file.write_text("Day,Cost\n2026-03-20,7\n")

    code, _, error = adpulse("fx", "import", str(file))

    assert (code, "no file of the European Central Bank" in error) == (2, True)
    assert read(installation.published(), "FROM fx_rates").num_rows == 0


def test_a_workspace_gets_a_reporting_currency_and_loses_it(adpulse, installation):
    name = installation.workspace.name

    outs = [adpulse("workspace", "currency", name, *words) for words in (("eur",), ("--none",), (), ("EURO",))]

    assert [code for code, _, _ in outs] == [0, 0, 2, 2]
    assert [out.strip() for _, out, _ in outs[:2]] == [
        f"Today of {name} has one total in EUR.",
        f"Today of {name} has no total of all currencies.",
    ]
    assert "no code of a currency" in outs[3][2]
