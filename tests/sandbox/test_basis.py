"""What an answer rests on, and the count of what the sandbox does not serve."""

import pytest

from adpulse_sandbox.basis import HEADER, Gaps
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


def test_each_answer_of_a_batch_names_its_basis(ask, harbor):
    batch = [{"relative_url": f"act_{harbor.id}/insights{query}"} for query in ("", "?breakdowns=age")]
    answers = ask("", method="POST", batch=batch).json()

    assert [header["value"] for answer in answers for header in answer["headers"] if header["name"] == HEADER] == [
        "documented",
        "unsupported",
    ]


def test_what_is_not_served_is_refused_and_counted(sandbox, ask_own):
    path, remote = f"act_{sandbox.world.account('Harbor Outdoor').id}/insights", Remote(sandbox.control_url)
    answers = [ask_own(path, breakdowns=breakdown) for breakdown in ("age", "gender")]
    ask_own(path, fields="banana")

    assert [answer.status_code for answer in answers] == [400, 400]
    assert all(answer.json()["error"]["code"] == 100 and answer.json()["error"]["message"].startswith(REFUSAL) for answer in answers)
    assert remote.gaps() == [{"platform": "meta", "request": "insights", "feature": "the parameter breakdowns of insights", "count": 2}]


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
