"""Alerts by the command line."""


def test_an_alert_is_made_run_listed_and_removed(adpulse, installation):
    connection = installation.connect("Corner Store 1")
    assert "Nothing was published yet" in (adpulse("alerts", "add", "early", "SELECT 1"), adpulse("alerts", "run", "early"))[1][2]
    installation.sync(connection)

    assert adpulse("alerts", "add", "spend", "SELECT connection, currency FROM daily GROUP BY ALL")[0] == 0
    shown = adpulse("alerts", "run", "spend")[1]
    assert connection.name in shown
    assert connection.currency in shown
    assert "spend  new" in adpulse("alerts", "list")[1]
    assert adpulse("alerts", "remove", "spend")[1] == "Alert spend is removed.\n"
    assert adpulse("alerts", "run", "spend")[0] == 2


def test_no_rows_are_told_in_a_sentence(adpulse, installation):
    installation.synced("Corner Store 1")
    adpulse("alerts", "add", "quiet", "SELECT 1 WHERE false")

    assert adpulse("alerts", "run", "quiet")[1] == "No rows: it is quiet.\n"


def test_an_alert_is_chosen_from_a_template_tried_and_added(adpulse, installation):
    connection = installation.synced("Corner Store 1")
    choice = ("alerts", "choose", "daily-overspend", "--bound", "0.5", "--connection", connection.name)

    assert "daily-overspend" in adpulse("alerts", "templates")[1]
    code, out, _ = adpulse(*choice)
    assert (code, installation.app.alerts.all()) == (0, [])
    assert f"{connection.name} spends more than 0.5 in a day. It would have told you on 30 of the last 30 days." in " ".join(out.split())
    assert adpulse(*choice, "--add")[0] == 0
    assert [alert.name for alert in installation.app.alerts.all()] == [f"{connection.name} spends more than 0.5 in a day"]
