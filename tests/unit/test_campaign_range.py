"""Ranges of campaigns are sets, whatever campaigns there will be."""

from hypothesis import given
from hypothesis import strategies as st

from adpulse.campaign_range import NO_CAMPAIGNS, WHOLE_ACCOUNT, CampaignRange

CAMPAIGNS = ("k1", "k2", "k3", "k4")
EVERYTHING = {*CAMPAIGNS, "unknown"}
some = st.lists(st.sampled_from(CAMPAIGNS), max_size=4).map(tuple)
ranges = some.map(lambda ids: CampaignRange(only=ids)) | some.map(lambda ids: CampaignRange(without=ids))


def members(campaigns):
    return {campaign for campaign in EVERYTHING if campaign in campaigns}


@given(first=ranges, second=ranges)
def test_union_difference_and_intersection_are_those_of_sets(first, second):
    assert members(first.union(second)) == members(first) | members(second)
    assert members(first.minus(second)) == members(first) - members(second)
    assert members(first.intersection(second)) == members(first) & members(second)


@given(campaigns=ranges)
def test_a_range_and_what_is_left_of_the_account_are_the_whole_account(campaigns):
    rest = WHOLE_ACCOUNT.minus(campaigns)

    assert campaigns.union(rest).is_whole
    assert campaigns.minus(WHOLE_ACCOUNT).is_empty
    assert (campaigns.union(NO_CAMPAIGNS), members(campaigns.minus(rest))) == (campaigns.minus(NO_CAMPAIGNS), members(campaigns))
