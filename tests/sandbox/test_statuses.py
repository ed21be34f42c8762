"""The unmodified SDK's requests for statuses that Meta refuses."""

import pytest
from facebook_business.adobjects.ad import Ad
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adset import AdSet
from facebook_business.adobjects.campaign import Campaign
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

DELETED_ASKED = {
    "message": "Invalid parameter",
    "type": "OAuthException",
    "code": 100,
    "error_subcode": 1815001,
    "error_user_title": "Cannot Request for Deleted Objects",
    "error_user_msg": "Requesting for deleted objects is not supported in this endpoint.",
}
BAD_STATUS = {
    "message": "Invalid parameter",
    "type": "OAuthException",
    "code": 100,
    "error_subcode": 1487561,
    "is_transient": False,
    "error_user_title": "Run Status not valid",
    "error_user_msg": "Only certain values may be specified for run status.  The value specified was invalid.",
}
EDGES = {"get_campaigns": Campaign, "get_ad_sets": AdSet, "get_ads": Ad}


@pytest.fixture(scope="module")
def sdk(standing):
    session = FacebookSession(None, None, standing.world.token("full").value, timeout=30)
    session.GRAPH = standing.graph_url
    return FacebookAdsApi(session, api_version="v25.0")


@pytest.fixture
def account(sdk, standing):
    return AdAccount(f"act_{standing.world.account('Harbor Outdoor').id}", api=sdk)


def statuses_of(kind):
    return [value for name, value in vars(kind.EffectiveStatus).items() if not name.startswith("_")]


def refused(call):
    with pytest.raises(FacebookRequestError) as refusal:
        call()
    body = refusal.value.body()["error"]
    body.pop("fbtrace_id")
    return refusal.value.http_status(), body


@pytest.mark.parametrize(("edge", "kind"), EDGES.items())
def test_an_edge_refuses_deleted_objects_and_lists_every_other_status_of_its_own(account, edge, kind):
    statuses = statuses_of(kind)

    accepted = [status for status in statuses if status != "DELETED"]
    entities = list(getattr(account, edge)(["effective_status"], {"effective_status": accepted}))

    assert entities
    assert "DELETED" not in {entity["effective_status"] for entity in entities}
    assert refused(lambda: list(getattr(account, edge)([], {"effective_status": statuses}))) == (400, DELETED_ASKED)


@pytest.mark.parametrize("edge", ["get_campaigns", "get_ad_sets"])
def test_an_edge_refuses_the_statuses_of_another_kind_of_object(account, edge):
    accepted = [status for status in statuses_of(Ad) if status != "DELETED"]

    assert refused(lambda: list(getattr(account, edge)([], {"effective_status": accepted}))) == (400, BAD_STATUS)


def test_a_report_accepts_a_filter_by_deleted_but_not_by_statuses_of_another_level(account):
    def report(level, statuses):
        by_status = [{"field": f"{level}.effective_status", "operator": "IN", "value": statuses}]
        return list(account.get_insights(["impressions"], {"level": level, "date_preset": "yesterday", "filtering": by_status}))

    assert report("ad", statuses_of(Ad))
    assert report("campaign", statuses_of(Campaign))
    assert refused(lambda: report("campaign", statuses_of(Ad))) == (400, BAD_STATUS)


def test_a_deleted_ad_answers_by_its_own_id(sdk, standing):
    now = standing.clock.now()
    deleted = next(ad for ad in standing.world.account("Harbor Outdoor").ads if ad.deleted_at and ad.deleted_at <= now)

    node = Ad(deleted.id, api=sdk).api_get(["name", "effective_status"])

    assert (node["name"], node["effective_status"]) == (deleted.name(now), "DELETED")
