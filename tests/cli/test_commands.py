"""What people type, what they read, and the exit codes: 0 done, 1 failed, 2 wrong usage."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from adpulse import bootstrap, settings
from adpulse.model import ConnectionStatus, RunState
from adpulse.platforms.meta.settings import MetaSettings
from adpulse_sandbox.meta.tokens import OTHER_APP


@pytest.fixture
def token(sandbox):
    return sandbox.world.token("full").value


@pytest.fixture
def places(sandbox, token):
    return {"token": token, "account": sandbox.world.account("Sakura Tea").id, "closed": sandbox.world.account("Closed Shop").id}


@pytest.fixture
def connected(installation):
    return installation.connect("Corner Store 1", frequency="manual")


def test_an_account_is_connected_with_a_token_from_standard_input(adpulse, installation, token, sandbox):
    account = sandbox.world.account("Sakura Tea").id

    code, out, err = adpulse("connect", "meta", "-w", "Acme", "-a", f"act_{account}", "-f", "hourly", stdin=f"{token}\n")

    (view,) = installation.app.connections.all()
    assert (code, view.connection.name, view.connection.frequency.value) == (0, "Sakura Tea", "hourly")
    assert view.connection.id in out
    assert [run.state for run in installation.app.runs.history(view.connection.id)] == [RunState.QUEUED]
    assert token not in out + err


def test_a_token_that_ends_is_told_by_status_ahead_of_time(adpulse, sandbox):
    ending = sandbox.world.token("expiring").value
    adpulse("connect", "meta", "-w", "Acme", "-a", sandbox.world.account("Sakura Tea").id, stdin=ending)

    _, one, _ = adpulse("status", "Sakura Tea")
    _, told, _ = adpulse("status", "Sakura Tea", "--json")

    assert "token ends in 2 h: reconnect" in one
    assert json.loads(told)["credential_expires_at"] == sandbox.world.token("expiring").expires_at.isoformat()


def test_a_token_from_the_environment_connects_all_accounts_that_can_be_read(adpulse, installation, token, monkeypatch):
    monkeypatch.setenv("ADPULSE_META_TOKEN", token)

    code, _, _ = adpulse("connect", "meta", "-w", "Acme", "-a", "all")

    names = [view.connection.name for view in installation.app.connections.all()]
    assert code == 0
    assert "Closed Shop" not in names
    assert len(names) == 5


def test_the_token_is_never_an_argument(adpulse, token):
    code, out, err = adpulse("connect", "meta", "-w", "Acme", "--token", token)

    assert code == 2
    assert "No such option" in out + err


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        (("-a", "1"), "{token}", "does not reach account 1"),
        ((), "{token}", "choose with --account"),
        (("-a", "all"), "", "No Meta access token given"),
        (("-a", "{account}", "-f", "7min"), "{token}", "manual, 5min, 10min, 30min, hourly, daily"),
        (("-a", "{account}", "-f", "realtime"), "{token}", "grant-realtime"),
        (("-a", "{closed}"), "{token}", "disabled"),
    ],
)
def test_what_cannot_be_connected_is_refused_and_nothing_is_stored(adpulse, installation, places, arguments, stdin, told):
    code, out, err = adpulse("connect", "meta", "-w", "Acme", *(each.format(**places) for each in arguments), stdin=stdin.format(**places))

    assert code == 2
    assert told in err
    assert installation.app.connections.all() == []
    assert places["token"] not in out + err


@pytest.mark.parametrize(("token_label", "told"), [("expired", "no longer accepts"), ("unscoped", "ads_read")])
def test_a_token_that_does_not_work_is_refused_before_anything_is_stored(adpulse, installation, sandbox, token_label, told):
    code, _, err = adpulse("connect", "meta", "-w", "Acme", "-a", "all", stdin=sandbox.world.token(token_label).value)

    assert code == 1
    assert told in err
    assert installation.app.connections.all() == []


@pytest.mark.parametrize(
    ("token_label", "told"), [("page", "a Page's token"), ("app", "an app's own token"), ("strict_app", "Turn off 'Require app secret'")]
)
def test_a_token_that_cannot_be_used_says_what_to_give_or_to_do(adpulse, installation, sandbox, token_label, told):
    token = sandbox.world.token(token_label).value

    code, out, err = adpulse("connect", "meta", "-w", "Acme", "-a", "all", stdin=token)

    assert (code, installation.app.connections.all()) == (1, [])
    assert told in err
    assert token not in out + err


def test_a_token_of_another_app_is_connected_and_named(adpulse, installation, sandbox):
    told = f"issued by the app {OTHER_APP.id}, not by yours: its calls carry no proof, and it is not renewed here"
    token, account = sandbox.world.token("other_app").value, sandbox.world.account("Sakura Tea").id

    code, out, _ = adpulse("connect", "meta", "-w", "Acme", "-a", account, stdin=token)

    (view,) = installation.app.connections.all()
    assert (code, view.connection.scope) == (0, f"meta:{OTHER_APP.id}")
    assert f"The token was {told}." in out
    assert told in adpulse("status", "Sakura Tea")[1]
    assert adpulse("reconnect", "Sakura Tea", stdin=sandbox.world.token("full").value)[0] == 0
    assert told not in adpulse("status", "Sakura Tea")[1]


def test_the_same_account_again_is_a_conflict(adpulse, installation, connected, token):
    code, _, err = adpulse("connect", "meta", "-w", "Acme", "-a", connected.external_id, stdin=token)

    assert (code, len(installation.app.connections.all())) == (2, 1)
    assert "connected already" in err


@pytest.mark.parametrize("command", [("status", "Nobody"), ("sync", "Nobody"), ("frequency", "Nobody", "5min")])
def test_an_unknown_connection_is_one_sentence_and_exit_2(adpulse, command):
    code, out, err = adpulse(*command)

    assert (code, out) == (2, "")
    assert err == "There is no connection 'Nobody'. See them with: adpulse connections\n"


def test_a_wrong_frequency_lists_the_allowed_ones_and_changes_nothing(adpulse, installation, connected):
    code, _, err = adpulse("frequency", connected.name, "7min")

    assert code == 2
    assert "manual, 5min, 10min, 30min, hourly, daily" in err
    assert installation.app.connections.get(connected.id).connection.frequency.value == "manual"


@pytest.mark.parametrize("value", ["35%", "0.35"])
def test_a_margin_is_changed_and_the_sync_that_follows_it_is_queued(adpulse, installation, connected, value):
    code, out, _ = adpulse("margin", connected.name, value)

    (run,) = installation.app.runs.history(connected.id)
    assert (code, run.state) == (0, RunState.QUEUED)
    assert out == f"{connected.name}: margin 35%. Its stored days follow with the sync that is queued: {run.id}\n"
    assert json.loads(adpulse("status", connected.name, "--json")[1])["gross_margin"] == "0.350000"
    assert "35%" in adpulse("status", connected.name)[1]


@pytest.mark.parametrize(("name", "value", "told"), [("Corner Store 1", "35", "such as 35%"), ("Nobody", "35%", "There is no connection")])
def test_a_wrong_margin_or_connection_changes_nothing(adpulse, installation, connected, name, value, told):
    code, out, err = adpulse("margin", name, value)

    assert (code, out) == (2, "")
    assert told in err
    assert installation.app.connections.get(connected.id).connection.gross_margin == connected.gross_margin
    assert installation.app.runs.history(connected.id) == []


def test_a_sync_that_waits_is_cancelled_and_a_second_time_there_is_none(adpulse, connected):
    adpulse("sync", connected.name)

    code, out, _ = adpulse("cancel", connected.name)
    again, _, said = adpulse("cancel", connected.name)

    assert (code, out.startswith("Cancelled: ")) == (0, True)
    assert (again, "has no sync that waits or is under way" in said) == (2, True)


def test_a_paused_connection_takes_a_margin_and_no_sync(adpulse, installation, connected):
    installation.app.connections.set_status(connected.id, ConnectionStatus.PAUSED, None)

    code, out, _ = adpulse("margin", connected.name, "35%")

    assert (code, installation.app.runs.history(connected.id)) == (0, [])
    assert "once it is synced again" in out


def test_a_connections_limit_is_changed_shown_and_taken_back(adpulse, installation, connected):
    def limit():
        return installation.app.ledger.limit(connected.ledger_key).per_hour

    code, out, _ = adpulse("limit", connected.name, "90")
    assert (code, limit()) == (0, 90)
    assert out == f"{connected.name}: its account may be called 90 times in any hour, and 50 in 5 min while its app has limited access.\n"
    assert json.loads(adpulse("status", connected.name, "--json")[1])["calls_per_hour"] == 90
    assert "90 calls in any hour" in adpulse("status", connected.name)[1]
    assert (adpulse("limit", connected.name, "default")[0], limit()) == (0, 180)


@pytest.mark.parametrize("value", ["0", "10001", "many", "1.5", "-3"])
def test_a_wrong_limit_changes_nothing(adpulse, installation, connected, value):
    code, out, err = adpulse("limit", connected.name, "--", value)

    assert (code, out, "is no number of calls an hour" in err) == (2, "", True)
    assert installation.app.connections.get(connected.id).connection.calls_per_hour is None


def test_a_mapping_is_shown_and_chosen_and_the_sync_that_follows_it_is_queued(adpulse, installation, connected):
    before = adpulse("mapping", connected.name)
    code, out, _ = adpulse(
        "mapping", connected.name, "--preset", "purchases", "--set", "clicks=link", "--set", "attribution=28d_click", "--name", "Sales"
    )

    (run,) = installation.app.runs.history(connected.id)
    assert (before[0], "conversions     purchases, leads, installs" in before[1]) == (0, True)
    assert (code, run.state) == (0, RunState.QUEUED)
    assert f"read again by the sync that is queued: {run.id}" in out
    assert "mapping Sales in 28d_click, since" in out
    shown = json.loads(adpulse("mapping", connected.name, "--json")[1])
    assert (shown["name"], shown["conversions"], shown["clicks"]) == ("Sales", ["purchases"], "link")
    assert shown["attribution"] == ["28d_click"]
    assert "Sales in 28d_click, since" in adpulse("status", connected.name)[1]


def test_the_types_of_the_account_are_listed_and_read_once_an_hour(adpulse, installation, connected):
    before = len(installation.sandbox.calls.calls())
    code, out, _ = adpulse("mapping", connected.name)
    shown = json.loads(adpulse("mapping", connected.name, "--json")[1])

    assert (code, len(installation.sandbox.calls.calls())) == (0, before + 1)
    assert "What the account reports, 2026-02-" in out
    assert {kind["names"][0]: kind["metrics"] for kind in shown["types"]}["omni_purchase"] == ["purchases", "conversions"]
    installation.sandbox.clock.advance(3600)
    adpulse("mapping", connected.name)
    assert len(installation.sandbox.calls.calls()) == before + 2


def test_a_preview_shows_what_a_mapping_would_change_and_changes_nothing(adpulse, installation, connected):
    wanted = ("--set", "conversions=leads", "--preview")
    code, out, _ = adpulse("mapping", connected.name, *wanted)
    changes = json.loads(adpulse("mapping", connected.name, *wanted, "--json")[1])["changes"]

    by_metric = {change["metric"]: (change["now"], change["then"]) for change in changes}
    assert (code, "nothing is changed" in out) == (0, True)
    assert by_metric["conversions"] == (by_metric["purchases"][0], "0")
    assert by_metric["purchases"][0] == by_metric["purchases"][1] != "0"
    assert installation.app.connections.get(connected.id).connection.mapping is None
    assert installation.app.runs.history(connected.id) == []


def test_types_that_cannot_be_read_are_no_obstacle_to_seeing_the_mapping(adpulse, installation, connected):
    installation.sandbox.faults.add([{"action": "throttle", "minutes": 5, "kind": "insights"}])
    code, out, err = adpulse("mapping", connected.name)
    preview = adpulse("mapping", connected.name, "--preset", "purchases", "--preview")

    assert (code, "conversions     purchases, leads, installs" in out) == (0, True)
    assert "The account's types could not be read now: Meta throttles" in err
    assert (preview[0], "nothing can be previewed. Meta throttles" in preview[2]) == (2, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--preset", "revenue"), "There are: default, purchases, results"),
        (("--preset", "results", "--set", "attribution=7d_click"), "choose attribution=default"),
        (("--set", "leads"), "sets nothing"),
        (("--set", "leads=Leads!"), "leads"),
    ],
)
def test_a_mapping_that_cannot_be_chosen_changes_nothing(adpulse, installation, connected, options, message):
    code, out, err = adpulse("mapping", connected.name, *options)

    assert (code, out) == (2, "")
    assert message in err
    assert installation.app.connections.get(connected.id).connection.mapping is None


def test_realtime_needs_the_workspaces_grant(adpulse, installation, connected):
    refused, _, err = adpulse("frequency", connected.name, "realtime")
    granted, _, _ = adpulse("workspace", "grant-realtime", "Acme")
    allowed, _, _ = adpulse("frequency", connected.name, "realtime")

    assert (refused, granted, allowed) == (2, 0, 0)
    assert "grant-realtime" in err
    assert installation.app.connections.get(connected.id).connection.frequency.value == "realtime"


def test_a_sync_is_queued_once_even_while_prefect_is_down(adpulse, installation, connected):
    first = adpulse("sync", connected.name)
    second = adpulse("sync", connected.id)

    (run,) = installation.app.runs.history(connected.id)
    assert (first[0], second[0]) == (0, 0)
    assert first[1] == f"Queued: {run.id}\n"
    assert second[1] == f"Already on its way: {run.id}\n"


def test_waiting_for_a_sync_tells_what_changed(adpulse, installation, connected):
    installation.sync(connected)
    (run,) = installation.app.runs.history(connected.id)
    installation.app.runs.request(connected.id)
    installation.work(installation.claim())

    code, out, _ = adpulse("status", connected.name)

    assert code == 0
    assert run.state is RunState.DONE
    assert "2 attempts | 1 changes (50.0%)" in out or "3 attempts | 2 changes" in out


def test_a_stopped_connection_refuses_a_sync_with_the_reason(adpulse, installation, connected):
    installation.app.connections.set_status(connected.id, ConnectionStatus.NEEDS_REAUTH, "Connect it again with a fresh token.")

    code, _, err = adpulse("sync", connected.name)

    assert code == 2
    assert "Connect it again with a fresh token." in err


def test_status_and_connections_come_as_json_too(adpulse, connected):
    one = json.loads(adpulse("status", connected.name, "--json")[1])
    every = json.loads(adpulse("connections", "--json")[1])

    assert [{**each, "completeness": [], "backfill": None} for each in every] == [one]
    assert (one["id"], one["sync_status"], one["total_syncs_attempted"]) == (connected.id, "idle", 0)
    assert (one["api_version"], one["api_version_ends_on"]) == ("v25.0", "2027-02-23")


def test_status_and_doctor_say_what_somebody_made_of_a_schedule_in_prefect(adpulse, connected, installation):  # noqa: ARG001 - it is shown
    sentence = "The schedule of meta-5min was paused in Prefect."
    installation.app.schedule_changes.store({"meta-5min": sentence})

    assert sentence in " ".join(adpulse("status")[1].split())
    assert sentence in " ".join(adpulse("doctor")[1].split())


def test_status_says_that_an_api_version_ends(adpulse, connected, installation, monkeypatch):
    monkeypatch.setattr(installation.app, "settings", installation.app.settings.with_platform_settings(MetaSettings(version="v25.0")))
    before = adpulse("status")[1]
    installation.sandbox.clock.set(datetime(2027, 1, 10, tzinfo=UTC))

    assert "v25.0" not in before
    assert "Meta Ads v25.0 ends on 2027-02-23, in 44 days." in adpulse("status")[1]
    assert json.loads(adpulse("status", connected.name, "--json")[1])["api_version_ends_on"] == "2027-02-23"


def test_a_workspace_that_exists_or_does_not(adpulse):
    again = adpulse("workspace", "create", "Acme")
    unknown = adpulse("workspace", "grant-realtime", "Nobody")

    assert (again[0], unknown[0]) == (2, 2)
    assert "Acme" in again[2]
    assert "Acme" in unknown[2]


def test_a_workspace_is_adopted_by_the_home_that_the_command_works_in(adpulse, installation):
    with installation.engine.begin() as session:
        session.execute(text("UPDATE workspace SET home_id = 'elsewhere'"))
    before = adpulse("doctor")[1]

    code, out, _ = adpulse("workspace", "adopt", "Acme")

    assert code == 0
    assert out == f"The warehouse of Acme is in {installation.app.settings.home} from now on.\n"
    assert "The warehouses of Acme are in other home folders" in " ".join(before.split())
    assert installation.app.homes.elsewhere() == []


def test_a_wrong_part_of_a_sync_lists_the_right_ones(adpulse, connected):
    code, _, err = adpulse("sync", connected.name, "--parts", "halves")

    assert (code, err) == (2, "'halves' is not a part of a sync. Choose one of: both, entities, metrics.\n")


def test_without_a_migrated_database_the_command_to_run_is_named(adpulse, monkeypatch, tmp_path):
    monkeypatch.setenv("ADPULSE_HOME", str(tmp_path / "nothing"))
    settings.load.cache_clear()
    bootstrap.app.cache_clear()

    code, _, err = adpulse("connections")

    assert code == 2
    assert "adpulse migrate" in err


def test_help_names_every_command(adpulse):
    code, out, _ = adpulse("--help")

    assert code == 0
    assert all(name in out for name in ("up", "worker", "deploy", "migrate", "sandbox", "demo", "workspace", "connect", "status", "sync"))


def test_connections_are_labelled_and_listed_by_label(adpulse, installation):
    connection = installation.connect("Corner Store 1")
    installation.connect("Corner Store 2")

    assert adpulse("label", connection.name, "eu", "retail")[1] == "Corner Store 1: eu, retail.\n"
    assert adpulse("label", connection.id, "retail", "--remove")[1] == "Corner Store 1: eu.\n"
    assert [each["name"] for each in json.loads(adpulse("connections", "--label", "eu", "--json")[1])] == ["Corner Store 1"]
    assert adpulse("label", connection.name, "a,b")[0] == 2
