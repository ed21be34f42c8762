"""How the accounts that differ answer: async reports that take their time, and usage headers of several use cases."""

import json

import pytest

LAST_WEEKS = {"since": "2026-02-08", "until": "2026-03-20"}


def test_usage_headers_have_an_entry_for_each_use_case(ask, standing):
    account = standing.world.account("Studio Fit").id

    answer = ask(f"act_{account}", token="varied")

    cases = json.loads(answer.headers["x-business-use-case-usage"])[account]
    assert [(case["type"], case["call_count"] == 100) for case in cases] == [
        ("ads_management", False),
        ("custom_audience", True),
        ("instagram", False),
    ]
    assert [case["estimated_time_to_regain_access"] for case in cases] == [0, 30, 0]


def start(ask_own, sandbox, name):
    params = {"level": "ad", "fields": "ad_id,spend", "time_range": LAST_WEEKS, "time_increment": "1"}
    account = sandbox.world.account(name).id
    return ask_own(f"act_{account}/insights", method="POST", token="varied", **params).json()["report_run_id"]


def state(ask_own, job):
    node = ask_own(job, token="varied").json()
    return node["async_status"], node["async_percent_completion"]


def test_a_report_takes_its_time_by_the_clock_and_its_rows_are_refused_a_while_longer(ask_own, sandbox):
    job = start(ask_own, sandbox, "Form Insurance")
    states, codes = [], []

    for seconds in (0, 5, 40, 40, 5, 35, 10):
        sandbox.clock.advance(seconds)
        states.append(state(ask_own, job))
        codes.append(ask_own(f"{job}/insights", token="varied").status_code)

    assert states == [
        ("Job Not Started", 0),
        ("Job Started", 0),
        ("Job Running", 50),
        ("Job Running", 94),
        ("Job Completed", 100),
        ("Job Completed", 100),
        ("Job Completed", 100),
    ]
    assert codes == [400, 400, 400, 400, 400, 400, 200]


@pytest.mark.parametrize(("name", "seconds"), [("Ring Plumbing", 8), ("Warehouse Outlet", 300)])
def test_reports_take_seconds_to_minutes(ask_own, sandbox, name, seconds):
    job = start(ask_own, sandbox, name)

    sandbox.clock.advance(seconds - 1)
    before = state(ask_own, job)[0]
    sandbox.clock.advance(1)

    assert (before, state(ask_own, job)) == ("Job Running", ("Job Completed", 100))
    assert ask_own.rows(f"{job}/insights", token="varied", limit="500") != []


@pytest.mark.parametrize(
    ("value", "code", "after", "error_code"),
    [
        ("Job Failed", None, "Job Failed", 2),
        ("Job Failed", 2490547, "Job Failed", -2),
        ("Job Failed", 1504045, "Job Failed", -3),
        ("Job Skipped", None, "Job Skipped", None),
        ("Job Running", None, "Job Running", None),
    ],
)
def test_a_report_can_end_in_every_way_and_then_has_no_rows(ask_own, sandbox, value, code, after, error_code):
    sandbox.faults.add([{"action": "job_fails", "kind": "insights_job", "value": value} | ({"code": code} if code else {})])
    job = start(ask_own, sandbox, "Ring Plumbing")

    sandbox.clock.advance(4)
    running = state(ask_own, job)
    sandbox.clock.advance(86_400)
    node = ask_own(job, token="varied").json()

    assert running == ("Job Running", 50)
    assert (node["async_status"], node["async_percent_completion"], node.get("error_code")) == (after, 100, error_code)
    assert ask_own(f"{job}/insights", token="varied").json()["error"]["error_subcode"] == 1815107
