"""``adpulse budgets``: one is set, listed with its pace, exported, imported and removed."""

import json


def test_a_budget_is_set_listed_exported_imported_and_removed(adpulse, installation, tmp_path):
    connection = installation.synced("Corner Store 1")

    assert adpulse("budgets", "set", "250", "--period", "daily", "--connection", connection.name)[0] == 0
    code, out, _ = adpulse("budgets", "list")
    assert (code, "250.00" in out, connection.name in out) == (0, True, True)
    (pace,) = json.loads(adpulse("budgets", "list", "--json")[1])
    assert pace["budget"]["amount"] == 250_000_000

    file = tmp_path / "budgets.csv"
    file.write_text(adpulse("budgets", "export")[1])
    assert adpulse("budgets", "remove", pace["budget"]["id"])[0] == 0
    assert "Budgets that are set: 1." in adpulse("budgets", "import", str(file))[1]
    assert adpulse("budgets", "set", "much", "--connection", connection.name)[0] == 2
