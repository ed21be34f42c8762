"""Meta's documented codes and what becomes of them."""

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adpulse.errors import (
    AccessBlocked,
    AccountRefused,
    AdpulseError,
    AuthExpired,
    BadRequest,
    LoginRequired,
    ObjectGone,
    RateLimited,
    TooMuchData,
    TooOld,
    Unavailable,
    VersionSunset,
)
from adpulse.platforms.meta.errors import Reply, from_reply
from adpulse.platforms.meta.meters import INSIGHTS, MANAGEMENT
from adpulse.redact import protect

TABLE = [
    (400, 4, 1504022, RateLimited),
    (400, 17, 2446079, RateLimited),
    (400, 32, None, RateLimited),
    (400, 613, 1487742, RateLimited),
    (400, 80000, None, RateLimited),
    (400, 80004, 2446079, RateLimited),
    (400, 80014, None, RateLimited),
    (500, 1, None, Unavailable),
    (500, 2, None, Unavailable),
    (400, 1, 99, Unavailable),
    (400, 2601, 1815107, Unavailable),
    (400, 960, None, Unavailable),
    (503, None, None, Unavailable),
    (400, 99999, None, Unavailable),
    (400, 190, 463, AuthExpired),
    (400, 190, 459, LoginRequired),
    (400, 368, None, AccessBlocked),
    (400, 190, 460, AuthExpired),
    (400, 190, None, AuthExpired),
    (400, 102, None, AuthExpired),
    (403, 10, None, AccountRefused),
    (403, 200, None, AccountRefused),
    (403, 294, None, AccountRefused),
    (400, 3, None, AccountRefused),
    (400, 100, 33, AccountRefused),
    (400, 100, None, BadRequest),
    (400, 100, 2642, Unavailable),
    (400, 2500, None, BadRequest),
    (400, 3018, None, TooOld),
    (400, 100, 1487534, TooMuchData),
    (400, 2635, None, VersionSunset),
]


def reply(status=400, code=None, subcode=None, message="said", **headers):
    error = {"message": message}
    error |= {"code": code} if code is not None else {}
    error |= {"error_subcode": subcode} if subcode is not None else {}
    return Reply(status=status, error=error, headers={name.replace("_", "-"): json.dumps(value) for name, value in headers.items()})


@pytest.mark.parametrize(("status", "code", "subcode", "expected"), TABLE)
def test_every_documented_code_has_its_class(status, code, subcode, expected):
    error = from_reply(reply(status, code, subcode), "account 7")

    assert type(error) is expected
    assert "account 7" in str(error) or expected is VersionSunset or getattr(error, "scope", None) == "app"


def test_what_is_not_there_is_gone_by_its_own_id_and_a_matter_of_permission_on_an_account():
    def of(*, of_account):
        return type(from_reply(Reply(status=400, error={"code": 100, "error_subcode": 33}, headers={}, of_account=of_account), "account 7"))

    assert (of(of_account=True), of(of_account=False)) == (AccountRefused, ObjectGone)


def test_the_reason_that_meta_gives_people_for_a_wrong_request_is_told_and_redacted():
    protect("hunter2-hunter2")
    error = {
        "message": "Invalid parameter",
        "code": 100,
        "error_subcode": 1815001,
        "error_user_title": "Cannot Request for Deleted Objects",
        "error_user_msg": "Requesting for deleted objects is not supported in this endpoint. hunter2-hunter2",
    }

    told = str(from_reply(Reply(status=400, error=error, headers={}), "account 7"))

    assert "Invalid parameter. Cannot Request for Deleted Objects. Requesting for deleted objects is not supported" in told
    assert "hunter2" not in told


def test_an_app_that_is_blocked_is_told_apart_from_a_permission_that_is_missing():
    blocked = from_reply(reply(403, 200, message="API access blocked."), "account 7")

    assert (type(blocked), blocked.scope) == (AccessBlocked, "app")
    assert "every other account of it" in str(blocked)


@pytest.mark.parametrize(("code", "subcode"), [(190, 463), (190, 459), (200, None), (368, None), (10, None)])
def test_the_reason_of_a_refusal_is_told(code, subcode):
    error = {"message": "Short.", "code": code, "error_subcode": subcode, "error_user_title": "Title", "error_user_msg": "For people."}

    assert str(from_reply(Reply(status=400, error=error, headers={}), "account 7")).endswith("Meta says: Short. Title. For people")


def test_titles_of_other_errors_are_not_told():
    error = {"message": "An unknown error occurred", "code": 1, "error_user_title": "A title"}

    assert "A title" not in str(from_reply(Reply(status=500, error=error, headers={}), "account 7"))


def test_an_answer_too_big_is_known_by_its_words_whatever_the_code():
    assert type(from_reply(reply(500, 1, message="Please reduce the amount of data you're asking for"), "a")) is TooMuchData


def test_the_raw_code_is_kept_for_the_record():
    assert from_reply(reply(400, 17, 2446079), "a").code == "17/2446079"
    assert from_reply(reply(502), "a").code == "http-502"


def test_only_the_apps_own_limit_pauses_the_whole_app():
    scopes = {code: from_reply(reply(400, code), "a").scope for code in (4, 17, 613, 80004)}

    assert scopes == {4: "app", 17: "account", 613: "account", 80004: "account"}


@pytest.mark.parametrize(
    ("code", "use_case", "pauses"),
    [(80004, MANAGEMENT, "entities"), (80004, INSIGHTS, "account"), (80000, INSIGHTS, "account"), (17, MANAGEMENT, "account")],
)
def test_the_limit_of_campaigns_and_ads_pauses_them_alone(code, use_case, pauses):
    error = from_reply(replace(reply(400, code, 2446079), use_case=use_case), "account 7")

    assert error.scope == pauses
    assert ("its numbers go on" in str(error)) == (pauses == "entities")


def test_the_hint_of_a_throttle_is_that_of_the_calls_that_are_throttled():
    cases = [
        {"type": "custom_audience", "estimated_time_to_regain_access": 300},
        {"type": "ads_insights", "estimated_time_to_regain_access": 3},
    ]

    assert from_reply(reply(400, 17, x_business_use_case_usage={"1": cases}), "a").retry_after == 180
    assert from_reply(reply(400, 17), "a").retry_after is None


@given(
    st.integers(100, 599),
    st.one_of(st.none(), st.integers(-5, 100_000), st.text(max_size=5)),
    st.one_of(st.none(), st.integers(), st.text(max_size=5)),
    st.text(max_size=30),
)
@example(400, "²", "--5", "digits that are no number")
def test_whatever_meta_sends_becomes_one_of_ours(status, code, subcode, message):
    error = from_reply(reply(status, code, subcode, message), "account 7")

    assert isinstance(error, AdpulseError)
    assert str(error)
