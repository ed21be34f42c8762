"""What the connections' routes answer, by a client that knows nothing of the inside."""

from datetime import timedelta

import pytest
from partitions import forget_reads

from adpulse.model import ConnectionStatus, RunState
from storage.warehouse.analytics import read

EIGHT = {
    "sync_frequency", "last_sync_attempted_at", "last_sync_completed_at", "last_metrics_changed_at",
    "total_syncs_attempted", "total_syncs_with_changes", "sync_status", "last_sync_error",
}  # fmt: skip


def test_sync_now_answers_with_a_job_and_a_second_press_with_the_same(ask, installation, team):
    installation.work(installation.claim())
    path = f"/connections/{team.connection.id}/sync-now"

    first, second = ask("POST", path, team.editor), ask("POST", path, team.editor)

    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert first.json()["status"] == "queued"
    assert installation.app.runs.get(first.json()["job_id"]).state is RunState.QUEUED


def test_a_job_is_followed_to_its_end(ask, installation, team):
    job = ask("POST", f"/connections/{team.connection.id}/sync-now", team.editor).json()["job_id"]

    installation.sync(team.connection)

    told = ask("GET", f"/jobs/{job}", team.viewer).json()
    assert told["status"] == "done"
    assert told["rows_changed"] > 0
    assert told["platform_calls"] > 0
    assert [each["job_id"] for each in ask("GET", f"/connections/{team.connection.id}/runs", team.viewer).json()] == [job, team.letter_id]


def test_force_refresh_is_the_runs(ask, installation, team):
    job = ask("POST", f"/connections/{team.connection.id}/sync-now", team.editor, json={"force_refresh": True}).json()["job_id"]

    assert installation.app.runs.get(job).force_refresh


@pytest.mark.parametrize("half", ["entities", "metrics"])
@pytest.mark.usefixtures("numbers")
def test_one_half_is_asked_for_alone(ask, installation, team, half):

    answer = ask("POST", f"/workspaces/{team.workspace.id}/connections/{team.connection.id}/sync-{half}", team.editor)

    assert installation.app.runs.get(answer.json()["job_id"]).parts == half


@pytest.mark.usefixtures("numbers")
def test_the_eight_fields_are_told_by_every_route_that_tells_of_a_connection(ask, team):
    path = f"/connections/{team.connection.id}"

    status = ask("GET", f"{path}/sync-status", team.viewer).json()
    changed = ask("PATCH", f"{path}/sync-frequency", team.editor, json={"sync_frequency": "hourly"}).json()
    one = ask("GET", path, team.viewer).json()
    (listed,) = ask("GET", "/connections/", team.viewer).json()["connections"]

    assert set(status) == set(changed) == EIGHT
    assert changed == status | {"sync_frequency": "hourly"}
    assert one == listed
    assert {name: one[name] for name in EIGHT} == changed
    assert status["total_syncs_attempted"] >= status["total_syncs_with_changes"] > 0


def test_completeness_is_the_same_by_route_and_in_the_published_file(ask, installation, team):
    path = f"/connections/{team.connection.id}/completeness"
    assert ask("GET", path, team.viewer).json() == []
    installation.sync(team.connection)
    today = team.connection.today(installation.app.clock.now())

    levels = ask("GET", path, team.viewer).json()

    assert [level["level"] for level in levels] == ["leaf", "campaign"]
    for level in levels:
        days = read(
            installation.published(), "SELECT date, hole, settled, complete_through FROM completeness WHERE level = ?", [level["level"]]
        ).to_pylist()
        assert (level["since"], level["last_day"]) == (str(today - timedelta(days=89)), str(today))
        assert (level["complete_through"], level["holes"]) == (str(today), [])
        assert {day["complete_through"] for day in days} == {today}
        assert len(days) == 90
        assert level["settled_through"] == str(max(day["date"] for day in days if day["settled"])) == str(today - timedelta(days=29))


@pytest.mark.usefixtures("numbers")
def test_a_day_that_was_not_read_is_a_hole(ask, installation, team):
    today = team.connection.today(installation.app.clock.now())
    missing = [today - timedelta(days=n) for n in (40, 41, 60)]
    forget_days(installation, missing)

    leaf, _ = ask("GET", f"/connections/{team.connection.id}/completeness", team.viewer).json()

    assert leaf["holes"] == [
        {"since": str(missing[2]), "until": str(missing[2])},
        {"since": str(missing[1]), "until": str(missing[0])},
    ]
    assert leaf["complete_through"] == leaf["settled_through"] == str(today - timedelta(days=61))


@pytest.mark.usefixtures("numbers")
def test_completeness_names_what_a_day_lacks(ask, installation, team):
    day = str(team.connection.today(installation.app.clock.now()) - timedelta(days=3))
    odd = {"action": "rewrite", "kind": "insights", "place": "data[0].clicks", "value": "many", "count": 1}
    big = [{"action": "too_much_data", "day": day, "kind": kind} for kind in ("insights", "insights_job")]
    installation.sandbox.faults.add([odd, *big])
    installation.sync(team.connection, force=True)
    installation.sandbox.faults.clear()

    leaf, campaign = ask("GET", f"/connections/{team.connection.id}/completeness", team.viewer).json()

    hole, refused = leaf["gaps"]
    assert (hole["day"], hole["read"], hole["external_id"]) == (day, "ads", None)
    assert "cannot answer a request this big" in hole["reason"]
    assert [(gap["day"], gap["read"]) for gap in campaign["gaps"]] == [(day, "campaigns")]
    assert (refused["read"], refused["entity_level"], refused["reason"]) == ("ads", "ad", "clicks: not a count")
    assert refused["external_id"]
    assert leaf["complete_through"] < refused["day"]
    assert all(gap["first_at"] <= gap["last_at"] for gap in leaf["gaps"])


@pytest.mark.usefixtures("numbers")
def test_days_that_do_not_add_up_are_in_the_route_the_page_and_the_file(ask, browser, visit, installation, team):
    leaf, campaign = ask("GET", f"/connections/{team.connection.id}/completeness", team.viewer).json()

    query = "SELECT date, level, remainder, remainder_share AS share FROM completeness WHERE remainder <> 0 ORDER BY date DESC"
    stored = read(installation.published(), query).to_pylist()
    found = leaf["remainders"]  # ads that were deleted before the first sync
    assert [(str(row["date"]), row["level"], str(row["remainder"]), f"{row['share']:.6f}") for row in stored] == [
        (row["date"], "leaf", row["remainder"], row["share"]) for row in found
    ]
    assert (len(found) > 50, campaign["remainders"], {row["level"] for row in found}) == (True, [], {"campaign"})
    shown = visit(browser(team.viewer), "GET", f"/connections/{team.connection.id}").text
    assert f"<td>{found[0]['date']}</td><td>campaign</td>" in shown
    assert f"; the spend of {len(found)} days does not add up, last {found[0]['date']} by " in shown


@pytest.mark.usefixtures("numbers")
def test_days_that_are_to_be_read_again_stay_known_until_they_are(ask, team):
    path = f"/connections/{team.connection.id}/completeness"
    before = ask("GET", path, team.viewer).json()

    ask("POST", f"/connections/{team.connection.id}/sync-now", team.editor, json={"force_refresh": True})

    assert ask("GET", path, team.viewer).json() == before


def forget_days(installation, days):
    forget_reads(installation.engine, days)


@pytest.mark.parametrize(("value", "says"), [("realtime", "not granted"), ("7min", "5min, 10min, 30min, hourly, daily")])
def test_a_frequency_that_is_not_allowed_is_a_400_that_lists_what_is(ask, team, value, says):
    answer = ask("PATCH", f"/connections/{team.connection.id}/sync-frequency", team.editor, json={"sync_frequency": value})

    assert answer.status_code == 400
    assert says in answer.json()["detail"]
    assert ask("GET", f"/connections/{team.connection.id}/sync-status", team.viewer).json()["sync_frequency"] == "manual"


def test_a_paused_connection_is_not_synced_and_says_so(ask, team):
    assert ask("POST", f"/connections/{team.connection.id}/pause", team.editor).json()["status"] == "paused"

    answer = ask("POST", f"/connections/{team.connection.id}/sync-now", team.editor)

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:adpulse:usage"
    assert "adpulse resume" in answer.json()["detail"]


def test_pages_follow_each_other_without_a_gap_or_a_repeat(ask, installation, team):
    made = [installation.connect("Nordlicht Moebel").id, installation.connect("Alpenglow Reisen").id, team.connection.id]
    found, cursor = [], None
    for _ in range(len(made) + 1):
        page = ask("GET", "/connections/", team.viewer, params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        found += [each["id"] for each in page["connections"]]
        if not (cursor := page["next_cursor"]):
            break

    names = [ask("GET", f"/connections/{each}", team.viewer).json()["name"] for each in found]
    assert names == sorted(names)
    assert set(found) == set(made)
    assert len(found) == len(made)


def test_lists_are_filtered(ask, installation, team):
    google = installation.connect("Alpenglow Reisen", "5min")
    installation.app.connections.set_status(google.id, ConnectionStatus.PAUSED, "Paused.")

    def ids(**filters):
        return {each["id"] for each in ask("GET", "/connections/", team.viewer, params=filters).json()["connections"]}

    assert ids(provider="google") == ids(frequency="5min") == ids(status="paused") == {google.id}
    assert ids(provider="meta", frequency="5min") == set()


@pytest.mark.parametrize("cursor", ["nonsense", "W10=", "Wy", "bnVsbA=="])
def test_a_cursor_that_was_not_given_out_is_refused(ask, team, cursor):
    answer = ask("GET", "/connections/", team.viewer, params={"cursor": cursor})

    assert answer.status_code == 400
    assert "cursor" in answer.json()["detail"]


def test_what_is_sent_wrongly_is_told_where_and_never_repeated(ask, team):
    answer = ask("PATCH", f"/connections/{team.connection.id}/sync-frequency", team.editor, json={"sync_frequency": {"secret": "s3cr3t"}})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "body.sync_frequency" in answer.json()["detail"]
    assert "s3cr3t" not in answer.text


def test_what_fails_unexpectedly_tells_no_details(ask, installation, team, monkeypatch):
    monkeypatch.setattr(installation.app.connections, "find", lambda *_: 1 / 0)

    answer = ask("GET", f"/connections/{team.connection.id}", team.viewer)

    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("Unexpected ZeroDivisionError.")
    assert "division" not in answer.text


def test_an_unknown_path_and_a_wrong_method_are_problems_too(ask):
    assert ask("GET", "/nowhere").json()["type"] == "urn:adpulse:not-found"
    assert ask("DELETE", "/connections/").json()["type"] == "urn:adpulse:method-not-allowed"
    assert ask("PUT", "/connections/7").headers["Allow"] == "DELETE, GET, PATCH"


def test_every_answer_carries_the_headers_that_protect_a_browser(ask, team):
    for answer in (ask("GET", "/healthz"), ask("GET", "/nowhere"), ask("GET", "/connections/", team.viewer)):
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_warning_is_told_until_its_cause_has_passed(ask, installation, team, sandbox):
    installation.app.client(team.connection)._sleep = lambda _: None
    sandbox.faults.add([{"action": "refused", "kind": "ads", "account": team.connection.external_id}])
    installation.sync(team.connection)
    sandbox.faults.clear()
    path = f"/connections/{team.connection.id}"

    answer = ask("GET", path, team.viewer).json()
    installation.sync(team.connection)

    (warning,) = answer["warnings"]
    assert (warning["kind"], warning["code"], warning["times"], answer["last_sync_error"]) == ("entities_full", "100", 1, None)
    assert warning["first_at"] == warning["last_at"] < warning["retry_at"]
    assert ask("GET", path, team.viewer).json()["warnings"] == []
