"""A run of a foreign client is good only when all that it was refused, and all that it missed, is listed with a reason."""

from dataclasses import replace

from foreign.rig import Outcome
from foreign.verdict import Listed, objections

EQUAL = Outcome(stream="ads_insights", result="equal", rows=14)
COUNTRY = "the breakdown country of insights"
OF_COUNTRIES = Outcome(stream="ads_insights_country", result="refused", says=f"adpulse sandbox does not serve {COUNTRY}")
ENDED = Outcome(stream="campaign list", result="refused", says="(#2635) You are calling a deprecated version of the Ads API.")
LISTED = Listed(streams={"campaign list": "version v24.0 has ended"}, gaps={"the breakdown * of insights": "breakdowns are not served"})


def judged(*more, gaps=(), listed=LISTED):
    return objections([EQUAL, OF_COUNTRIES, ENDED, *more], [COUNTRY, *gaps], listed)


def test_a_run_whose_refusals_are_listed_is_good():
    assert judged() == []


def test_a_difference_is_an_objection():
    different = Outcome(stream="ads", result="different", says="1 of 8 differ")

    assert judged(different) == ["ads differs: 1 of 8 differ"]


def test_a_refusal_in_the_platforms_words_needs_a_reason_of_its_own():
    new = replace(ENDED, stream="ad list")

    assert judged(new) == [f"ad list is refused, and no reason is listed: {new.says}"]


def test_a_new_gap_needs_a_reason_also_in_a_stream_that_was_refused_before():
    new = replace(OF_COUNTRIES, says="adpulse sandbox does not serve the parameter banana of insights")

    assert objections([EQUAL, new, ENDED], ["the parameter banana of insights"], LISTED) == [
        "the parameter banana of insights is not served, and no reason is listed"
    ]


def test_a_gap_that_a_client_hides_is_an_objection():
    assert judged(gaps=["the breakdown age of insights"]) == ["the breakdown age of insights is not served, and no refused stream says so"]


def test_a_reason_that_no_refusal_needs_is_an_objection():
    listed = replace(LISTED, streams={**LISTED.streams, "videos": "the sandbox has no videos"})

    assert judged(listed=listed) == ["videos has a reason and is not refused"]
