"""What an answer rests on, and the count of what the sandbox does not serve."""

from http.client import HTTPConnection
from operator import attrgetter
from urllib.parse import urlsplit

import httpx
import pytest

from adpulse_sandbox.basis import HEADER, Gaps
from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET
from adpulse_sandbox.remote import Remote

REFUSAL = "adpulse sandbox does not serve"


@pytest.mark.parametrize(
    ("path", "params", "basis"),
    [
        ("me", {}, "documented"),
        ("{harbor}/insights", {}, "documented"),
        ("{harbor}/insights", {"fields": "banana"}, "documented"),
        ("{harbor}/insights", {"breakdowns": "age"}, "unsupported"),
        ("debug_token", {"input_token": "none"}, "documented"),
    ],
)
def test_an_answer_names_its_basis(ask, harbor, path, params, basis):
    answer = ask(path.format(harbor=f"act_{harbor.id}"), **params)

    assert answer.headers[HEADER] == basis


def test_a_version_that_ended_is_refused_with_a_basis(ask):
    assert ask("me", version="v24.0").headers[HEADER] == "documented"


@pytest.mark.parametrize(("method", "headers", "status"), [("GET", {"content-length": "many"}, 400), ("BREW", {}, 501)])
@pytest.mark.parametrize("address", ["graph_url", "login_url", "google.token_url", "google.rest_url"])
def test_what_is_no_request_that_a_server_reads_is_refused_with_a_basis(standing, address, method, headers, status):
    url = urlsplit(attrgetter(address)(standing))
    connection = HTTPConnection(url.hostname, url.port, timeout=30)
    connection.putrequest(method, "/v25.0/me")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    connection.close()

    assert (answer.status, answer.headers[HEADER]) == (status, "inferred")


def test_access_tokens_and_their_refusals_are_documented(standing):
    form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    answers = [
        httpx.post(standing.google.token_url, data={**form, "refresh_token": token}, trust_env=False)
        for token in (standing.google.world.credentials["single"].refresh_token, "made up")
    ]

    assert [answer.status_code for answer in answers] == [200, 400]
    assert {answer.headers[HEADER] for answer in answers} == {"documented"}


def test_the_pages_of_a_login_are_the_sandboxs_own(standing):
    assert httpx.get(f"{standing.login_url}/nowhere", trust_env=False).headers[HEADER] == "inferred"


def test_each_answer_of_a_batch_names_its_basis(ask, harbor):
    batch = [{"relative_url": f"act_{harbor.id}/insights{query}"} for query in ("", "?breakdowns=age")]
    answers = ask("", method="POST", batch=batch).json()

    assert [header["value"] for answer in answers for header in answer["headers"] if header["name"] == HEADER] == [
        "documented",
        "unsupported",
    ]


def test_what_is_not_served_is_refused_and_counted(sandbox, ask_own):
    path, remote = f"act_{sandbox.world.account('Harbor Outdoor').id}/insights", Remote(sandbox.control_url)
    answers = [ask_own(path, breakdowns=breakdown) for breakdown in ("age", "age,gender")]
    ask_own(path, fields="banana")

    assert [answer.status_code for answer in answers] == [400, 400]
    assert all(answer.json()["error"]["code"] == 100 and answer.json()["error"]["message"].startswith(REFUSAL) for answer in answers)
    assert remote.gaps() == [{"platform": "meta", "request": "insights", "feature": "the breakdown age of insights", "count": 2}]


def test_gaps_can_be_forgotten(control, sandbox):
    sandbox.gaps.add("google", "search", "the resource video")
    counted = control.get("/gaps").json()
    control.delete("/gaps")

    assert [gap["count"] for gap in counted] == [1]
    assert control.get("/gaps").json() == []


def test_the_most_frequent_gap_comes_first():
    gaps = Gaps()
    for feature in ("b", "a", "c", "c"):
        gaps.add("meta", "insights", feature)

    assert [(gap["feature"], gap["count"]) for gap in gaps.as_json()] == [("c", 2), ("a", 1), ("b", 1)]
