"""Whatever stands at a place of an answer, the client returns rows or raises an error of ours; nothing else leaves it."""

import os
from contextlib import suppress

import pytest
from clients import TODAY, GoogleRig, MetaRig, keyed
from hypothesis import given, settings
from hypothesis import strategies as st

from adpulse.errors import AdpulseError
from adpulse.model import FetchKind

EXAMPLES = int(os.environ.get("FUZZING_EXAMPLES", "40"))
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "action_type", "value", "next", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = {
    "insights": ["ad_id", "campaign_id", "date_start", "date_stop", "clicks", "spend", "actions", "action_values", "ad_name"],
    "ads": ["id", "name", "effective_status", "adset_id", "creative", "adlabels"],
    "me/adaccounts": ["account_id", "name", "currency", "timezone_name", "account_status"],
}
PLACES = [
    *((kind, place) for kind in FIELDS for place in ("data", "data[0]", "paging", "paging.next", "paging.cursors")),
    *((kind, f"data[0].{field}") for kind, fields in FIELDS.items() for field in fields),
    *(("node", field) for field in FIELDS["me/adaccounts"]),
]
READS = {
    "insights": lambda meta: meta.ads(),
    "ads": lambda meta: meta.entities(),
    "me/adaccounts": lambda meta: meta.client.accounts(meta.slot),
    "node": lambda meta: meta.client.facts(meta.connection(), meta.slot),
}


HEADERS = ("x-app-usage", "x-business-use-case-usage", "x-ad-account-usage", "x-fb-ads-insights-throttle", "facebook-api-version")


@settings(max_examples=EXAMPLES, deadline=None)
@given(header=st.sampled_from(HEADERS), value=ODD | st.binary(max_size=12).map(lambda raw: raw.decode("latin-1")))
def test_whatever_a_header_holds_the_answer_is_read(standing, header, value):
    meta = MetaRig(standing)
    standing.faults.add([{"action": "rewrite", "kind": "insights", "place": f"headers.{header}", "value": value}])
    try:
        rows = meta.ads()
    finally:
        standing.faults.clear()

    assert keyed(rows) == keyed(meta.truth())
    assert meta.client.answered_by is None


@settings(max_examples=EXAMPLES, deadline=None)
@given(aim=st.sampled_from(PLACES), value=ODD, remove=st.booleans())
def test_whatever_meta_answers_is_rows_or_an_error_of_ours(standing, aim, value, remove):
    kind, place = aim
    meta = MetaRig(standing)
    standing.faults.add([{"action": "rewrite", "kind": kind, "place": place, "value": value, "remove": remove}])
    try:
        with suppress(AdpulseError):
            READS[kind](meta)
    finally:
        standing.faults.clear()


INTEGERS, NUMBERS, TEXTS = st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(st.characters(), max_size=5)
OF_GOOGLE = st.one_of(
    st.tuples(st.sampled_from(["ad_group_ad.ad.id", "ad_group.id", "campaign.id", "metrics.clicks", "metrics.cost_micros"]), INTEGERS),
    st.tuples(st.sampled_from(["metrics.conversions", "metrics.conversions_value"]), NUMBERS),
    st.tuples(st.sampled_from(["segments.date", "campaign.name", "ad_group_ad.ad.name"]), TEXTS),
    st.tuples(st.just("ad_group_ad.status"), st.integers(0, 2**31 - 1)),
)


@pytest.mark.parametrize(
    "read", [GoogleRig.entities, lambda rig: rig._metrics(FetchKind.ADS, rig.SMALL, TODAY, TODAY, "1")], ids=["entities", "ads"]
)
@settings(max_examples=EXAMPLES, deadline=None)
@given(odd=OF_GOOGLE)
def test_whatever_google_answers_is_rows_or_an_error_of_ours(standing, read, odd):
    field, value = odd
    google = GoogleRig(standing)
    standing.faults.add([{"action": "rewrite", "resource": "ad_group_ad", "place": f"results[0].{field}", "value": value}])
    try:
        with suppress(AdpulseError):
            read(google)
    finally:
        standing.faults.clear()
