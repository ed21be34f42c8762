"""What a probe of Meta decides about each assumption: from answers that agree with it, and from answers that break it."""

import pytest

from adpulse.platforms.meta.probing.assumptions import ASSUMPTIONS
from adpulse.platforms.meta.requests import Kind
from adpulse.probe.exchange import Exchange
from adpulse.probe.verdicts import Verdict

EITHER_IS_RIGHT = {
    "reports take the filter of every status, `DELETED` too",
    "reports list deleted ads that delivered",
    "the account's activities tell of deleted campaigns",
    "a page may have 5,000 rows",
    "`spend` in a currency without decimals has none",
    "the type of `me` for a System User",
    "`me/assigned_ad_accounts` of a token that is no System User's",
    "which usage headers come on which answers",
    "`X-Ad-Api-Version-Warning` before a version ends",
    "campaigns have the platform's own `results`",
    "how often Meta refreshes its numbers",
}
"""Assumptions of which no answer is wrong."""

AD, OTHER = {"ad_id": "1", "campaign_id": "7", "spend": "2.50"}, {"ad_id": "2", "campaign_id": "8", "spend": "4"}
SINCE = 1_772_000_000
OLD, NEW = {"id": "1", "updated_time": "2020-01-01T00:00:00+0000"}, {"id": "2", "updated_time": "2026-03-19T00:00:00+0000"}


def exchange(kind, rows, headers=None, **params):
    request = {"params": params, "version": "v26.0"}
    return Exchange(kind=kind, request=request, status="200", headers=headers or {}, body={"data": rows})


def reports(**rows):
    """Whole reports, by their kinds' names."""
    return {Kind[name]: exchange(Kind[name], listed) for name, listed in rows.items()}


def action(kind, value, **columns):
    return {"action_type": kind, "value": value, **{name.removeprefix("in_"): count for name, count in columns.items()}}


def types(*actions, clicks="9"):
    return reports(ACTION_TYPES=[{"clicks": clicks, **({"actions": list(actions)} if actions else {})}])


def changed(*rows):
    asked = exchange(Kind.CHANGED_ADS, list(rows), filtering=[{"value": SINCE}])
    return {Kind.ADS: exchange(Kind.ADS, [OLD, NEW]), Kind.CHANGED_ADS: asked}


def answered_by(version):
    return {Kind.ACCOUNT: exchange(Kind.ACCOUNT, [], {"facebook-api-version": version})}


BOTH = [AD, OTHER]
WIDE = {"in_1d_click": "3", "in_7d_click": "4", "in_28d_click": "5"}
DECIDED = {
    "reports take `campaign.id NOT_IN` beside the filter of statuses, and leave out that campaign only": (
        reports(REPORT_ADS=BOTH, REPORT_ACTIONS=[OTHER]),
        reports(REPORT_ADS=BOTH, REPORT_ACTIONS=BOTH),
    ),
    "reports take `campaign.id IN` beside the filter of statuses, and list all of that campaign": (
        reports(REPORT_ADS=BOTH, REPORT_DELIVERY=[AD]),
        reports(REPORT_ADS=[*BOTH, AD | {"ad_id": "3"}], REPORT_DELIVERY=[AD]),
    ),
    "halves of the fields list the same rows as all of them": (
        reports(REPORT_ADS=BOTH, REPORT_DELIVERY=[AD], REPORT_ACTIONS=[OTHER]),
        reports(REPORT_ADS=BOTH, REPORT_DELIVERY=[AD], REPORT_ACTIONS=[]),
    ),
    "the account's totals are the sum of its campaigns": (
        reports(REPORT_CAMPAIGNS=BOTH, REPORT_ACCOUNT=[{"spend": "6.5"}]),
        reports(REPORT_CAMPAIGNS=BOTH, REPORT_ACCOUNT=[{"spend": "6.51"}]),
    ),
    "the account's actions are added up whatever its ad sets attribute to": (types(action("lead", "4", **WIDE)), types()),
    "a longer window after a click counts what a shorter one does": (
        types(action("lead", "4", **WIDE), action("link_click", "9", in_1d_click="9")),
        types(action("lead", "4", **WIDE), action("purchase", "4", in_1d_click="4", in_7d_click="3")),
    ),
    "an action that lacks a window's column did not happen in that window": (
        types(action("lead", "6", in_28d_click="4", in_1d_view="1", in_1d_ev="1"), action("landing_page_view", "9")),
        types(action("lead", "4", **WIDE), action("purchase", "4")),
    ),
    "landing pages are viewed within a day of the click": (
        types(action("landing_page_view", "9", in_1d_click="9", in_7d_click="9")),
        types(action("landing_page_view", "9", in_1d_click="8", in_7d_click="9")),
    ),
    "an asynchronous report equals a direct one": (
        reports(REPORT_ADS=BOTH, REPORT_ROWS=[OTHER, AD]),
        reports(REPORT_ADS=BOTH, REPORT_ROWS=[OTHER, AD | {"spend": "2.51"}]),
    ),
    "a cursor of ads stays good for other `fields` and `limit`": (
        reports(ADS=[OLD], ADS_PLAIN=[NEW]),
        reports(ADS=[OLD], ADS_PLAIN=[OLD, NEW]),
    ),
    "the bare filter `updated_time` is heeded for ads": (changed(NEW), changed(OLD, NEW)),
    "the version that answers is the one that was called": (answered_by("v26.0"), answered_by("v27.0")),
}
"""Of each assumption that can fail answers that agree with it, and answers that break it."""

UNDECIDED = {
    "a longer window after a click counts what a shorter one does": types(action("video_view", "4", in_1d_view="4")),
    "an action that lacks a window's column did not happen in that window": types(action("landing_page_view", "9")),
    "landing pages are viewed within a day of the click": types(action("landing_page_view", "9"), action("lead", "2", **WIDE)),
}


def verdict(words, transcript):
    (assumption,) = [one for one in ASSUMPTIONS if one.words == words]
    return assumption.judge(transcript).verdict


def test_every_assumption_can_fail_or_has_no_wrong_answer():
    assert [one.words for one in ASSUMPTIONS if one.words not in {*DECIDED, *EITHER_IS_RIGHT}] == []
    assert len(ASSUMPTIONS) == len(DECIDED) + len(EITHER_IS_RIGHT)


@pytest.mark.parametrize("words", DECIDED)
def test_answers_that_agree_with_an_assumption_and_answers_that_break_it_are_told_apart(words):
    agreeing, breaking = DECIDED[words]

    assert (verdict(words, agreeing), verdict(words, breaking)) == (Verdict.HOLDS, Verdict.FAILS)


@pytest.mark.parametrize("words", UNDECIDED)
def test_answers_that_say_nothing_of_a_window_decide_nothing_about_it(words):
    assert verdict(words, UNDECIDED[words]) is Verdict.UNDECIDED
    assert verdict(words, reports(ACTION_TYPES=[])) is Verdict.UNDECIDED
