"""The limits of Meta's API: points of an app of the limited tier, the length of a URL, the rows of a page."""

import json
from datetime import datetime, timedelta

import httpx
import pytest

from adpulse.cli.processes import process
from adpulse_sandbox import Sandbox
from adpulse_sandbox.basis import HEADER
from adpulse_sandbox.meta.graph import Options
from adpulse_sandbox.meta.points import MOST_POINTS, Points

NOON = datetime.fromisoformat("2026-03-20T12:00:00+00:00")


def seconds(number):
    return NOON + timedelta(seconds=number)


def test_sixty_calls_in_five_minutes_are_answered_and_the_next_is_refused_for_five_minutes():
    points = Points()
    answered = [points.spend("app", "account", seconds(number)) for number in range(MOST_POINTS)]

    assert all(answered)
    assert not points.spend("app", "account", seconds(60))
    assert not points.spend("app", "account", seconds(359))
    assert points.spend("app", "account", seconds(360))


def test_calls_that_are_spread_over_more_time_are_all_answered():
    points = Points()

    assert all(points.spend("app", "account", seconds(5 * number)) for number in range(300))


def test_each_account_and_each_app_has_its_own_points():
    points = Points()
    for _ in range(MOST_POINTS + 1):
        points.spend("app", "account", NOON)

    assert [points.spend(app, account, NOON) for app, account in (("app", "account"), ("app", "other"), ("other", "account"))] == [
        False,
        True,
        True,
    ]


@pytest.fixture(scope="module")
def limited():
    with Sandbox.start(meta=Options(limited_tier=True, page_rows=3)) as running:
        yield running


def test_an_app_of_the_limited_tier_is_refused_as_meta_words_it(limited, bare):
    ask, account = bare(limited), f"act_{limited.world.account('Sakura Tea').id}"
    answers = [ask(account) for _ in range(MOST_POINTS + 1)]
    error = answers[-1].json()["error"]

    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert (answers[-1].status_code, error["code"], error["error_subcode"], error["is_transient"]) == (400, 17, 2446079, False)
    assert '"estimated_time_to_regain_access": 5' in answers[-1].headers["x-business-use-case-usage"]


def test_polls_of_a_job_count_as_calls(limited, bare):
    ask, account = bare(limited), f"act_{limited.world.account('Closed Shop').id}"
    job = ask(f"{account}/insights", method="POST").json()["report_run_id"]
    codes = [ask(job).json().get("error", {}).get("code") for _ in range(MOST_POINTS)]

    assert (set(codes[:-1]), codes[-1]) == ({None}, 17)


def test_a_page_has_at_most_the_rows_of_the_option(limited, bare):
    ask, account = bare(limited), f"act_{limited.world.account('Harbor Outdoor').id}"

    assert len(ask(f"{account}/ads").json()["data"]) == 3
    assert ask(f"{account}/ads", limit="4").json()["error"]["message"] == "(#100) param limit must be an integer between 1 and 3"


def test_the_command_sets_both_limits():
    with process("sandbox", "--rate", "0", "--page-rows", "3", "--limited-tier", "--json", ready="control_url") as lines:
        described = json.loads(lines[-1])
        with httpx.Client(base_url=described["graph_url"], params={"access_token": described["tokens"]["full"]}, trust_env=False) as client:
            accounts = client.get("/v25.0/me/adaccounts").json()["data"]
            statuses = [client.get(f"/v25.0/{accounts[0]['id']}").status_code for _ in range(MOST_POINTS + 1)]

    assert len(accounts) == 3
    assert (set(statuses[:-1]), statuses[-1]) == ({200}, 400)


def test_a_url_above_8_kb_is_refused(ask, harbor):
    answer = ask(f"act_{harbor.id}/insights", fields=",".join(["spend"] * 1500))

    assert (answer.status_code, answer.headers[HEADER]) == (414, "inferred")


def test_a_request_of_the_same_length_is_answered_as_a_batch(ask, harbor):
    fields = ",".join(["spend"] * 1500)
    (answer,) = ask("", method="POST", batch=[{"relative_url": f"act_{harbor.id}/insights?fields={fields}"}]).json()

    assert answer["code"] == 200
