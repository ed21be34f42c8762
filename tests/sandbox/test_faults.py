"""Scripted faults, as a bare HTTP client receives them."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from adpulse_sandbox import Sandbox
from adpulse_sandbox.faults import ACTIONS

CASES = {}
DAY = {"since": "2026-03-01", "until": "2026-03-01"}


def case(action):
    def keep(function):
        CASES[action] = function
        return function

    return keep


class Wire:
    """A sandbox with armed faults, and a client that requests the ads of its first account."""

    def __init__(self, sandbox, ask):
        self.sandbox, self.ask = sandbox, ask
        self.account = sandbox.world.account("Harbor Outdoor")

    def arm(self, action, **rule):
        self.sandbox.faults.add([{"action": action, **rule}])

    def ads(self, **params):
        return self.ask(f"act_{self.account.id}/ads", **params)

    def insights(self, **params):
        return self.ask(f"act_{self.account.id}/insights", **{"level": "ad", "time_range": DAY, "fields": "ad_id,spend", **params})

    def struck(self):
        return [rule["struck"] for rule in self.sandbox.faults.as_json()]


@pytest.fixture
def wire(sandbox, ask_own):
    return Wire(sandbox, ask_own)


def refusal(answer):
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("error_subcode"), error.get("is_transient", False)


def ids(answer):
    return [row["id"] for row in answer.json()["data"]]


@case("throttle")
def throttled(wire):
    wire.arm("throttle", minutes=7, count=1)

    answer = wire.ads()

    account = json.loads(answer.headers["x-ad-account-usage"])
    (use,) = json.loads(answer.headers["x-business-use-case-usage"])[wire.account.id]
    assert refusal(answer) == (400, 17, 2446079, True)
    assert answer.json()["error"]["message"] == "(#17) User request limit reached"
    assert (account["acc_id_util_pct"], account["reset_time_duration"]) == (100, 420)
    assert (use["call_count"], use["estimated_time_to_regain_access"]) == (100, 7)


@case("expired_token")
def token_expires(wire):
    wire.arm("expired_token", count=1)

    assert refusal(wire.ads()) == (400, 190, 463, False)


@case("permission_lost")
def permission_is_lost(wire):
    wire.arm("permission_lost", count=1)

    assert refusal(wire.ads()) == (403, 200, None, False)


@case("transient")
def passing_trouble(wire):
    wire.arm("transient", count=1)
    wire.arm("transient", code=1, count=1)

    assert [refusal(wire.ads()) for _ in range(2)] == [(500, 2, None, True), (500, 1, None, True)]


@case("server_error")
def server_breaks(wire):
    wire.arm("server_error", count=1)

    answer = wire.ads()

    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (503, b"", "text/plain")


@case("drop")
def connection_is_dropped(wire):
    wire.arm("drop", count=1)

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        wire.ads()


@case("drop_midway")
def connection_is_dropped_midway(wire):
    whole = wire.ads().content
    wire.arm("drop_midway", count=1)
    got = []

    with wire.ask.http.stream("GET", f"/v25.0/act_{wire.account.id}/ads", params=token_of(wire)) as answer:
        status, promised = answer.status_code, int(answer.headers["content-length"])
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            got.extend(answer.iter_raw())

    assert (status, promised) == (200, len(whole))
    assert b"".join(got) == whole[: len(whole) // 2]


@case("truncated")
def body_is_cut_off(wire):
    whole = wire.ads().content
    wire.arm("truncated", count=1)

    answer = wire.ads()

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json; charset=UTF-8")
    assert answer.content == whole[: len(whole) * 2 // 3]
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@case("html")
def page_of_a_proxy(wire):
    wire.arm("html", count=1)

    answer = wire.ads()

    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    assert answer.text == "<html><body>Bad Gateway</body></html>"


@case("html_success")
def page_that_says_success(wire):
    wire.arm("html_success", count=1)

    answer = wire.ads()

    assert (answer.status_code, answer.text) == (502, "<html><body>success</body></html>")


@case("no_error_body")
def failure_without_an_error(wire):
    wire.arm("no_error_body", count=1)

    answer = wire.ads()

    assert (answer.status_code, answer.json()) == (500, {"foo": 1})


@case("empty_page")
def empty_page_with_more_behind_it(wire):
    everything = ids(wire.ads(limit="500"))
    wire.arm("empty_page", page=2, count=1)
    first = wire.ads(limit="40").json()

    empty = wire.ask.http.get(first["paging"]["next"]).json()
    third = wire.ask.http.get(empty["paging"]["next"])

    assert empty["data"] == []
    assert empty["paging"]["cursors"]["after"] != first["paging"]["cursors"]["after"]
    assert ids(third) == everything[40:80]


@case("endless")
def next_without_end(wire):
    wire.arm("endless")
    page = wire.ads().json()
    pages = [page]
    for _ in range(3):
        page = wire.ask.http.get(page["paging"]["next"]).json()
        pages.append(page)

    assert all(page == pages[0] for page in pages)
    assert pages[0]["data"] == []
    assert "next" in pages[0]["paging"]


@case("duplicate_row")
def row_that_comes_twice(wire):
    everything = ids(wire.ads(limit="500"))
    wire.arm("duplicate_row", page=2, count=1)
    first = wire.ads(limit="40")

    second = wire.ask.http.get(first.json()["paging"]["next"])

    assert ids(first) == everything[:40]
    assert ids(second) == everything[39:80]


@case("slow")
def answer_that_takes_long(wire):
    wire.arm("slow", seconds=3.0, count=1)
    wire.ask.http.timeout = httpx.Timeout(30, read=1.5)

    with pytest.raises(httpx.ReadTimeout):
        wire.ads()

    assert wire.struck() == [1]


@case("refused")
def request_that_is_refused_and_repeated(wire):
    wire.arm("refused", count=1)

    answer = wire.ads()

    assert refusal(answer)[:2] == (400, 100)
    assert wire.sandbox.world.token("full").value in answer.json()["error"]["message"]


@case("filter_refused")
def filter_by_status_is_refused(wire):
    wire.arm("filter_refused", value="DELETED")
    wire.arm("filter_refused", value="campaign.effective_status")

    def by(level, *statuses):
        filtering = [{"field": f"{level}.effective_status", "operator": "IN", "value": ["ACTIVE", *statuses]}]
        return wire.insights(level=level, filtering=filtering)

    assert refusal(by("ad", "DELETED")) == (400, 100, 1815001, False)
    assert refusal(by("campaign")) == (400, 100, None, False)
    assert (by("ad").status_code, wire.insights().status_code) == (200, 200)


@case("field_refused")
def field_of_reports_is_refused(wire):
    wire.arm("field_refused")

    refused = wire.insights(level="ad", fields="ad_id,results")

    assert refusal(refused) == (400, 100, None, False)
    assert refused.json()["error"]["message"].startswith("(#100) results is not valid for fields param. please check")
    assert wire.insights(level="ad", fields="ad_id,spend").status_code == 200


@case("checkpoint")
def user_must_log_in(wire):
    wire.arm("checkpoint", count=1)

    answer = wire.ads()

    assert refusal(answer) == (400, 190, 459, False)
    assert "log in to www.facebook.com" in answer.json()["error"]["message"]


@case("blocked")
def user_is_blocked(wire):
    wire.arm("blocked", count=1)

    assert refusal(wire.ads()) == (403, 368, None, False)


@case("app_blocked")
def app_is_blocked(wire):
    wire.arm("app_blocked", count=1)

    answer = wire.ads()

    assert refusal(answer) == (400, 200, None, False)
    assert answer.json()["error"]["message"] == "API access blocked."


@case("auto_upgrade")
def another_version_answers(wire):
    wire.sandbox.clock.set(datetime(2026, 11, 20, 15, tzinfo=UTC))
    wire.arm("auto_upgrade", count=1)
    wire.arm("auto_upgrade", value="v26.0", count=1)

    newest, next_one, right = (wire.ask(f"act_{wire.account.id}", version="v25.0") for _ in range(3))

    assert [answer.status_code for answer in (newest, next_one, right)] == [200, 200, 200]
    assert newest.headers["facebook-api-version"] == "v27.0"
    assert newest.headers["x-ad-api-version-warning"] == "The call has been auto-upgraded to v27.0 as v25.0 will be deprecated."
    assert next_one.headers["facebook-api-version"] == "v26.0"
    assert right.headers["facebook-api-version"] == "v25.0"
    assert "x-ad-api-version-warning" not in right.headers


@case("too_much_data")
def too_much_is_asked_for(wire):
    wire.arm("too_much_data", count=1)
    for code in (1, 1504018, 1504038, 1504044):
        wire.arm("too_much_data", code=code, count=1)

    answers = [wire.ads() for _ in range(5)]

    assert [refusal(answer) for answer in answers] == [
        (400, 100, 1487534, False),
        (500, 1, None, False),
        (400, 100, 1504018, False),
        (400, 2, 1504038, False),
        (400, 2, 1504044, False),
    ]
    titles = [answer.json()["error"].get("error_user_title") for answer in answers]
    assert titles == ["Too many rows", None, "Request Timed Out", "Request Timed Out", "Unknown Error Occurred"]
    assert "reduce the amount of data" in answers[1].json()["error"]["message"]


@case("broken_creative")
def page_with_a_broken_creative_is_refused(wire):
    ad, other = (ad.id for ad in wire.account.ads[:2])
    wire.arm("broken_creative", value=ad)
    with_creative = {"fields": "id,creative{id}", "filtering": [{"field": "id", "operator": "IN", "value": [ad]}]}
    path = f"act_{wire.account.id}/ads"

    refused = wire.ask(path, **with_creative)
    without = wire.ask(path, **with_creative | {"fields": "id"})
    beside = wire.ask(path, **with_creative | {"filtering": [{"field": "id", "operator": "IN", "value": [other]}]})

    assert refusal(refused) == (400, 100, 2446289, False)
    assert [answer.status_code for answer in (without, beside)] == [200, 200]


@case("null_batch_item")
def item_of_a_batch_is_null(wire):
    wire.arm("null_batch_item", skip=1, count=1)
    items = [{"relative_url": f"act_{wire.account.id}?fields=name"}] * 3

    answer = wire.ask("", method="POST", batch=items)

    first, second, third = answer.json()
    assert (answer.status_code, second) == (200, None)
    assert first["body"] == third["body"] == f'{{"id":"act_{wire.account.id}","name":"Harbor Outdoor"}}'


@case("job_fails")
def job_ends_without_a_result(wire):
    wire.arm("job_fails", kind="insights_job", count=1)
    job = wire.insights(method="POST").json()["report_run_id"]

    states = [wire.ask(job).json() for _ in range(2)]
    results = wire.ask(f"{job}/insights")

    assert [state["async_status"] for state in states] == ["Job Running", "Job Failed"]
    assert {"error_code", "error_message", "error_subcode", "error_user_title", "error_user_msg"} <= set(states[1])
    assert not {"error_code", "error_message"} & set(states[0])
    assert refusal(results) == (400, 2601, 1815107, False)


@case("rewrite")
def a_value_is_another_one_at_its_place(wire):
    right = wire.insights().json()
    wire.arm("rewrite", kind="insights", place="data[0].spend", value={"odd": [1]}, count=1)
    wire.arm("rewrite", kind="insights", place="data[*].spend", remove=True, count=1)
    wire.arm("rewrite", kind="insights", place="headers.x-app-usage", value="\u00a7", count=1)

    one, none, header, after = (wire.insights() for _ in range(4))

    assert one.json()["data"][0] == right["data"][0] | {"spend": {"odd": [1]}}
    assert one.json()["data"][1:] == right["data"][1:]
    assert [set(row) for row in none.json()["data"]] == [set(row) - {"spend"} for row in right["data"]]
    assert (header.json(), header.headers["x-app-usage"]) == (right, "\u00a7")
    assert after.json() == right


@pytest.mark.parametrize("place", [None, "", "data[x]", "data[0]..spend", "data[0].spend; drop"])
def test_a_place_that_is_none_is_refused_at_once(wire, place):
    with pytest.raises(ValueError, match="Only rewrite has a place"):
        wire.arm("rewrite", place=place)
    with pytest.raises(ValueError, match="Only rewrite has a place"):
        wire.arm("throttle", place="data")


def test_half_a_surrogate_pair_is_written_as_an_escape(wire):
    wire.arm("rewrite", place="data[0].id", value="half \ud83d a pair")

    assert b'"half \\ud83d a pair"' in wire.ads().content


def token_of(wire):
    return {"access_token": wire.sandbox.world.token("full").value}


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_seen_on_the_wire(wire, action):
    CASES[action](wire)

    assert wire.struck()[0] >= 1
    assert action in [call.fault for call in wire.sandbox.calls.calls()] or action == "slow"


OF_OTHER_REQUESTS = ("endless", "slow", "null_batch_item", "job_fails", "filter_refused", "field_refused", "rewrite")


@pytest.mark.parametrize("action", [action for action in ACTIONS if action not in OF_OTHER_REQUESTS])
def test_after_a_fault_struck_once_the_same_request_is_answered_rightly(wire, action):
    right = wire.ads().json()
    wire.arm(action, count=1)
    try:
        wire.ads()
    except httpx.RemoteProtocolError:
        assert action in ("drop", "drop_midway")

    assert wire.ads().json() == right
    assert wire.struck() == [1]


@pytest.mark.parametrize(
    ("code", "subcode", "words"),
    [
        (4, 1504022, "Application request limit reached"),
        (17, 2446079, "User request limit reached"),
        (32, None, "request limit reached"),
        (613, 1487742, "have exceeded the rate limit"),
        (80000, None, "request limit reached"),
        (80004, 2446079, "too many calls to this ad-account"),
    ],
)
def test_every_code_of_a_throttle_can_be_scripted(wire, code, subcode, words):
    wire.arm("throttle", code=code, count=1)

    answer = wire.ads()

    assert refusal(answer) == (400, code, subcode, True)
    assert words in answer.json()["error"]["message"]
    assert json.loads(answer.headers["x-fb-ads-insights-throttle"])["app_id_util_pct"] == (100 if code == 4 else 1)


def test_a_rule_strikes_as_often_as_it_counts(wire):
    wire.arm("transient", count=2)

    statuses = [wire.ads().status_code for _ in range(4)]

    assert statuses == [500, 500, 200, 200]
    assert wire.struck() == [2]


def test_a_rule_lets_pass_what_it_skips(wire):
    wire.arm("transient", skip=2, count=1)

    statuses = [wire.ads().status_code for _ in range(4)]

    assert statuses == [200, 200, 500, 200]


def test_a_rule_without_a_count_strikes_always(wire):
    wire.arm("transient")

    statuses = [wire.ads().status_code for _ in range(5)]

    assert statuses == [500] * 5


def test_a_rule_for_a_page_strikes_only_there(wire):
    wire.arm("transient", page=3)
    page, statuses = wire.ads(limit="40"), []
    while "next" in page.json().get("paging", {}):
        statuses.append(page.status_code)
        page = wire.ask.http.get(page.json()["paging"]["next"])
    statuses.append(page.status_code)

    assert statuses == [200, 200, 500]


def test_a_rule_above_a_limit_spares_smaller_pages(wire):
    wire.arm("too_much_data", above_limit=50)

    statuses = [wire.ads(limit=limit).status_code for limit in ("51", "50", "25", "500")]

    assert statuses == [400, 200, 200, 400]
    assert wire.struck() == [2]


def test_a_rule_above_days_spares_shorter_ranges(wire):
    wire.arm("too_much_data", above_days=7)

    week = wire.insights(time_range={"since": "2026-03-01", "until": "2026-03-07"})
    longer = wire.insights(time_range={"since": "2026-03-01", "until": "2026-03-08"})

    assert (week.status_code, longer.status_code) == (200, 400)


def test_a_rule_above_campaigns_spares_reports_of_fewer(wire):
    ids = [campaign.id for campaign in wire.account.campaigns]
    wire.arm("too_much_data", above_campaigns=len(ids) - 1)

    def filtered(operator, value):
        return wire.insights(filtering=[{"field": "campaign.id", "operator": operator, "value": value}]).status_code

    assert wire.insights().status_code == 400
    assert [filtered("IN", ids), filtered("IN", ids[1:]), filtered("NOT_IN", ids[:1])] == [400, 200, 200]


def test_a_rule_for_an_account_spares_the_others(wire):
    other = wire.sandbox.world.account("Sakura Tea").id
    wire.arm("throttle", account=other)

    own, others = wire.ads(), wire.ask(f"act_{other}/ads")

    assert (own.status_code, others.status_code) == (200, 400)


def test_a_rule_for_a_kind_of_call_spares_the_others(wire):
    wire.arm("transient", kind="insights")

    statuses = [
        answer.status_code for answer in (wire.ads(), wire.insights(), wire.ask(f"act_{wire.account.id}"), wire.ask("me/adaccounts"))
    ]

    assert statuses == [200, 500, 200, 200]


def test_what_does_not_match_does_not_use_up_the_skip(wire):
    wire.arm("transient", kind="insights", skip=1, count=1)
    for _ in range(3):
        wire.ads()

    statuses = [wire.insights().status_code for _ in range(3)]

    assert statuses == [200, 500, 200]


def test_of_two_rules_the_first_strikes_until_it_is_used_up(wire):
    wire.arm("transient", count=1)
    wire.arm("permission_lost", count=1)

    statuses = [wire.ads().status_code for _ in range(3)]

    assert statuses == [500, 403, 200]
    assert wire.struck() == [1, 1]


def test_dice_fall_the_same_way_for_the_same_seed(bare):
    fallen = []
    for _ in range(2):
        with Sandbox.start(seed=5) as sandbox:
            wire = Wire(sandbox, bare(sandbox))
            wire.arm("transient", probability=0.5)
            fallen.append([wire.ads().status_code for _ in range(20)])

    assert fallen[0] == fallen[1]
    assert set(fallen[0]) == {200, 500}


def test_a_rule_without_a_chance_never_strikes(wire):
    wire.arm("transient", probability=0.0)

    assert [wire.ads().status_code for _ in range(10)] == [200] * 10
    assert wire.struck() == [0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "banana"},
        {"action": None},
        {"account": "1"},
        {"action": "throttle", "banana": 1},
    ],
    ids=["unknown action", "no action named", "action missing", "unknown field"],
)
def test_an_unknown_fault_is_refused_and_nothing_is_armed(control, wire, wrong):
    answer = control.post("/faults", json={"rules": [{"action": "transient"}, wrong]})

    assert answer.status_code == 400
    assert "This is not a fault" in answer.json()["error"]
    assert "drop_midway" in answer.json()["error"]
    assert control.get("/faults").json() == []
    assert wire.ads().status_code == 200


def test_a_fault_request_without_rules_is_refused(control):
    answer = control.post("/faults", json={"action": "transient"})

    assert (answer.status_code, answer.json()) == (400, {"error": "KeyError: 'rules'"})
    assert control.get("/faults").json() == []


def test_the_control_endpoint_arms_lists_and_removes_faults(control, wire):
    armed = control.post("/faults", json={"rules": [{"action": "transient", "kind": "ads", "count": 3}]}).json()
    struck = wire.ads().status_code

    listed = control.get("/faults").json()
    cleared = control.delete("/faults").json()

    assert [(rule["action"], rule["kind"], rule["count"], rule["struck"]) for rule in armed] == [("transient", "ads", 3, 0)]
    assert [(rule["action"], rule["struck"]) for rule in listed] == [("transient", 1)]
    assert (struck, cleared, control.get("/faults").json()) == (500, [], [])
    assert wire.ads().status_code == 200
