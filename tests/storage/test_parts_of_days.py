"""An answer about some campaigns says nothing about the others, and all parts of a day together are the whole day."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse.campaign_range import CampaignRange
from adpulse.metrics import METRICS

K1, OTHERS = CampaignRange(only=("k1",)), CampaignRange(without=("k1",))
SPENT = "SELECT external_id, spend FROM metric_facts ORDER BY ALL"
REMAINDERS = "SELECT campaign_id, spend FROM unreported ORDER BY ALL"


def leaf(ad, campaign, spend=5):
    return {"external_id": ad, "campaign_id": campaign, "spend": spend, "profit": -spend}


def total(campaign, spend):
    return {"external_id": campaign, "campaign_id": campaign, "spend": spend, "profit": -spend}


@pytest.mark.parametrize(("campaigns", "zeroed"), [(K1, "a1"), (OTHERS, "a2")])
def test_absence_counts_inside_the_answered_campaigns_only(workspace, build, campaigns, zeroed):
    workspace.sync(build.run(build.ads(leaf("a1", "k1"), leaf("a2", "k2")), provider="google"))
    workspace.sync(build.run(build.ads(campaigns=campaigns), provider="google", generation=2))

    assert dict(workspace.rows(SPENT)) == {"a1": 5, "a2": 5, zeroed: 0}


def test_ads_found_alive_keep_the_numbers_of_campaigns_that_were_not_read(workspace, build):
    alive = build.confirmed({"external_id": "a1"}, {"external_id": "a2"})
    workspace.sync(build.run(build.ads(leaf("a1", "k1"), leaf("a2", "k2"))))
    workspace.sync(build.run(build.ads(campaigns=K1), alive, generation=2))

    assert dict(workspace.rows(SPENT)) == {"a1": 0, "a2": 5}


def test_only_entities_of_answered_campaigns_are_missing(workspace, build):
    workspace.sync(build.run(build.ads(leaf("a1", "k1"), leaf("a2", "k2")), build.totals(total("k1", 5), total("k2", 5))))

    def missing(*answers):
        absent = workspace.warehouse.missing_entities(build.connection(), list(answers))
        return {entity.external_id for entity in absent}

    assert missing(build.ads(campaigns=K1), build.totals(campaigns=K1)) == {"a1", "k1"}
    assert missing(build.ads(campaigns=OTHERS)) == {"a2"}


@pytest.mark.parametrize("campaigns", [K1, OTHERS])
def test_the_split_of_some_campaigns_leaves_the_others_as_they_are(workspace, build, campaigns):
    before = [leaf("a1", "k1"), leaf("a2", "k2")]
    kinds = [{"external_id": ad, "campaign_id": campaign, "leads": 3} for ad, campaign in (("a1", "k1"), ("a2", "k2"))]
    workspace.sync(build.run(build.base(*before), build.split(*kinds), provider="google"))
    workspace.sync(build.run(build.split(campaigns=campaigns), provider="google", generation=2))

    leads = dict(workspace.rows("SELECT campaign_id, leads FROM metric_facts"))

    assert leads == {campaign: 0 if campaign in campaigns else 3 for campaign in ("k1", "k2")}


def test_the_numbers_of_some_campaigns_leave_the_split_of_the_others_as_it_is(workspace, build):
    before = [leaf("a1", "k1"), leaf("a2", "k2")]
    workspace.sync(build.run(build.base(*before), build.split({"leads": 3}), provider="google"))
    workspace.sync(build.run(build.base(leaf("a1", "k1", 9), campaigns=K1), provider="google", generation=2))

    assert workspace.rows("SELECT external_id, spend, leads FROM metric_facts ORDER BY ALL") == [("a1", 9, 3), ("a2", 5, 0)]


def test_the_first_leaves_of_a_campaign_are_not_counted_beside_its_total(workspace, build):
    workspace.sync(build.run(build.ads(leaf("a1", "k1"), campaigns=K1), build.totals(total("k1", 7), total("k2", 8))))
    first = dict(workspace.rows(REMAINDERS))
    workspace.sync(build.run(build.ads(leaf("a2", "k2"), campaigns=OTHERS), generation=2))

    assert first == {"k1": 2, "k2": 8}
    assert dict(workspace.rows(REMAINDERS)) == {"k1": 2, "k2": 3}


def test_totals_of_some_campaigns_are_compared_with_the_account_only_when_all_were_read(workspace, build):
    account = build.account({"spend": 20, "profit": -20})
    some, rest = build.totals(total("k1", 7), campaigns=K1), build.totals(total("k2", 8), campaigns=OTHERS)
    workspace.sync(build.run(some, account))
    alone = workspace.rows("SELECT spend FROM not_by_campaign")
    late = build.totals(total("k2", 8), campaigns=OTHERS, at=build.now - timedelta(minutes=11))
    workspace.sync(build.run(some, late, account, generation=2))
    apart = workspace.rows("SELECT spend FROM not_by_campaign")
    workspace.sync(build.run(some, rest, account, generation=3))

    assert (alone, apart, workspace.rows("SELECT spend FROM not_by_campaign")) == ([], [], [(5,)])


def test_an_answer_with_rows_of_other_campaigns_is_refused(build):
    with pytest.raises(ValueError, match="rows of other campaigns"):
        build.run(build.ads(leaf("a2", "k2"), campaigns=K1))


CAMPAIGNS = ("k1", "k2", "k3", "k4")
rows = st.lists(
    st.tuples(st.sampled_from(["a1", "a2", "a3", "a4", "a5", "a6"]), st.integers(1, 3)), unique_by=lambda row: row[0], max_size=6
).map(lambda spent: [leaf(ad, CAMPAIGNS[int(ad[1]) % 4], spend) for ad, spend in spent])
sums = st.dictionaries(st.sampled_from(CAMPAIGNS), st.integers(0, 9)).map(lambda spent: [total(*item) for item in spent.items()])


@st.composite
def splits(draw):
    """A partition of the account, whose last range has every campaign that the others do not name, in any order."""
    named = draw(st.lists(st.sampled_from(CAMPAIGNS), unique=True))
    cuts = sorted(draw(st.sets(st.integers(1, max(len(named), 1)))))
    groups = [tuple(named[start:end]) for start, end in zip([0, *cuts], [*cuts, len(named)], strict=True)]
    return draw(st.permutations([*(CampaignRange(only=group) for group in groups if group), CampaignRange(without=tuple(named))]))


def numbers(workspace):
    names = ", ".join(METRICS)
    keys = {"metric_facts": "external_id, ", "platform_totals": "external_id, ", "unreported": ""}
    return [workspace.rows(f"SELECT {key}campaign_id, date, {names} FROM {table} ORDER BY ALL") for table, key in keys.items()]


@examples(4)
@given(
    before=st.tuples(rows, sums),
    now=st.tuples(rows, sums),
    split=splits(),
    account=st.tuples(st.sampled_from(["meta", "google"]), st.integers(0, 3)),
)
def test_any_split_of_a_day_in_any_order_is_stored_like_the_whole_day(build, new_workspace, before, now, split, account):
    (provider, back), whole, parts = account, new_workspace(), new_workspace()
    day = build.today - timedelta(days=back)

    def run(rows, generation, campaigns):
        of_range = [[row for row in group if row["campaign_id"] in campaigns] for group in rows]
        days = {"since": day, "until": day, "campaigns": campaigns}
        leaves, totals = ([row | {"date": day} for row in group] for group in of_range)
        alive = [
            build.confirmed(*({"external_id": f"a{n}"} for n in range(1, 7)), *({"level": "campaign", "external_id": k} for k in CAMPAIGNS))
        ]
        confirmed = alive if provider == "meta" else []
        return build.run(build.ads(*leaves, **days), build.totals(*totals, **days), *confirmed, generation=generation, provider=provider)

    for workspace in (whole, parts):
        workspace.sync(run(before, 1, CampaignRange()))
    whole.sync(run(now, 2, CampaignRange()))
    for generation, campaigns in enumerate(split, start=2):
        parts.sync(run(now, generation, campaigns))

    assert numbers(parts) == numbers(whole)
