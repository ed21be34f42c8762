"""A lookup's calls are bounded, whatever is absent, and lookup after lookup everything that is absent is settled."""

from hypothesis import given
from hypothesis import strategies as st

from adpulse.gone_statuses import GONE_STATUSES
from adpulse.missing_entities import MissingEntity
from adpulse.model import Level
from adpulse.platforms.base import Size
from adpulse.platforms.meta.costs import LOOKUP_BY_ID
from adpulse.platforms.meta.lookup import LookupCalls, look_up
from adpulse.platforms.registry import platform_of

COST = platform_of("meta").costs(Size(ads=5_000), 500).lookup


@st.composite
def accounts(draw):
    """Ads with their ad sets, these with their campaigns, and which of all were deleted or are not known any more."""
    campaigns = draw(st.integers(1, 12))
    ad_sets = {f"s{number}": f"k{number % campaigns}" for number in range(draw(st.integers(1, 40)))}
    ads = {f"a{number}": f"s{number % len(ad_sets)}" for number in range(draw(st.integers(1, 450)))}
    ids = [*ads, *ad_sets, *sorted(set(ad_sets.values()))]
    gone = draw(st.dictionaries(st.sampled_from(ids), st.sampled_from(["DELETED", "GONE"]), max_size=60))
    return ads, ad_sets, gone


class Platform:
    """Edges that list what lives, and nodes that tell the rest."""

    def __init__(self, ads, ad_sets, gone):
        self.parents, self.gone, self.calls, self.nodes = {**ads, **ad_sets}, gone, 0, 0

    def status(self, external_id):
        while external_id:
            if external_id in self.gone:
                return self.gone[external_id]
            external_id = self.parents.get(external_id)
        return "ACTIVE"

    def edge(self, _, ids):
        assert len(ids) <= 100
        self.calls += 1
        return [{"id": each, "effective_status": "ACTIVE"} for each in ids if self.status(each) == "ACTIVE"]

    def node(self, _, external_id):
        self.calls, self.nodes = self.calls + 1, self.nodes + 1
        status = self.status(external_id)
        return None if status == "GONE" else {"id": external_id, "effective_status": status}


@given(accounts())
def test_every_lookup_keeps_within_its_calls_and_in_the_end_all_are_settled_rightly(account):
    ads, ad_sets, gone = account
    platform, settled = Platform(ads, ad_sets, gone), {}
    left = [MissingEntity(level=Level.AD, external_id=ad, ad_set_id=ad_set, campaign_id=ad_sets[ad_set]) for ad, ad_set in ads.items()]
    while left:
        platform.calls = platform.nodes = 0
        found = look_up(left, LookupCalls(edge=platform.edge, node=platform.node))

        assert platform.calls <= COST
        assert platform.nodes <= LOOKUP_BY_ID
        told = found.statuses | {key: row["effective_status"] for key, row in found.rows.items()}
        settled |= {each.external_id: told[each.level, each.external_id] for each in left if (each.level, each.external_id) in told}
        before, left = left, [each for each in left if each.external_id not in settled]
        assert len(left) < len(before)

    assert {each: status in GONE_STATUSES for each, status in settled.items()} == {ad: platform.status(ad) != "ACTIVE" for ad in ads}


def test_what_lives_unlisted_or_is_not_told_stays_as_it_is_and_keeps_nothing_from_the_ads():
    """A status that no edge is asked for is one that reports are not asked for either: the missing row says nothing."""
    odd = [MissingEntity(level=Level.CAMPAIGN, external_id=f"k{number:02}") for number in range(12)]
    ads = [MissingEntity(level=Level.AD, external_id=f"a{number}") for number in range(2)]
    answers = {"a0": None, "a1": {"id": "a1", "effective_status": "DELETED"}, "k00": {}}

    def node(_, external_id):
        return answers.get(external_id, {"id": external_id, "effective_status": "NEW"})

    found = look_up([*odd, *ads], LookupCalls(edge=lambda *_: [], node=node))

    assert found.statuses == {(Level.AD, "a0"): "GONE"}
    assert set(found.rows) == {(Level.AD, "a1")}
